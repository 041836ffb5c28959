"""Either the whole file or the old one, and no litter, whatever happens on the way."""

import base64
import errno
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import threading
from contextlib import chdir, closing, suppress
from pathlib import Path

import pytest

from modelgates_speech import SaveError, files
from tests.faults.calls import CALLERS, CLIENTS, KEY, OLD
from tests.faults.children import child, outcome, told
from tests.faults.server import CLOSE, STALL, Pour
from tests.faults.table import AUDIO, HEALTHY, MIB, head, reply
from tests.systems import needs_unnamed_files

SAVE = """
def ready():
    pass

def save(on_progress=None):
    arguments = SPEECH | {"on_progress": on_progress, "timeout": 60.0}
    if client == "sync":
        with ModelGates() as c:
            ready()
            return c.audio.speech.save(path, **arguments)
    async def main():
        async with AsyncModelGates() as c:
            ready()
            return await c.audio.speech.save(path, **arguments)
    return asyncio.run(main())
"""


@pytest.fixture
def target(tmp_path):
    """An old file that is alone in its folder."""
    path = tmp_path / "out" / "a.wav"
    path.parent.mkdir()
    path.write_bytes(OLD)
    return path


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def unchanged(target):
    """The folder is as it was, when the test is over."""
    before = contents(target.parent)
    yield
    assert contents(target.parent) == before


unnamed = pytest.mark.parametrize(
    "unnamed", [pytest.param(True, marks=needs_unnamed_files), False], ids=["unnamed", "named"]
)
either = pytest.mark.parametrize("client", CLIENTS)


@either
@unnamed
@pytest.mark.usefixtures("unchanged")
def test_a_full_disk_leaves_the_old_file_and_the_audio_that_was_paid_for(
    client, unnamed, server, target
):
    server.acts = HEALTHY
    script = (
        SAVE
        + """
import base64, resource
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
try:
    save()
except ModelGatesError as error:
    partial = base64.b64encode(error.partial.content).decode()
    tell(kind=type(error).__name__, says=str(error), errno=error.errno, partial=partial)
"""
    )
    seen = outcome(script, client, target, server=server, unnamed=unnamed)
    assert seen["kind"] == "SaveError"
    assert seen["errno"] == errno.EFBIG
    assert str(target) in seen["says"]
    assert "as it was before" in seen["says"]
    assert base64.b64decode(seen["partial"]) == AUDIO
    assert len(server.requests) == 1


@either
@unnamed
@pytest.mark.usefixtures("unchanged")
def test_ctrl_c_before_any_audio_leaves_the_old_file_and_no_litter(client, unnamed, server, target):
    server.acts = (STALL,)
    with child(SAVE + "save()", client, target, server=server, unnamed=unnamed) as process:
        server.until(lambda: server.requests)
        interrupt(process)
    server.until(lambda: server.open == 0)


@either
@unnamed
@pytest.mark.usefixtures("unchanged")
def test_ctrl_c_after_some_audio_leaves_the_old_file_and_no_litter(client, unnamed, server, target):
    server.acts = (head(Content_Length="4096"), AUDIO[:3000], STALL)
    script = SAVE + "save(lambda received: tell(received=received))"
    with child(script, client, target, server=server, unnamed=unnamed) as process:
        assert told(process)["received"] > 0
        interrupt(process)
    server.until(lambda: server.open == 0)


def interrupt(process):
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert KEY not in err


@either
@unnamed
def test_kill_9_leaves_the_old_file_and_at_most_a_part_beside_it(client, unnamed, server, target):
    before = contents(target.parent)
    server.acts = (head(Content_Length="4096"), AUDIO[:3000], STALL)
    script = SAVE + "save(lambda received: tell(received=received))"
    with child(script, client, target, server=server, unnamed=unnamed) as process:
        assert told(process)["received"] > 0
        process.kill()
        process.wait()
    left = contents(target.parent)
    parts = [name for name in left if name not in before]
    assert {name: left[name] for name in before} == before
    if unnamed:
        assert parts == []
    else:
        [part] = parts
        assert part.startswith(".a.wav.")
        assert part.endswith(".part")


@either
@unnamed
def test_a_whole_file_replaces_the_old_one(client, unnamed, server, target):
    server.acts = HEALTHY
    outcome(SAVE + "save()\ntell(done=True)", client, target, server=server, unnamed=unnamed)
    assert contents(target.parent) == {"a.wav": wav_header(len(AUDIO)) + AUDIO}


def wav_header(size):
    riff, data = (0xFFFFFFFF,) * 2 if size + 36 > 0xFFFFFFFF else (size + 36, size)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 24_000, 48_000, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", riff, b"WAVE") + form + struct.pack("<4sI", b"data", data)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="users have no numbers here")
@either
def test_an_unwritable_folder_is_noticed_before_anything_is_sent(client, server):
    folder = Path(tempfile.mkdtemp(prefix="unwritable-"))
    folder.chmod(0o555)
    script = (
        SAVE
        + """
import anyio._backends._asyncio

def ready():
    if os.geteuid() == 0:
        os.setegid(65534)
        os.seteuid(65534)

try:
    save()
except ModelGatesError as error:
    tell(kind=type(error).__name__, errno=error.errno, partial=error.partial)
"""
    )
    try:
        seen = outcome(script, client, folder / "a.wav", server=server)
    finally:
        shutil.rmtree(folder)
    assert seen == {"kind": "SaveError", "errno": errno.EACCES, "partial": None}
    assert server.connections == 0


@pytest.fixture(params=CLIENTS)
def caller(request, server):
    server.acts = HEALTHY
    with closing(CALLERS[request.param](api_key=KEY, base_url=server.url)) as caller:
        yield caller


def a_folder(folder):
    (folder / "a.pcm").mkdir()


def a_link_to_a_folder(folder):
    (folder / "a.pcm").symlink_to(folder)


def a_link_into_no_folder(folder):
    (folder / "a.pcm").symlink_to(folder / "nowhere" / "b.pcm")


def a_file_for_a_folder(folder):
    folder.rmdir()
    folder.write_bytes(OLD)


def no_folder(folder):
    folder.rmdir()


@pytest.mark.parametrize(
    "obstacle",
    [a_folder, a_link_to_a_folder, a_link_into_no_folder, a_file_for_a_folder, no_folder],
)
def test_an_impossible_target_is_noticed_before_anything_is_sent(
    obstacle, caller, server, tmp_path
):
    folder = tmp_path / "out"
    folder.mkdir()
    obstacle(folder)
    before = sorted(tmp_path.rglob("*"))
    result = caller.make("save", folder)
    assert type(result.error) is SaveError
    assert result.error.path == folder / "a.pcm"
    assert server.connections == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_a_dangling_link_is_written_through(caller, tmp_path):
    (tmp_path / "a.pcm").symlink_to(tmp_path / "b.pcm")
    assert caller.make("save", tmp_path).heard == AUDIO
    assert (tmp_path / "a.pcm").is_symlink()
    assert (tmp_path / "b.pcm").read_bytes() == AUDIO
    assert len(list(tmp_path.iterdir())) == 2


def test_a_dangling_link_dangles_on_when_the_audio_is_cut(caller, server, tmp_path):
    (tmp_path / "a.pcm").symlink_to(tmp_path / "b.pcm")
    server.acts = (reply()[:-1], CLOSE)
    assert caller.make("save", tmp_path).error.partial.content == AUDIO[:-1]
    assert [path.name for path in tmp_path.iterdir()] == ["a.pcm"]


def test_the_mode_of_the_old_file_is_kept(caller, tmp_path):
    path = tmp_path / "a.pcm"
    path.write_bytes(OLD)
    path.chmod(0o640)
    assert caller.make("save", tmp_path).heard == AUDIO
    assert path.stat().st_mode & 0o777 == 0o640


class Reader(threading.Thread):
    """Somebody who reads a pipe to its end, or so many bytes of it."""

    def __init__(self, path, size=-1):
        super().__init__(daemon=True)
        self.path, self.size, self.read = path, size, b""
        self.start()

    def run(self):
        with self.path.open("rb") as pipe:
            self.read = pipe.read(self.size)

    def heard(self):
        self.join(timeout=60)
        assert not self.is_alive()
        return self.read


def through_a_link(folder, target, name="link.wav"):
    (folder / name).symlink_to(target)
    return folder / name


@pytest.fixture(params=["by its name", "through a link"])
def pipe(request, tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    os.mkfifo(tmp_path / "a.wav")
    by_name = request.param == "by its name"
    return tmp_path / "a.wav" if by_name else through_a_link(tmp_path, tmp_path / "a.wav")


def test_a_pipe_is_written_into(caller, pipe):
    reader = Reader(pipe)
    assert caller.save(pipe) == pipe
    # Nobody can go back in a pipe, to say how long the audio was.
    assert reader.heard() == wav_header(0xFFFFFFFF) + AUDIO
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_audio_in_memory_is_written_into_a_pipe_with_its_length(caller, pipe):
    reader = Reader(pipe)
    caller.create().save(pipe)
    assert reader.heard() == wav_header(len(AUDIO)) + AUDIO


def test_a_pipe_without_a_reader_is_noticed_before_anything_is_sent(
    caller, pipe, server, monkeypatch
):
    monkeypatch.setattr(files, "PIPE_SECONDS", 0.05)
    with pytest.raises(SaveError, match=r": nobody reads this pipe$") as caught:
        caller.save(pipe)
    assert caught.value.errno == errno.ENXIO
    assert server.connections == 0


def test_what_has_nothing_behind_it_is_not_waited_for(monkeypatch):
    def refuse(path, flags):
        raise OSError(errno.ENXIO, "no such device")

    file = files.AtomicFile(os.devnull)
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SaveError, match=r": no such device$"), file:
        pass


def test_a_pipe_whose_reader_is_slow_is_waited_for_by_the_system(pipe):
    with open(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), "rb") as reader, files.AtomicFile(pipe):
        ends = []
        for number in map(int, os.listdir("/dev/fd")):
            with suppress(OSError):  # what the listing itself was read from
                if os.path.samestat(os.fstat(number), pipe.stat()):
                    ends.append(number)
        ends.remove(reader.fileno())
        assert [os.get_blocking(end) for end in ends] == [True]


def test_a_pipe_that_is_gone_before_it_is_opened_is_told(pipe):
    file = files.AtomicFile(pipe)
    pipe.unlink()
    with pytest.raises(SaveError) as caught, file:
        pass
    assert str(caught.value) == f"could not write {pipe}: {os.strerror(errno.ENOENT)}"


def test_a_reader_who_leaves_is_noticed(caller, pipe, server):
    server.acts = (head(Content_Length=str(4 * MIB)), Pour(bytes(MIB), 4))
    reader = Reader(pipe, 100)
    with pytest.raises(SaveError) as caught:
        caller.save(pipe)
    assert caught.value.errno == errno.EPIPE
    assert "as it was before" not in str(caught.value)
    assert len(reader.heard()) == 100


@pytest.mark.parametrize("link", [True, False])
def test_a_device_is_written_into(caller, tmp_path, link):
    device = through_a_link(tmp_path, os.devnull) if link else Path(os.devnull)
    caller.save(device, response_format="pcm")
    assert stat.S_ISCHR(device.stat().st_mode)


def test_a_device_that_is_full_says_so_and_gives_the_audio(caller, tmp_path):
    for name in ("x.wav", "x.pcm"):
        with pytest.raises(SaveError) as caught:
            caller.save(through_a_link(tmp_path, "/dev/full", name))
        assert caught.value.errno == errno.ENOSPC
        assert caught.value.partial.content == AUDIO


def test_what_a_process_substitution_reads_is_written_into(caller):
    reads, writes = os.pipe()
    with open(reads, "rb") as reader:
        caller.save(f"/dev/fd/{writes}", response_format="pcm")
        os.close(writes)
        assert reader.read() == AUDIO


def test_a_socket_is_refused_before_anything_is_sent(caller, server, tmp_path):
    # By its name alone: a path to a socket may not be long.
    with chdir(tmp_path), socket.socket(socket.AF_UNIX) as listening:
        listening.bind("a.wav")
        with pytest.raises(SaveError, match="socket"):
            caller.save(tmp_path / "a.wav")
    assert server.connections == 0


def test_a_file_that_is_a_mount_by_itself_is_refused_before_anything_is_sent(server, tmp_path):
    # A space, for the system writes it in a way of its own.
    mounted, source = tmp_path / "a b.wav", tmp_path / "source"
    for path in (mounted, source):
        path.write_bytes(OLD)
    script = """
from modelgates_speech import SaveError, files
with ModelGates() as c:
    try:
        c.audio.speech.save(path, **SPEECH)
    except SaveError as error:
        tell(errno=error.errno, says=str(error))
"""
    server.acts = HEALTHY
    private = ["unshare", "--mount", "--map-root-user", "sh", "-c"]
    bind = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
    mount = [*private, bind, "-", str(source), str(mounted)]
    listed = Path("/proc/self/mountinfo").exists()
    if not listed or subprocess.run([*mount, "true"], check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    seen = outcome(script, "sync", mounted, server=server, before=mount)
    assert seen["errno"] == errno.EBUSY
    assert "mount its folder" in seen["says"]
    assert server.connections == 0
    assert source.read_bytes() == OLD


@either
def test_a_stream_of_any_length_takes_constant_memory(client, server, tmp_path):
    mebibytes = int(os.environ.get("FAULTS_STREAM_MIB", "512"))
    server.acts = (
        head(Content_Length=str(mebibytes * MIB)),
        Pour(bytes(MIB), mebibytes),
    )
    script = (
        SAVE
        + """
import resource
seen = []
def watch(received):
    if not seen or received > seen[-1][0] * 2:
        seen.append((received, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
save(watch)
tell(first=seen[0], last=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    )
    path = tmp_path / "a.wav"
    seen = outcome(script, client, path, server=server)
    assert path.stat().st_size == mebibytes * MIB + 44
    with path.open("rb") as file:
        assert file.read(44) == wav_header(mebibytes * MIB)
    path.unlink()
    assert seen["last"] - seen["first"][1] < 16 * 1024, "KiB more than after the first bytes"
