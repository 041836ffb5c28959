"""Every fault of the table, with either client, in every call."""

import logging
import pickle
import re
import ssl
from contextlib import closing, contextmanager

import pytest
import trustme

from modelgates_speech import Timeout
from tests.faults.calls import CALLERS, CALLS, CLIENTS, KEY, OLD
from tests.faults.secrets import assert_keeps_secret
from tests.faults.server import CLOSE, FaultServer
from tests.faults.table import AUDIO, FAULTS, HEALTHY, Hears, elsewhere


@contextmanager
def staged(fault, request):
    """A server with the fault in its place, the client's base URL, and a way to mend it."""
    tls = _context(trustme.CA()) if fault.place == "certificate" else None
    with FaultServer(fault.acts, tls) as server:
        url = server.url
        match fault.place:
            case "port":
                server.refuse()
            case "name":
                resolver = request.getfixturevalue("resolver")
                resolver.broken = True
                url = f"http://{resolver.NAME}:{server.port}"
            case "connection":
                server.on_connect = fault.acts
            case "handshake":
                server.on_connect = fault.acts
                url = url.replace("http:", "https:")

        def mend():
            server.acts = HEALTHY
            server.on_connect = ()
            server.let_go()
            match fault.place:
                case "port":
                    server.listen()
                case "name":
                    request.getfixturevalue("resolver").broken = False
                case "certificate" | "handshake":
                    server.refuse()
                    server.use_tls(_context(request.getfixturevalue("authority")))
                    server.listen()

        yield server, url, mend


def _context(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.mark.usefixtures("one_connection")
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_fault(fault, client, call, waits, tmp_path, request, record_property, caplog):
    expected = fault.outcome
    wanted = "the audio" if isinstance(expected, Hears) else expected.error.__name__
    record_property("cell", (fault.name, client, call, wanted, fault.requests))
    caplog.set_level(logging.DEBUG)
    folder = tmp_path / "target"
    folder.mkdir()
    if call == "save over":
        (folder / "a.pcm").write_bytes(OLD)

    with FaultServer(HEALTHY) as other, staged(fault, request) as (server, url, mend):
        elsewhere(other.url)
        with closing(
            CALLERS[client](
                api_key=KEY,
                base_url=url,
                timeout=fault.timeout,
                deadline=fault.deadline,
                retry=fault.retry,
            )
        ) as caller:
            release = caller.holding() if fault.place == "pool" else None
            outcome = caller.make(call, folder, input=fault.text)

            if isinstance(expected, Hears):
                assert_heard(outcome, expected.audio)
            else:
                assert_is_as_expected(outcome, expected)
                assert_keeps_secret(outcome.error)
                assert_survives_pickling(outcome.error)
                assert_nothing_saved(folder, call)

            assert len(server.requests) == fault.requests, "requests reached the server"
            assert tries(caplog) == (fault.requests if fault.tries is None else fault.tries)
            assert len(waits) == len(fault.waits)
            for waited, (least, most) in zip(waits, fault.waits, strict=True):
                assert least <= waited <= most, "seconds to wait"
            assert other.connections == 0, "something was sent to the host of a redirect"
            assert_key_only_authorizes(server.requests)
            assert KEY not in caplog.text, "the key is in the log"

            # What was broken is mended: the same client works, though it has but one connection.
            if release:
                release()
            if CLOSE in fault.acts:
                server.until(lambda: server.open == 0)
            mend()
            again = caller.make(call, folder, timeout=Timeout(pool=5.0), deadline=None)
            assert_heard(again, AUDIO)
            assert len(server.requests) == fault.requests + 1, "requests with the next call"
        server.until(lambda: server.open == 0)


def assert_heard(outcome, audio):
    if outcome.error:
        raise outcome.error
    assert outcome.heard == audio


def assert_key_only_authorizes(requests):
    line = f"\r\nauthorization: bearer {KEY}\r\n".encode()
    for sent in requests:
        assert sent.count(KEY.encode()) == 1
        assert line in sent[:2000].lower()


def assert_is_as_expected(outcome, expected):
    error = outcome.error
    assert error is not None, "the call should have failed"
    assert type(error) is expected.error, repr(error)
    assert expected.says in str(error)
    assert_has(error, expected.fields)
    if partial := getattr(error, "partial", None):
        arrived = outcome.heard + partial.content
        if expected.arrived is None:
            assert AUDIO.startswith(arrived)
        else:
            assert arrived == expected.arrived
        assert error.bytes_received == len(arrived)
    else:
        assert outcome.heard == b""
    if expected.cause:
        kind, fields = expected.cause
        assert type(error.__cause__) is kind, repr(error.__cause__)
        assert_has(error.__cause__, fields)


def assert_has(error, fields):
    for name, wanted in fields.items():
        value = getattr(error, name)
        assert wanted(value) if callable(wanted) else value == wanted, (name, value)


def assert_survives_pickling(error):
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def assert_nothing_saved(folder, call):
    left = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert left == ({"a.pcm": OLD} if call == "save over" else {})


def tries(caplog):
    """How many tries the client's own log tells of, for those that reach no server."""
    told = " ".join(r.getMessage() for r in caplog.records if r.name == "modelgates_speech")
    return max(map(int, re.findall(r"try (\d+)", told)), default=0)
