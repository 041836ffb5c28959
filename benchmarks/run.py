"""Measures everybody, side by side: `nox -s bench`, with `-- --quick` or `-- --check`.

All peers do a job in turn, round after round, so that whatever else the machine does disturbs
them alike; a ratio is the median of the ratios within the rounds.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.environments import ROOT, Environment
from benchmarks.plan import BEFORE, EVERYBODY, FLOOR, JOBS, OURS
from benchmarks.report import table, targets, write_report

RESULTS = ROOT / "docs" / "benchmarks" / "results.json"
# How much worse than recorded a ratio may be: CPU time repeats better than the clock on the wall.
TOLERANCE_CPU = 0.25
TOLERANCE_WALL = 0.60


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="nox -s bench --", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three rounds and shorter streams")
    parser.add_argument("--check", action="store_true", help="compare ratios with those recorded")
    parser.add_argument("--only", default="", help="jobs to do and record, separated by commas")
    parser.add_argument("--peers", default=",".join(EVERYBODY), help="who is to do them")
    parser.add_argument("--before", metavar="REV", help="measure that revision of ours beside it")
    parser.add_argument("--folder", type=Path, default=ROOT / ".nox" / "bench-environments")
    options = parser.parse_args()
    recorded = json.loads(RESULTS.read_text()) if options.check else None
    jobs = [job for job in JOBS if not options.only or job.name in options.only.split(",")]
    with exported(options.before):
        names = [*options.peers.split(","), *([BEFORE] if options.before else [])]
        environments = [Environment(options.folder, name) for name in names]
        for environment in environments:
            environment.prepare()
        results = measure(environments, jobs, quick=options.quick or options.check)
    if recorded is not None:
        sys.exit(check(results, recorded))
    if options.quick or options.peers != ",".join(EVERYBODY):
        for job in jobs:
            print(f"\n{job.title}", *table(job, results["jobs"][job.name]), sep="\n")
        print("\nTargets", *targets(results), sep="\n")
    else:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        if options.only and RESULTS.is_file():
            results["jobs"] = json.loads(RESULTS.read_text())["jobs"] | results["jobs"]
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        write_report(results, RESULTS.parent)


@contextmanager
def exported(revision):
    """Export a revision of this project for the peer `before`."""
    with TemporaryDirectory(prefix="benchmark-before-") as folder:
        if revision:
            archive = subprocess.run(
                ["git", "archive", revision], cwd=ROOT, check=True, stdout=subprocess.PIPE
            )
            subprocess.run(["tar", "-x", "-C", folder], check=True, input=archive.stdout)
            os.environ["BENCHMARK_BEFORE"] = folder
        yield


def measure(environments, jobs, *, quick):
    """Do all jobs with everybody and give the results."""
    client_cpu, server_cpu = two_processors()
    results = {
        "machine": machine(),
        "versions": {one.name: one.versions() for one in environments},
        "install": {
            one.name: {"bytes": one.size(), "packages": len(one.versions())} for one in environments
        },
        "lacks": {one.name: one.peer.LACKS for one in environments},
        "jobs": {},
    }
    with plain_server(server_cpu) as url:
        for job in jobs:
            able = [
                one
                for one in environments
                if not lacks(one.peer, job) and one.name in (job.who or (*EVERYBODY, BEFORE))
            ]
            rounds = {one.name: [] for one in able}
            for turn in range(min(job.rounds, 3) if quick else job.rounds):
                began = time.monotonic()
                for one in able[turn % len(able) :] + able[: turn % len(able)]:
                    rounds[one.name].append(one.run(job, url, cpu=client_cpu, quick=quick))
                print(f"{job.name}, round {turn + 1}: {time.monotonic() - began:.0f} s", flush=True)
            results["jobs"][job.name] = summary(job, rounds)
    return results


def lacks(peer, job):
    """Whether the peer cannot do the job."""
    if job.does == "version":
        return not hasattr(peer, "version")
    kind = {"first_byte": "stream", "once": "create"}.get(job.does, job.does)
    return kind in peer.LACKS


def summary(job, rounds):
    """For each peer and metric: median, lowest, highest, and the ratios to floor and best peer."""
    found = {}
    for name, figures in rounds.items():
        found[name] = {}
        for metric in job.metrics:
            values = [figure[metric] for figure in figures]
            found[name][metric] = {
                "median": median(values),
                "low": min(values),
                "high": max(values),
                "ratios": {
                    other: median(
                        mine / theirs
                        for mine, theirs in zip(
                            values, (figure[metric] for figure in rounds[other]), strict=True
                        )
                    )
                    for other in rounds
                    if all(figure[metric] for figure in rounds[other])
                },
            }
        if any("failures" in figure for figure in figures):
            found[name]["failures"] = [figure["failures"] for figure in figures]
    return found


def check(results, recorded):
    """Compare the ratios to httpx with those recorded; give the process's exit code."""
    worse = []
    for job in JOBS:
        metric = next(iter(job.metrics))
        for name in OURS:
            try:
                then = recorded["jobs"][job.name][name][metric]["ratios"]
                now = results["jobs"][job.name][name][metric]["ratios"]
            except KeyError:
                continue
            other = "httpx" if "httpx" in now else FLOOR
            factor = now[other] / then[other]
            factor = 1 / factor if job.more_is_better else factor
            tolerance = TOLERANCE_CPU if job.by_cpu else TOLERANCE_WALL
            verdict = "worse" if factor > 1 + tolerance else "ok"
            print(
                f"{verdict:6}{name:16} {job.name:12} {metric} to {other}: {now[other]:.2f}, "
                f"recorded {then[other]:.2f}, tolerance {tolerance:.0%}"
            )
            if verdict == "worse":
                worse.append(job.name)
    return 1 if worse else 0


@contextmanager
def plain_server(cpu):
    """The server that answers everybody, on a processor of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.server"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
    ) as server:
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}/api/v1"
        server.stdin.close()


def two_processors():
    """One processor for the client and another for the server."""
    able = sorted(os.sched_getaffinity(0))
    if len(able) < 2:
        raise SystemExit("two processors are needed: one for the clients, one for the server")
    return able[0], able[1]


def machine():
    """What was measured on, without its name."""
    return {
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "processor": processor(),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
    }


def processor():
    """The processor's model."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
