"""What is measured, with whom, and how good the client must be."""

from dataclasses import dataclass

MIB = 1 << 20
OURS = ("modelgates_speech",)
BEFORE = "before"
FLOOR = "floor"
PEERS = ("openai", "openrouter", "elevenlabs", "generated", "httpx", "httpx2", "requests")
EVERYBODY = (FLOOR, *OURS, *PEERS, "aiohttp")
MANY_AT_ONCE = (FLOOR, *OURS, BEFORE, "openai", "httpx", "httpx2", "aiohttp")


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
            who=MANY_AT_ONCE if count > 100 else (),
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


US = "modelgates_speech"
TARGETS = (
    Target("import, ms of -X importtime", US, "import", "importtime", None, 0.020),
    Target("import, to openai", US, "import", "importtime", "openai", 1 / 15),
    Target("import to the first answer, to httpx", US, "once", "cpu", "httpx", 0.9),
    Target("--version, to python -c pass", US, "version", "cpu", FLOOR, 3),
    Target("CPU per create, to httpx", US, "create", "cpu", "httpx", 0.75),
    Target("CPU per create, to openai", US, "create", "cpu", "openai", 0.45),
    *(
        Target(f"{count:,} at once, CPU to {peer}", US, f"async {count}", "cpu", peer, 1)
        for count in (50, 500, 2000)
        for peer in ("openai", "httpx", "httpx2")
    ),
    *(
        Target(f"{count:,} at once, failures", US, f"async {count}", "failed", None, 0)
        for count in (50, 500, 2000)
    ),
    Target("streaming 1 GiB, CPU to httpx", US, "stream", "cpu", "httpx", 1),
    Target("streaming 1 GiB, growth in MiB", US, "stream", "memory", None, 2 * MIB),
)
