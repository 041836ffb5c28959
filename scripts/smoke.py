"""Try an installed wheel: both packages, their type markers, the document.

Run by `nox -s build` with the Python of an environment that has the wheel and nothing of this
project's tools.
"""

import json
import sys
from importlib.metadata import version
from importlib.resources import files

import modelgates_api
import modelgates_speech
from modelgates_speech._binding import speech_operation


def main() -> None:
    """Fail with an exception unless the installed packages are whole."""
    for package in (modelgates_speech, modelgates_api):
        assert files(package).joinpath("py.typed").is_file(), f"{package} has no py.typed"
    document = json.loads(files(modelgates_api).joinpath("openapi.json").read_text("utf-8"))
    assert "/audio/speech" in document["paths"]
    assert callable(speech_operation.sync)
    for name in dir(modelgates_speech):
        assert getattr(modelgates_speech, name) is not None
    print(
        f"modelgates-speech {version('modelgates-speech')} works on Python {sys.version.split()[0]}"
    )


if __name__ == "__main__":
    main()
