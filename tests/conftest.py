"""What all tests need of the process that runs them."""

import gc
import locale
import os
import signal
import threading

import pytest

from tests.offline import GUARD

# What a shell or a CI system may say of networks and keys, and which no test means.
ELSEWHERE = {
    "MODELGATES_API_KEY",
    "MODELGATES_BASE_URL",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
}


def forget_what_is_elsewhere():
    """Drop such variables, unless a server elsewhere may be what is to be judged."""
    if "MODELGATES_CONTRACT" not in os.environ:
        for name in [*os.environ]:
            if name in ELSEWHERE or name.lower().endswith("_proxy"):
                del os.environ[name]


def forget_a_missing_language():
    """Drop a language that this machine lacks: every shell that a test starts would say so."""
    usual = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, "")
        locale.setlocale(locale.LC_ALL, usual)
    except locale.Error:
        for name in [*os.environ]:
            if name == "LANG" or name.startswith("LC_"):
                del os.environ[name]


def pytest_configure():
    """Undo what a shell or a CI system does to what it starts in the background.

    There, some signals are ignored, and what a test starts would inherit that: sent Ctrl-C, it
    would not notice.
    """
    for name, usual in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)
    forget_what_is_elsewhere()
    forget_a_missing_language()
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
