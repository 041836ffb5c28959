"""The generated package by itself, without the wrapper around it."""

from benchmarks.peers import KEY, fields

# The wheel holds both packages; what the bare one needs is less.
REQUIRES = ["httpx==0.28.1", "attrs==26.1.0"]
PACKAGE = "httpx"
IMPORT = "from modelgates_api.api.subpackage_tts import create_audio_speech"
LACKS = {
    "stream": "it buffers the whole body",
    "save": "it buffers the whole body",
}


def client(url):
    from modelgates_api import AuthenticatedClient
    from modelgates_api.api.subpackage_tts import create_audio_speech
    from modelgates_api.models.speech_request import SpeechRequest

    return create_audio_speech, SpeechRequest, AuthenticatedClient(base_url=url, token=KEY)


def connect(url):
    made = client(url)
    made[2].get_httpx_client()
    return made


def arguments(parts, size):
    _, request, authenticated = parts
    return {
        "client": authenticated,
        "body": request.from_dict(fields(size)),
        "authorization": f"Bearer {KEY}",
    }


def create(parts, size):
    return parts[0].sync(**arguments(parts, size)).payload.getvalue()


def aconnect(url):
    return client(url)


async def acreate(parts, size):
    return (await parts[0].asyncio(**arguments(parts, size))).payload.getvalue()
