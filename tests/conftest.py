"""What all tests need of the process that runs them."""

import gc
import signal
import threading

import pytest

from tests.offline import GUARD


def pytest_configure():
    """Undo what a shell or a CI system does to what it starts in the background.

    There, some signals are ignored, and what a test starts would inherit that: sent Ctrl-C, it
    would not notice.
    """
    for name, usual in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)
    GUARD.install()


def pytest_collection_finish():
    """Keep the garbage collector from what was imported and collected: it stays to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _nothing_leaves_this_machine():
    """Fail a test that reached for the network, even where somebody swallowed the refusal."""
    yield
    assert not GUARD.refused(), "the test reached for the network: see tests/offline.py"


@pytest.fixture(autouse=True)
def _nothing_is_sent_after_the_test():
    """Wait for what a narration that was left still has under way.

    Its request would meet the fault that the next test injects, and be among its requests.
    """
    yield
    for thread in threading.enumerate():
        if thread.name == "modelgates-narrate":
            thread.join(20)
