"""Proxies and certificates as the environment names them, over real sockets."""

import socket
import socketserver
import ssl
import sys
import threading
from contextlib import closing

import pytest

from modelgates_speech import (
    APIConnectionError,
    APITimeoutError,
    AsyncModelGates,
    ConfigurationError,
    IncompleteAudioError,
    ModelGates,
    RetryPolicy,
    Timeout,
)
from modelgates_speech.proxies import proxy_for
from tests.faults.calls import CALLERS, CLIENTS, KEY
from tests.faults.server import CLOSE, HANG_UP, FaultServer
from tests.faults.table import AUDIO, CHUNKED, HEALTHY, chunk, head, reply

HOST = "speech.example"
V6 = "2001:db8::5:1"


class Proxy(socketserver.ThreadingTCPServer):
    """Tunnels whatever is asked for to one port of this machine, and keeps what it was told."""

    daemon_threads = True

    def __init__(self, port):
        super().__init__(("127.0.0.1", 0), ProxyConnection)
        self.port = port
        self.heads = []
        self.refuses = False
        self.drops = []  # what it says to each of the next before it hangs up
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class ProxyConnection(socketserver.BaseRequestHandler):
    def handle(self):
        head = b""
        while not head.endswith(b"\r\n\r\n") and (byte := self.request.recv(1)):
            head += byte
        self.server.heads.append(head)
        if self.server.drops:
            self.request.sendall(self.server.drops.pop())
            return
        if self.server.refuses:
            self.request.sendall(b"HTTP/1.1 407 Who are you?\r\nContent-Length: 0\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", self.server.port)) as target:
            if head.startswith(b"CONNECT "):
                self.request.sendall(b"HTTP/1.1 200 Go on\r\n\r\n")
            else:
                target.sendall(head)
            back = threading.Thread(target=pump, args=(target, self.request))
            back.start()
            pump(self.request, target)
            back.join()


def pump(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # one of them has gone


@pytest.fixture
def target(authority):
    """The API, under a name that only a proxy can reach."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST, "127.0.0.1").configure_cert(context)
    with FaultServer(HEALTHY, context) as server:
        yield server


@pytest.fixture
def proxy(target):
    with Proxy(target.port) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True).start()
        yield proxy
        proxy.shutdown()


@pytest.fixture(params=CLIENTS)
def speak(request, tmp_path):
    """Makes a call with a new client; gives how it ended."""

    def speak(base_url=f"https://{HOST}", calls=2, **options):
        kind = CALLERS[request.param]
        settings = {"api_key": KEY, "base_url": base_url, "retry": None} | options
        with closing(kind(**settings)) as caller:
            outcomes = [caller.make("create", tmp_path) for _ in range(calls)]
        return outcomes[-1]

    return speak


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_calls_go_through_the_proxy_that_the_environment_names(
    speak, proxy, target, monkeypatch, variable
):
    monkeypatch.setenv(variable, proxy.url)
    assert speak().heard == AUDIO
    assert [head.splitlines()[0] for head in proxy.heads] == [
        b"CONNECT speech.example:443 HTTP/1.1"
    ]
    assert len(target.requests) == 2


def test_a_proxy_is_told_its_own_password_and_not_the_key(speak, proxy, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//me:secret@"))
    assert speak().heard == AUDIO
    [head] = proxy.heads
    assert b"Proxy-Authorization: Basic bWU6c2VjcmV0" in head
    assert KEY.encode() not in head


def test_plain_http_goes_through_its_proxy_too(speak, monkeypatch):
    with FaultServer(HEALTHY) as server, Proxy(server.port) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert speak(f"http://{HOST}", allow_plain_http=True).heard == AUDIO
        assert proxy.heads[0].startswith(b"POST http://speech.example/audio/speech HTTP/1.1")
        proxy.shutdown()


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_proxy_is_asked_for_an_address_of_version_6_in_brackets(
    speak, authority, monkeypatch, scheme
):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(V6).configure_cert(context)
    tls = context if scheme == "https" else None
    with FaultServer(HEALTHY, tls) as server, Proxy(server.port) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", proxy.url)
        assert speak(f"{scheme}://[{V6}]:8443", allow_plain_http=True).heard == AUDIO
        asked = "CONNECT [{}]:8443" if tls else "POST http://[{}]:8443/audio/speech"
        assert proxy.heads[0].startswith(f"{asked.format(V6)} HTTP/1.1\r\n".encode())
        assert f"\r\nhost: [{V6}]:8443\r\n".encode() in proxy.heads[0].lower()
        proxy.shutdown()


def test_what_no_proxy_names_is_reached_without_one(speak, proxy, resolver, target, monkeypatch):
    monkeypatch.setattr(resolver, "NAME", HOST)
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", HOST)
    assert speak(f"https://{HOST}:{target.port}").heard == AUDIO
    assert not proxy.heads


def test_this_machine_is_reached_without_a_proxy(speak, proxy, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", proxy.url)
    with FaultServer(HEALTHY) as server:
        assert speak(server.url).heard == AUDIO
    assert not proxy.heads


def test_a_proxy_that_refuses_has_seen_no_request(speak, proxy, target, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    proxy.refuses = True
    error = speak().error
    assert isinstance(error, APIConnectionError)
    assert "407" in str(error)
    assert not error.request_sent
    assert not target.requests


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 G", b"who?\r\n\r\n"])
def test_a_proxy_that_hangs_up_has_seen_no_request(speak, proxy, target, monkeypatch, said):
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    proxy.drops = [said, said]
    error = speak().error
    assert type(error) is APIConnectionError
    assert (error.request_sent, error.transient) == (False, True)
    proxy.drops = [said, said]
    assert speak(retry=RetryPolicy(initial_delay=0)).heard == AUDIO
    assert len(target.requests) == 2


def test_a_proxy_that_says_nothing_has_seen_no_request(speak, proxy, target, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{silent.getsockname()[1]}")
        error = speak(timeout=Timeout(read=0.2)).error
    assert type(error) is APITimeoutError
    assert not error.request_sent


@pytest.mark.parametrize(
    ("acts", "whole"),
    [
        ((head(), AUDIO, CLOSE), True),
        ((head(), AUDIO, HANG_UP), False),
        ((reply(), HANG_UP), True),
        ((CHUNKED, chunk(AUDIO) + b"0\r\n\r\n", HANG_UP), True),
    ],
)
def test_tls_tells_an_end_from_a_connection_that_is_cut(speak, target, acts, whole):
    target.acts = acts
    # A second call could be sent on the first one's connection before its end is heard.
    outcome = speak(target.url, calls=1)
    if whole:
        assert outcome.heard == AUDIO
    else:
        assert type(outcome.error) is IncompleteAudioError
        assert ": it ended without TLS's closing message" in str(outcome.error)
        assert outcome.error.partial.content == AUDIO


def test_a_proxy_that_is_not_there_has_seen_no_request(speak, monkeypatch):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        error = speak().error
    assert isinstance(error, APIConnectionError)
    assert not error.request_sent
    assert f"through the proxy http://127.0.0.1:{port}" in error.message


@pytest.mark.parametrize(
    "proxy_url", ["ftp://127.0.0.1", "http://[::1", "socks5://127.0.0.1:1", "http://é:1"]
)
def test_a_proxy_that_cannot_work_is_a_matter_of_configuration(speak, monkeypatch, proxy_url):
    monkeypatch.setenv("HTTPS_PROXY", proxy_url)
    with pytest.raises(ConfigurationError, match="proxy"):
        raise speak().error


@pytest.mark.parametrize("kind", [ModelGates, AsyncModelGates])
def test_a_socks_proxy_needs_a_package(kind, monkeypatch, tmp_path):
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "socksio", None)
    told = r": a SOCKS proxy needs the package socksio: pip install socksio$"
    with pytest.raises(ConfigurationError, match=told):
        kind(api_key="key", base_url="https://gw.example")
    monkeypatch.delitem(sys.modules, "socksio")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "socksio.py").touch()
    kind(api_key="key", base_url="https://gw.example")


@pytest.mark.parametrize(
    ("proxy_url", "told"),
    [
        (
            "http://",
            "http:// is not a proxy's address: write http, https, socks5, socks5h as "
            r"scheme://host:port$",
        ),
        (
            "http://me:a/b@proxy.example",
            "its port is not a number from 0 to 65535; percent-encode everything in a password "
            "but letters and digits$",
        ),
    ],
)
def test_what_is_wrong_with_a_proxys_address_is_said(monkeypatch, proxy_url, told):
    monkeypatch.setenv("HTTPS_PROXY", proxy_url)
    with pytest.raises(ConfigurationError, match=f": the proxy that HTTPS_PROXY names: {told}"):
        ModelGates(api_key="key", base_url="https://gw.example")


@pytest.mark.parametrize("client", CLIENTS)
def test_a_certificate_of_another_server_is_not_trusted(client, authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("elsewhere.example").configure_cert(context)
    with FaultServer(HEALTHY, context) as server:
        with closing(CALLERS[client](api_key=KEY, base_url=server.url)) as caller:
            error = caller.make("create", None).error
        assert isinstance(error, APIConnectionError)
        assert not error.transient
        assert not server.requests


def test_only_the_authorities_that_the_environment_names_are_trusted(
    speak, proxy, target, monkeypatch
):
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.delenv("SSL_CERT_FILE")
    error = speak().error
    assert isinstance(error, APIConnectionError)
    assert not error.transient
    assert error.message.endswith(
        "; set SSL_CERT_FILE if its certificate is signed by an authority of your own"
    )
    assert not target.requests


def test_a_file_of_certificates_that_is_not_there_is_a_matter_of_configuration(speak, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file.pem")
    with pytest.raises(ConfigurationError, match="certificates"):
        raise speak().error


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        ("gw.example", "https://gw.example", True),
        ("gw.example:8443", "https://gw.example:8443", True),
        ("gw.example:8443", "https://gw.example", False),
        ("gw.example:443", "https://gw.example", True),
        ("other.example, gw.example", "https://gw.example", True),
        (".example", "https://gw.example", True),
        ("example", "https://gw.example", True),
        ("GW.Example", "https://gw.example", True),
        ("*.example", "https://gw.example", True),
        ("other.example, *.Example:8443", "https://gw.example:8443", True),
        ("*.example:8443", "https://gw.example", False),
        ("*.example", "https://gw.example.net", False),
        ("10.1.*", "https://10.1.2.3", True),
        ("10.1.*", "https://10.2.2.3", False),
        ("*", "https://gw.example", True),
        ("gw.example", "https://not-gw.example", False),
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.0.0.0/8", "https://11.1.2.3", False),
        ("10.1.2.3/8", "https://10.9.9.9", True),
        ("[fd00::]/8, [fd00::/8]", "https://[fd00::1]", True),
        ("10.1.2.3", "https://10.1.2.3:8443", True),
        ("fd00::/8", "https://[fd00::1]", True),
        ("fd00::1", "https://[fd00::1]:8443", True),
        ("[fd00::1]:8443", "https://[fd00::1]:8443", True),
        ("[fd00::1]:8443", "https://[fd00::1]", False),
        ("gw.example", "https://gw.example.", True),
        ("", "https://gw.example", False),
        ("gw.example", "https://localhost:8443", True),
    ],
)
def test_no_proxy_names_servers_in_all_the_usual_forms(monkeypatch, no_proxy, url, direct):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert (proxy_for(url) is None) == direct


@pytest.mark.parametrize(
    ("named", "url", "auth"),
    [
        ("proxy.example:3128", "http://proxy.example:3128", None),
        (" proxy.example ", "http://proxy.example", None),
        ("https://proxy.example", "https://proxy.example", None),
        ("socks5://[fd00::1]:1080", "socks5://[fd00::1]:1080", None),
        ("http://anna@proxy.example", "http://proxy.example", ("anna", "")),
        ("http://an%40na:p%3A@proxy.example:1", "http://proxy.example:1", ("an@na", "p:")),
    ],
)
def test_a_proxy_may_be_named_in_all_the_usual_forms(monkeypatch, named, url, auth):
    monkeypatch.setenv("HTTPS_PROXY", named)
    monkeypatch.delenv("NO_PROXY", raising=False)
    proxy = proxy_for("https://gw.example")
    assert (proxy.url, proxy.auth) == (url, auth)
