"""A device that plays in real time, into memory: what it was given is what would be heard."""

import threading

import miniaudio

DEVICE = miniaudio.PlaybackDevice


class Ears(DEVICE):
    """The library's own null device, which keeps what it plays."""

    heard = bytearray()
    came = threading.Event()

    def __init__(self, **options):
        super().__init__(backends=[miniaudio.Backend.NULL], **options)
        self.backend = "Ears"

    def start(self, generator):
        listening = self._listening(generator)
        next(listening)
        super().start(listening)

    def _listening(self, generator):
        frames = yield b""
        while True:
            samples = generator.send(frames)
            self.take(samples)
            frames = yield samples

    def take(self, samples):
        if samples:
            type(self).heard += samples
            type(self).came.set()
