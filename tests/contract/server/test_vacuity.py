"""Whether the run meant anything: a suite that sees only refusals passes, and proves nothing.

Named to come last.
"""

import pytest

from tests.contract.run import LEDGER, OK, SETTINGS, StoppedError, error_of

# A run may be thinned out, or cut short by its budget, but not to nothing.
LEAST = {OK: 30, 400: 60, 401: 10, 405: 10}
LEAST_THINNED = {OK: 20, 400: 20, 401: 3, 405: 3}
LEAST_CUT = dict.fromkeys(LEAST, 1)


@pytest.fixture(autouse=True)
def after_a_whole_run():
    if "not_a_server_error" not in LEDGER.verdicts and not LEDGER.stopped:
        pytest.skip("the generated cases did not run")


def test_every_kind_of_answer_was_seen_often_enough():
    least = LEAST_CUT if LEDGER.stopped else LEAST_THINNED if SETTINGS.breadth else LEAST
    seen = {status: LEDGER.statuses[status] for status in least}
    wanting = [status for status in least if seen[status] < least[status]]
    assert not wanting, f"saw {seen}, wanted at least {least}"


def _is_to_be_had(status, answers):
    """Of several successes, the server chooses one; what is for the rest may be for no error."""
    successes = [each for each in answers if each[0] in "23"]
    return error_of(status, answers) or status == min(successes, default=None)


@pytest.mark.stub_only
def test_every_documented_answer_was_seen():
    unseen = [
        f"{status} of {label}"
        for label, answers in LEDGER.documented.items()
        for status, count in answers.items()
        if not count and _is_to_be_had(status, answers)
    ]
    if unseen and LEDGER.stopped:
        raise StoppedError(LEDGER.stopped)
    assert not unseen, f"never seen: {', '.join(unseen)}"
