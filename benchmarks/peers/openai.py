"""The SDK of OpenAI, whose speech endpoint has the same shape."""

from benchmarks.peers import KEY, fields

REQUIRES = ["openai==3.54.0"]
PACKAGE = "openai"
IMPORT = "import openai"
LACKS = {}


def connect(url):
    import openai

    return openai.OpenAI(api_key=KEY, base_url=url)


def create(client, size):
    return client.audio.speech.create(**fields(size)).content


def stream(client, size):
    with client.audio.speech.with_streaming_response.create(**fields(size)) as response:
        yield from response.iter_bytes()


def save(client, size, path):
    with client.audio.speech.with_streaming_response.create(**fields(size)) as response:
        response.stream_to_file(path)


def aconnect(url):
    import openai

    return openai.AsyncOpenAI(api_key=KEY, base_url=url)


async def acreate(client, size):
    return (await client.audio.speech.create(**fields(size))).content
