"""The guard of the benchmark: it passes what is as recorded, and stops what costs far more."""

import copy
import json

import pytest

from benchmarks.run import RESULTS, check


@pytest.fixture
def recorded():
    return json.loads(RESULTS.read_text())


def changed(recorded, job, metric, factor):
    results = copy.deepcopy(recorded)
    ratios = results["jobs"][job]["modelgates_speech"][metric]["ratios"]
    for other in ratios:
        ratios[other] *= factor
    return results


def test_what_is_as_recorded_passes(recorded):
    assert check(recorded, recorded) == 0


@pytest.mark.parametrize(
    ("job", "metric", "factor", "code"),
    [
        ("create", "cpu", 1.2, 0),
        ("create", "cpu", 1.3, 1),
        ("create", "cpu", 0.5, 0),
        ("async 50", "rate", 0.7, 0),
        ("async 50", "rate", 0.5, 1),
        ("import", "importtime", 2.0, 1),
    ],
)
def test_what_became_worse_by_more_than_the_tolerance_is_named(
    recorded, capsys, job, metric, factor, code
):
    assert check(changed(recorded, job, metric, factor), recorded) == code
    worse = [line for line in capsys.readouterr().out.splitlines() if line.startswith("worse")]
    assert len(worse) == code
    assert all(f" {job} " in line for line in worse)
