"""What is measured, with whom, and how good the client must be."""

from dataclasses import dataclass

MIB = 1 << 20
OURS = ("modelgates_speech", "modelgates_fast")
FLOOR = "floor"
CANDIDATES = ("httpx_pyreqwest", "httpx_aiohttp")
PEERS = ("openai", "openai_aiohttp", "openrouter", "elevenlabs", "generated", "httpx", "requests")
EVERYBODY = (FLOOR, *OURS, *PEERS, "aiohttp", *CANDIDATES)


@dataclass(frozen=True)
class Job:
    """One thing that every peer does.

    Attributes:
        name: As it is called in the results.
        does: The worker's function.
        title: The heading of its table.
        metrics: The figures it gives, by name, with the unit and how many of it make one of SI;
            the first is the one compared.
        size: Bytes of audio asked for.
        count: How many calls, or how many at once.
        rounds: How often each peer does it, in turn with the others.
        more_is_better: Whether the first metric is a rate.
        who: Those who do it, where it would take the others minutes; everybody if empty.
        by_cpu: Whether the first metric is CPU time, which a busy machine disturbs less.
    """

    name: str
    does: str
    title: str
    metrics: dict
    size: int = 4096
    count: int = 1
    rounds: int = 7
    more_is_better: bool = False
    by_cpu: bool = True
    who: tuple = ()


CPU = {"cpu": ("µs", 1e6)}
SECONDS = {"cpu": ("ms", 1e3), "wall": ("ms", 1e3), "memory": ("MiB", 1 / MIB)}
STREAM = {"cpu": ("s", 1), "rate": ("MiB/s", 1 / MIB), "memory": ("MiB", 1 / MIB)}
ASYNC = {"rate": ("requests/s", 1), "cpu": ("µs", 1e6), "failed": ("failed", 1)}

JOBS = (
    Job("import", "import", "Import", {"importtime": ("ms", 1e3), **SECONDS}, by_cpu=False),
    Job("ready", "ready", "Import to ready client", SECONDS, rounds=15),
    Job(
        "once",
        "once",
        "Import to the first answer, 4 KB",
        {"cpu": ("ms", 1e3), "wall": ("ms", 1e3)},
        rounds=9,
    ),
    Job("version", "version", "A process that says its version", {"cpu": ("ms", 1e3)}, count=5),
    Job(
        "create",
        "create",
        "One call of 4 KB after another",
        CPU | {"wall": ("µs", 1e6)},
        count=500,
        rounds=21,
    ),
    *(
        Job(
            f"async {count}",
            "async",
            f"{count:,} at once" if count > 1 else "Async, one after another",
            ASYNC,
            count=count,
            rounds=9 if count == 50 else 5,
            more_is_better=True,
            by_cpu=False,
            who=(FLOOR, *OURS, "openai_aiohttp", "aiohttp", *CANDIDATES) if count > 1000 else (),
        )
        for count in (1, 50, 500, 2000)
    ),
    Job(
        "first byte",
        "first_byte",
        "Time to the first byte",
        {"wall": ("µs", 1e6)},
        count=100,
        by_cpu=False,
    ),
    Job("stream", "stream", "Streaming 1 GiB", STREAM, size=1024 * MIB, rounds=5),
    Job("save", "save", "Saving 1 GiB", STREAM, size=1024 * MIB, rounds=5),
)


@dataclass(frozen=True)
class Target:
    """A ratio that must be kept: our figure to somebody else's, or by itself.

    Attributes:
        says: What is promised.
        who: Which of ours.
        job: The job.
        metric: The figure.
        to: The other one, or None where the figure itself is limited.
        limit: The most the ratio may be, or the least if it is a rate.
        at_least: Whether `limit` is the least.
    """

    says: str
    who: str
    job: str
    metric: str
    to: str | None
    limit: float
    at_least: bool = False


FAST = "modelgates_fast"
TARGETS = (
    Target("import, ms of -X importtime", "modelgates_speech", "import", "importtime", None, 0.020),
    Target("import, to openai", "modelgates_speech", "import", "importtime", "openai", 1 / 15),
    Target("import to ready client, to httpx", "modelgates_speech", "ready", "cpu", "httpx", 1.15),
    Target("--version, to python -c pass", "modelgates_speech", "version", "cpu", FLOOR, 3),
    Target("CPU per create, to httpx", "modelgates_speech", "create", "cpu", "httpx", 0.85),
    Target("CPU per create, to openai", "modelgates_speech", "create", "cpu", "openai", 0.4),
    Target("500 at once, failures", "modelgates_speech", "async 500", "failed", None, 0),
    Target(
        "streaming, MiB/s to httpx",
        "modelgates_speech",
        "stream",
        "rate",
        "httpx",
        1,
        at_least=True,
    ),
    Target("streaming, growth in MiB", "modelgates_speech", "stream", "memory", None, 2 * MIB),
    Target("fast: CPU per create, to httpx", FAST, "create", "cpu", "httpx", 0.45),
    Target("fast: 50 at once, rate to openai", FAST, "async 50", "rate", "openai", 4, True),  # noqa: FBT003
    Target(
        "fast: 50 at once, rate to openai[aiohttp]",
        *(FAST, "async 50", "rate", "openai_aiohttp", 2),
        at_least=True,
    ),
    Target("fast: 500 at once, failures", FAST, "async 500", "failed", None, 0),
    Target("fast: 2,000 at once, failures", FAST, "async 2000", "failed", None, 0),
    Target("fast: streaming, CPU to a socket", FAST, "stream", "cpu", FLOOR, 1.5),
    Target("fast: streaming, growth in MiB", FAST, "stream", "memory", None, 2 * MIB),
)
