"""Audio that was paid for is kept, as far as there is room for it."""

import errno

import pytest

from modelgates_speech import Audio, SaveError, keeping
from modelgates_speech.files import AtomicFile
from modelgates_speech.keeping import Keeping

PCM = Audio(format="pcm", sample_rate=24_000, channels=1, content=b"")


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A file on a disk that takes `ab` and nothing else, and gives nothing back once it is full."""
    full = SaveError("the disk is full", path=tmp_path / "a.pcm", errno=errno.ENOSPC)
    written, read = AtomicFile.write, AtomicFile.read

    def write(file, data):
        if data not in (b"", b"ab"):
            monkeypatch.setattr(AtomicFile, "read", unreadable)
            raise full
        written(file, data)

    def unreadable(file, start, size):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(AtomicFile, "write", write)
    monkeypatch.setattr(AtomicFile, "read", read)
    with AtomicFile(tmp_path / "a.pcm") as file:
        yield file


def test_what_comes_after_the_disk_has_failed_is_kept_though_the_disk_gives_nothing_back(file):
    kept = Keeping(PCM, file)
    for piece in (b"ab", b"cdef", b"gh"):
        kept.add(piece)
    assert kept.audio().content == b"cdefgh"
    with pytest.raises(SaveError, match="the disk is full"):
        kept.commit()


def test_memory_takes_the_place_of_a_full_disk_only_so_far(file, monkeypatch):
    monkeypatch.setattr(keeping, "MAX_RESCUED", 6)
    kept = Keeping(PCM, file)
    with pytest.raises(SaveError, match="the disk is full") as failed, kept.even_on_failure():
        for piece in (b"ab", b"cdef", b"gh", b"ij"):
            kept.add(piece)
    assert failed.value.partial.content == b"cdefgh"


def test_of_audio_without_end_the_last_of_it_is_kept():
    kept = Keeping(PCM, most=10)
    pieces = [b"%04d" % number for number in range(100)]
    assert [*kept.through(pieces)] == pieces
    assert kept.audio().content == b"00980099"
