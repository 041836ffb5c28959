"""Texts of any size, in the memory of a small one."""

import json
import subprocess
import sys

import httpx
import pytest

from .conftest import BODY, REFERENCE_FILE

# A few times the text and a few sentences of audio; all of the audio would be 800 MiB.
ALLOWED_MIB = 40

PROGRAM = """if True:
    import resource, sys
    from modelgates_speech.stub import StubServer
    with StubServer(document={document!r}, engine={engine}) as stub:
        print(stub.base_url, flush=True)
        for line in sys.stdin:
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)
"""


@pytest.fixture
def server(request, environment):
    """A stub in a process of its own: its base URL, and a way to ask its peak memory in MiB."""
    engine = {
        "espeak-ng": "__import__('modelgates_speech.stub.engine', fromlist=['x']).Espeak()",
        "tones": "__import__('modelgates_speech.stub.engine', fromlist=['x']).Tones()",
    }[request.param]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(engine=engine, document=REFERENCE_FILE)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        base_url = process.stdout.readline().strip()

        def peak():
            process.stdin.write("\n")
            process.stdin.flush()
            return int(process.stdout.readline()) / 1024

        yield base_url, peak
        process.stdin.close()


# Each engine with each text and each format, and each text with each format.
@pytest.mark.parametrize(
    ("server", "text", "response_format"),
    [
        ("espeak-ng", "Many sentences make a book. ", "pcm"),
        ("espeak-ng", "unpunctuated ", "mp3"),
        ("tones", "Many sentences make a book. ", "mp3"),
        ("tones", "unpunctuated ", "pcm"),
    ],
    indirect=["server"],
)
def test_a_million_characters_stream_in_the_memory_of_a_few(server, text, response_format):
    base_url, peak = server
    headers = {"Authorization": "Bearer stub-key"}
    url = f"{base_url}/audio/speech"
    body = BODY | {"response_format": response_format, "speed": 4}
    long = (text * (1_000_000 // len(text) + 1))[:1_000_000]
    enough = 8_000_000 if response_format == "pcm" else 800_000

    with httpx.Client(headers=headers, timeout=60, trust_env=False) as http:
        http.post(url, json=body | {"input": text * 5}).raise_for_status()
        before = peak()
        received = 0
        content = json.dumps(body | {"input": long})
        kind = {"Content-Type": "application/json"}
        with http.stream("POST", url, content=content, headers=kind) as response:
            assert response.status_code == 200
            for chunk in response.iter_raw(1 << 20):
                received += len(chunk)
                if received > enough:
                    break

    assert received > enough
    assert peak() - before < ALLOWED_MIB


def test_four_thousand_characters_come_whole(speak):
    text = ("This is one of many sentences. " * 200)[:4096]
    one = len(speak(input="This is one of many sentences.").content)

    assert len(speak(input=text).content) == pytest.approx(132 * one, rel=0.05)
