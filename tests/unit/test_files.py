"""Files appear whole or not at all, whatever happens in between."""

import errno
import os
import shutil
import socket
import stat
from pathlib import Path

import pytest

from modelgates_speech import Audio, SaveError
from modelgates_speech.files import AtomicFile
from modelgates_speech.keeping import keep
from tests.systems import HAS_UNNAMED_FILES


@pytest.fixture(params=["unnamed", "named"])
def kind(request, monkeypatch):
    """With the system's unnamed files, and as where there are none."""
    if request.param == "named":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    elif not HAS_UNNAMED_FILES:
        pytest.skip("this system has no unnamed files")
    return request.param


def write(path, data=b"new"):
    with AtomicFile(path) as file:
        file.write(data)
        return file.commit()


def test_a_file_appears_with_what_was_written(tmp_path, kind):
    assert write(tmp_path / "x.pcm") == tmp_path / "x.pcm"
    assert (tmp_path / "x.pcm").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["x.pcm"]


def test_until_the_commit_the_old_file_stands(tmp_path, kind):
    target = tmp_path / "x.pcm"
    target.write_bytes(b"old")
    with AtomicFile(target) as file:
        file.write(b"new")
        assert target.read_bytes() == b"old"
        file.commit()
        assert target.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["x.pcm"]


def test_without_a_commit_nothing_is_left(tmp_path, kind):
    with pytest.raises(KeyboardInterrupt), AtomicFile(tmp_path / "x.pcm") as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_a_descriptor_is_known_to_the_system_that_gave_it_alone(tmp_path, kind, monkeypatch):
    """A test may fake `os`, as pyfakefs does: its numbers mean other files to everybody else."""
    far = 100_000
    there = {name: getattr(os, name) for name in ("open", "fdopen", "close")}

    def fake_open(*arguments, **options):
        return far + there["open"](*arguments, **options)

    monkeypatch.setattr(os, "open", fake_open)
    # `fsync` is given what an open file says of itself.
    for name in ("fdopen", "close"):
        monkeypatch.setattr(
            os, name, lambda number, *rest, name=name: there[name](number - far, *rest)
        )
    write(tmp_path / "x.pcm")
    write(tmp_path / "x.pcm", b"newer")
    assert Path(tmp_path / "x.pcm").read_bytes() == b"newer"


def test_what_was_dropped_already_may_be_dropped_again(tmp_path, kind):
    with AtomicFile(tmp_path / "x.pcm") as file:
        for part in tmp_path.iterdir():
            part.unlink()  # as somebody does who tidies up
        file.discard()
        file.discard()
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not HAS_UNNAMED_FILES, reason="this system has no unnamed files")
def test_an_unnamed_file_leaves_nothing_even_to_a_killed_process(tmp_path, monkeypatch):
    names, link = [], os.link

    def watched(source, name, **more):
        names.append(name)
        link(source, name, **more)

    monkeypatch.setattr(os, "link", watched)
    with AtomicFile(tmp_path / "x.pcm") as file:
        file.write(b"half")
        assert os.listdir(tmp_path) == []
        file.commit()
    assert names == ["x.pcm"]


@pytest.mark.skipif(not HAS_UNNAMED_FILES, reason="this system has no unnamed files")
def test_an_unnamed_file_is_given_its_name_and_is_not_copied(tmp_path, monkeypatch):
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        unnamed = os.open(tmp_path, os.O_TMPFILE | os.O_RDWR)
        with os.fdopen(unnamed, "wb"):
            os.link(f"/proc/self/fd/{unnamed}", "named", dst_dir_fd=folder)
    except OSError as error:
        pytest.skip(f"this system does not let unnamed files be named: {error}")
    finally:
        os.close(folder)
    monkeypatch.setattr(shutil, "copyfileobj", lambda *_: pytest.fail("it was copied"))
    for target in ("new", "named"):
        assert write(tmp_path / target).read_bytes() == b"new"


def test_the_start_can_be_rewritten_and_all_be_read_back(tmp_path, kind):
    with AtomicFile(tmp_path / "x.pcm") as file:
        file.write(b"????data")
        assert file.read(4, 100) == b"data"
        file.rewrite_start(b"HEAD")
        file.commit()
    assert (tmp_path / "x.pcm").read_bytes() == b"HEADdata"


def test_any_part_of_what_was_written_can_be_read_back(tmp_path, kind):
    whole = os.urandom(3 << 20)
    with AtomicFile(tmp_path / "x.pcm") as file:
        file.write(whole)
        for start, size in ((0, len(whole)), (5, 2 << 20), (len(whole) - 3, 100), (7, 1), (7, 0)):
            assert file.read(start, size) == whole[start : start + size]


def test_the_mode_follows_the_umask_for_a_new_file_and_the_old_file_for_a_replaced_one(
    tmp_path, kind
):
    target = tmp_path / "x.pcm"
    old = os.umask(0o027)
    try:
        write(target)
        assert stat.S_IMODE(target.stat().st_mode) == 0o640
        target.chmod(0o600)
        write(target, b"newer")
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
    finally:
        os.umask(old)


def test_a_link_is_written_through_even_when_it_dangles(tmp_path, kind):
    link = tmp_path / "link.pcm"
    link.symlink_to("real.pcm")
    write(link)
    assert link.is_symlink()
    assert (tmp_path / "real.pcm").read_bytes() == b"new"


@pytest.mark.parametrize(
    ("target", "number", "reason"),
    [
        ("", errno.EISDIR, ": it is a folder;"),
        ("missing/x.pcm", errno.ENOENT, os.strerror(errno.ENOENT)),
        ("file/x.pcm", errno.ENOTDIR, os.strerror(errno.ENOTDIR)),
    ],
)
def test_what_cannot_be_written_is_refused_at_once(tmp_path, kind, target, number, reason):
    (tmp_path / "file").touch()
    with pytest.raises(SaveError) as caught:
        AtomicFile(tmp_path / target)
    path = tmp_path / target
    assert (caught.value.errno, caught.value.path) == (number, path)
    said = str(caught.value)
    assert said.startswith(f"could not write {path}: ")
    assert said.endswith("; the target is as it was before")
    assert reason in said
    assert os.listdir(tmp_path) == ["file"]


def test_a_name_that_is_no_name_is_refused(kind):
    with pytest.raises(SaveError, match="null"):
        AtomicFile("a\0b.wav")


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="sockets have no names here")
def test_a_socket_is_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's name is short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("x.pcm")
        with pytest.raises(SaveError, match=": it is a socket;") as caught:
            AtomicFile(tmp_path / "x.pcm")
    assert caught.value.errno == errno.ENXIO


@pytest.fixture
def mounts(monkeypatch):
    """What Linux lists as mounted is what this names, or there is no list where it is None."""
    listed = {}
    read = Path.read_bytes

    def read_bytes(path):
        if path != Path("/proc/self/mountinfo"):
            return read(path)
        if listed["path"] is None:
            raise FileNotFoundError(path)
        return (
            b"21 1 0:20 / /proc rw - proc proc rw\n36 35 98:0 /a %s rw - ext4 /dev/a rw\n"
            % (listed["path"])
        )

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    return listed


@pytest.mark.parametrize(
    ("name", "written"), [("x.pcm", b"x.pcm"), ("a b.pcm", rb"a\040b.pcm"), ("\\", rb"\134")]
)
def test_a_file_that_is_a_mount_by_itself_is_refused_at_once(tmp_path, mounts, name, written):
    path = tmp_path / name
    path.write_bytes(b"old")
    # Linux writes white space in the names of the folders so, too.
    mounts["path"] = os.fsencode(tmp_path).replace(b" ", rb"\040") + b"/" + written
    with pytest.raises(
        SaveError, match=": it is mounted as a file and cannot be replaced: mount its folder;"
    ) as caught:
        AtomicFile(path)
    assert caught.value.errno == errno.EBUSY


@pytest.mark.parametrize("mounted", [b"/x.pcm", None])
def test_a_file_that_is_not_listed_as_a_mount_is_replaced(tmp_path, mounts, mounted):
    (tmp_path / "x.pcm").write_bytes(b"old")
    mounts["path"] = mounted
    assert write(tmp_path / "x.pcm").read_bytes() == b"new"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_the_start_of_what_is_in_a_pipe_already_cannot_be_rewritten(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with open(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), "rb"), AtomicFile(pipe) as file:
        file.write(b"????data")
        with pytest.raises(SaveError) as caught:
            file.rewrite_start(b"HEAD")
    assert str(caught.value) == f"could not write {pipe}: {os.strerror(errno.ESPIPE)}"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_may_have_its_reader_later(tmp_path, monkeypatch):
    pipe, readers, really = tmp_path / "pipe", [], os.open

    def open_(*arguments):
        try:
            return really(*arguments)
        except OSError:
            readers.append(really(pipe, os.O_RDONLY | os.O_NONBLOCK))
            raise

    os.mkfifo(pipe)
    monkeypatch.setattr(os, "open", open_)
    with AtomicFile(pipe) as file:
        file.write(b"data")
        file.commit()
    [reader] = readers
    assert os.read(reader, 100) == b"data"
    os.close(reader)


def test_a_file_that_the_system_does_not_let_be_named_is_copied(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    monkeypatch.setattr(os, "link", refused)
    target = tmp_path / "x.pcm"
    target.write_bytes(b"old")
    with AtomicFile(target) as file:
        file.write(b"new")
        file.rewrite_start(b"N")
        assert file.commit() == target
    assert target.read_bytes() == b"New"
    assert os.listdir(tmp_path) == ["x.pcm"]


def test_a_name_that_is_no_text_is_told_in_a_message_that_is():
    with pytest.raises(SaveError) as refused:
        AtomicFile(os.fsdecode(b"/no/such/folder/\xff.wav"))
    assert "/no/such/folder" in refused.value.message.encode("utf-8").decode()


def test_what_a_killed_process_leaves_is_named_after_the_file(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    target = tmp_path / "x.pcm"
    with AtomicFile(target) as one, AtomicFile(target) as other:
        left = os.listdir(tmp_path)
        assert len(set(left)) == 2
        assert all(name.startswith(".x.pcm.") and name.endswith(".part") for name in left)
        one.commit()
        other.commit()
    assert os.listdir(tmp_path) == ["x.pcm"]


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="folders are not shared in this way here")
def test_a_file_beside_others_of_its_owner_may_be_replaced_in_a_shared_folder(tmp_path, kind):
    tmp_path.chmod(0o1777)
    (tmp_path / "x.pcm").write_bytes(b"old")
    assert write(tmp_path / "x.pcm").read_bytes() == b"new"


def test_a_target_that_becomes_a_folder_is_reported_and_nothing_is_left(tmp_path, kind):
    target = tmp_path / "x.pcm"
    with pytest.raises(SaveError) as caught, AtomicFile(target) as file:
        file.write(b"new")
        target.mkdir()
        file.commit()
    assert caught.value.errno == errno.EISDIR
    assert os.listdir(tmp_path) == ["x.pcm"]
    assert os.listdir(target) == []


def size_in_names(letter):
    try:
        return len(os.fsencode(letter))
    except UnicodeEncodeError:
        pytest.skip("names have no such letters here")


@pytest.mark.parametrize("letter", ["n", "ß", "語", "😀", "e\u0301", os.fsdecode(b"\xff")])
def test_a_very_long_name_fits_with_its_temporary(tmp_path, kind, letter):
    name = letter * (251 // size_in_names(letter)) + ".pcm"
    for data in (b"old", b"new"):
        write(tmp_path / name, data)
        assert os.listdir(tmp_path) == [name]
    assert (tmp_path / name).read_bytes() == b"new"


def test_a_name_that_is_too_long_is_refused_at_once(tmp_path, kind):
    with pytest.raises(SaveError) as caught:
        AtomicFile(tmp_path / ("n" * 252 + ".pcm"))
    assert caught.value.errno == errno.ENAMETOOLONG


def test_somebody_elses_file_in_a_shared_folder_is_refused_at_once(tmp_path, kind, monkeypatch):
    tmp_path.chmod(0o1777)
    target = tmp_path / "x.pcm"
    target.write_bytes(b"old")
    monkeypatch.setattr(os, "geteuid", lambda: target.stat().st_uid + 1, raising=False)
    with pytest.raises(SaveError, match=r": it belongs to another user, .* like /tmp;") as caught:
        AtomicFile(target)
    assert caught.value.errno == errno.EPERM
    tmp_path.chmod(0o777)
    assert write(target).read_bytes() == b"new"


@pytest.mark.parametrize(
    ("kind", "rate", "suffix"),
    [
        ("pcm", 24000, ".wav"),
        ("pcm", None, ".pcm"),
        ("mp3", None, ".mp3"),
        ("wav", None, ".wav"),
        ("a/b", None, ".a%2Fb"),
    ],
)
def test_what_a_failure_left_is_kept_whatever_is_known_of_it(tmp_path, kind, rate, suffix):
    audio = Audio(format=kind, sample_rate=rate, channels=rate and 1, content=b"ab" * 100)
    for stem in ("k", "k-2"):
        assert keep(audio, tmp_path, "k") == tmp_path / f"{stem}{suffix}"
        assert (tmp_path / f"{stem}{suffix}").read_bytes().endswith(audio.content)
