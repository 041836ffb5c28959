"""Use the publisher's package and ours in one process: `nox -s side_by_side`."""

from importlib import import_module
from importlib.metadata import entry_points, files
from typing import Any

from modelgates_speech import ModelGates
from modelgates_speech.stub import StubServer

REQUEST: dict[str, Any] = {"model": "any/model", "voice": "alloy", "input": "Side by side."}


def main() -> None:
    """Check that no file belongs to both and that both speak."""
    names = ("modelgates", "modelgates-speech")
    theirs, ours = ({str(file) for file in files(name) or []} for name in names)
    assert theirs, "the publisher's package is not installed"
    assert ours, "ours is not installed"
    assert not theirs & ours, f"installed twice: {sorted(theirs & ours)}"
    [command] = entry_points(group="console_scripts", name="modelgates-speech")
    assert command.value.startswith("modelgates_speech.")
    # It has no types.
    official_client: Any = import_module("modelgates").ModelGates
    with (
        StubServer() as stub,
        ModelGates(base_url=stub.base_url, api_key=stub.api_key) as client,
        official_client(base_url=stub.base_url, api_key=stub.api_key, max_retries=0) as official,
    ):
        # Release 0.1.0 keeps text where the package below it wants a URL, until it is set again.
        official.base_url = stub.base_url
        heard = client.audio.speech.create(**REQUEST, response_format="pcm").content
        assert heard, "ours speaks"
        assert official.audio.speech.create(**REQUEST, response_format="pcm").content == heard
    print("both are installed, share no file, and hear the same")


if __name__ == "__main__":
    main()
