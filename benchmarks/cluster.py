"""How a batch on Ray grows with its workers, on this machine: `nox -s distributed_benchmark`.

The server speaks at its stated speed (see `speaker.py`), so that a row takes waiting, not work.
"""

import argparse
import logging
import os
import tempfile
import time
from pathlib import Path

import ray
import ray.data

from benchmarks.jobs import speaker
from modelgates_speech.distributed import speak

REQUEST = {"model": "some/model", "voice": "alloy"}


def measure(url, rows, workers, concurrency):
    with tempfile.TemporaryDirectory() as folder:
        dataset = ray.data.from_items(
            [{"id": f"row-{n}", "input": f"Row number {n:07}, no more."} for n in range(rows)],
            override_num_blocks=max(8, rows // 64),
        )
        spoken = speak(
            dataset,
            folder,
            workers=workers,
            concurrency=concurrency,
            defaults=REQUEST,
            client={"base_url": url},
            batch_size=4 * concurrency,
        )
        began = time.perf_counter()
        first = None
        for count, _ in enumerate(spoken.iter_rows(), start=1):
            if first is None:
                # Workers start once, batches go on: count from the first results on.
                first, began_at = time.perf_counter() - began, count
        return first, (rows - began_at) / (time.perf_counter() - began - first)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--concurrency", type=int, default=8)
    arguments = parser.parse_args()
    folders = os.pathsep.join(str(Path(entry).resolve()) for entry in ("src", "generated"))
    variables = {"MODELGATES_API_KEY": "key", "PYTHONPATH": folders}
    ray.init(
        num_cpus=4,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        runtime_env={"env_vars": variables},
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    with speaker(1) as url:
        for workers in (1, 2):
            first, rate = measure(url, arguments.rows, workers, arguments.concurrency)
            print(f"{workers} worker(s): first results after {first:.1f} s, then {rate:.1f} rows/s")
    ray.shutdown()


if __name__ == "__main__":
    main()
