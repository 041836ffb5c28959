"""Try an installed wheel: both packages, their type markers, the document.

Run by `nox -s build` with the Python of an environment that has the wheel and nothing of this
project's tools.
"""

import json
import sys
from importlib.metadata import version
from importlib.resources import files

import modelgates
import modelgates_api
from modelgates._binding import speech_operation


def main() -> None:
    """Fail with an exception unless the installed packages are whole."""
    for package in (modelgates, modelgates_api):
        assert files(package).joinpath("py.typed").is_file(), f"{package} has no py.typed"
    document = json.loads(files(modelgates_api).joinpath("openapi.json").read_text("utf-8"))
    assert "/audio/speech" in document["paths"]
    assert callable(speech_operation.sync)
    for name in modelgates.__all__:
        assert getattr(modelgates, name) is not None
    print(f"modelgates {version('modelgates')} works on Python {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
