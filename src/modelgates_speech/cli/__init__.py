"""The command `modelgates-speech`. Nothing is imported here that `--version` does not need."""

import atexit
import gc
import sys


def main() -> int:
    """Run the command line on `sys.argv` and return its exit code (`cli.exits.Exit`)."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from modelgates_speech._version import __version__

        try:
            print(f"modelgates-speech {__version__}", flush=True)  # noqa: T201
            return 0
        except OSError:
            pass  # told below, where it is told of everything that is printed
    atexit.register(gc.freeze)  # all that is left ends with the process: nothing looks through it
    try:
        from modelgates_speech.cli.app import run

        return run()
    except ModuleNotFoundError as missing:
        if missing.name != "click":
            raise
        sys.stderr.write(
            "modelgates-speech: error: the command line is an extra that is not installed: "
            'pip install "modelgates-speech[cli]"\n'
        )
        return 3
    except KeyboardInterrupt:  # pressed while still importing, or while cleaning up
        return 130
