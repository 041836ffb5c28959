"""Servers that break, clients that must not, and the table of how it went."""

import socket
from collections import defaultdict

import anyio
import pytest
import trustme

from modelgates_speech import transport
from tests.faults.calls import CALLS, CLIENTS, HAS_PCM
from tests.faults.server import FaultServer


@pytest.fixture(autouse=True)
def _servers_give_what_is_asked_for():
    if not HAS_PCM:
        pytest.skip("the OpenAPI document has no PCM, which the servers of these tests give")


@pytest.fixture(scope="session")
def authority():
    """The only certificate authority that the clients trust."""
    return trustme.CA()


@pytest.fixture(scope="session")
def _bundle(authority, tmp_path_factory):
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture(autouse=True)
def _trusted(monkeypatch, _bundle):
    """Trust the authority."""
    monkeypatch.setenv("SSL_CERT_FILE", str(_bundle))


@pytest.fixture
def one_connection(monkeypatch):
    """A pool of one: a call that keeps its connection makes the next one fail."""
    monkeypatch.setattr(transport, "MAX_CONNECTIONS", 1)
    monkeypatch.setattr(transport, "KEEPALIVE_SECONDS", 60.0)


@pytest.fixture
def waits(monkeypatch):
    """The seconds that clients waited between tries; no time passes."""
    waited = []

    async def record(seconds):
        waited.append(seconds)

    monkeypatch.setattr("time.sleep", waited.append)
    monkeypatch.setattr(anyio, "sleep", record)
    return waited


@pytest.fixture
def server():
    with FaultServer() as server:
        yield server


class Resolver:
    """Knows one name more than the system does, but for the time that it is `broken`."""

    NAME = "speech.localhost"

    def __init__(self):
        self.broken = False
        self._real = socket.getaddrinfo

    def __call__(self, host, *arguments, **more):
        if host not in (self.NAME, self.NAME.encode()):
            return self._real(host, *arguments, **more)
        if self.broken:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self._real("127.0.0.1", *arguments, **more)


@pytest.fixture
def resolver(monkeypatch):
    resolver = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    return resolver


def pytest_terminal_summary(terminalreporter):
    """Print the matrix: fault by outcome, for each client and call."""
    rows = defaultdict(dict)
    for result, reports in terminalreporter.stats.items():
        for report in reports:
            cell = dict(getattr(report, "user_properties", ())).get("cell")
            if cell and report.when == "call":
                fault, client, call, outcome, requests = cell
                mark = "." if result == "passed" else "F"
                rows[fault][client, call] = (mark, outcome, requests)
    if not rows:
        return
    columns = [(client, call) for client in CLIENTS for call in CALLS]
    write = terminalreporter.write_line
    terminalreporter.section("faults by outcome")
    write(f"{'':58} {'':44} requests  {'sync':5}{'async'}")
    write(f"{'':58} {'':44} {'':8}  {'csSo ' * 2}")
    for fault, cells in rows.items():
        marks = [cells.get(column, (" ",))[0] for column in columns]
        _, outcome, requests = next(iter(cells.values()))
        left, right = "".join(marks[:4]), "".join(marks[4:])
        write(f"{fault:58} {outcome:44} {requests:8}  {left} {right}")
    write("c create, s stream, S save, o save over an old file; . as expected, F not")
