"""Who may reach the stub, and how they know that it is the stub."""

import errno
import os
import socket
import ssl
import subprocess
import sys
import tempfile

import httpx
import pytest

from modelgates_speech.stub import StubServer, create_app
from modelgates_speech.stub.engine import Tones
from modelgates_speech.stub.reach import Guard

from .conftest import BODY, REFERENCE


def client(stub):
    context = ssl.create_default_context(cafile=stub.ca_file)
    headers = {"Authorization": f"Bearer {stub.api_key}"}
    return httpx.Client(base_url=stub.base_url, headers=headers, verify=context, trust_env=False)


def test_https_is_trusted_through_the_file_that_it_names(no_thread_left):
    with StubServer(document=REFERENCE, tls=True) as stub, client(stub) as http:
        assert stub.base_url.startswith("https://127.0.0.1:")
        assert http.post("/audio/speech", json=BODY).status_code == 200
        by_name = stub.url.replace("127.0.0.1", "localhost")
        assert http.get(f"{by_name}/_stub/health").status_code == 200
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(stub.url)


def test_faults_end_encrypted_connections_too():
    with StubServer(document=REFERENCE, tls=True) as stub, client(stub) as http:
        for fault in ("reset", "cut", "cut-chunked"):
            stub.fail_next(fault)
            with pytest.raises(httpx.TransportError):
                http.post("/audio/speech", json=BODY)
        assert http.post("/audio/speech", json=BODY).status_code == 200


def test_the_certificate_can_be_written_where_others_find_it(tmp_path):
    path = tmp_path / "ca.pem"
    with StubServer(document=REFERENCE, ca_file=path) as stub, client(stub) as http:
        assert stub.ca_file == path
        assert b"PRIVATE" not in path.read_bytes()
        assert http.get(f"{stub.url}/_stub/health").status_code == 200


def test_a_start_that_fails_leaves_the_certificate_of_the_one_that_runs(tmp_path):
    path = tmp_path / "ca.pem"
    with StubServer(document=REFERENCE, ca_file=path) as stub:
        second = StubServer(document=REFERENCE, port=httpx.URL(stub.url).port, ca_file=path)
        with pytest.raises(OSError, match="in use"):
            second.start()
        with client(stub) as http:
            assert http.get(f"{stub.url}/_stub/health").status_code == 200


@pytest.mark.parametrize("name", ["build_host", "ab--cd", "x" * 64, ""])
@pytest.mark.parametrize("host", ["127.0.0.1", ""])
def test_a_machine_whose_name_no_certificate_can_hold_serves_https(monkeypatch, host, name):
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    with StubServer(host, document=REFERENCE, tls=True) as stub, client(stub) as http:
        assert http.get(f"{stub.url}/_stub/health").status_code == 200


def test_a_machine_is_known_by_its_name(monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "builder-7")
    with StubServer(document=REFERENCE, tls=True) as stub:
        context = ssl.create_default_context(cafile=stub.ca_file)
        url = httpx.URL(stub.url)
        with (
            socket.create_connection((url.host, url.port)) as plain,
            context.wrap_socket(plain, server_hostname="builder-7") as encrypted,
        ):
            assert encrypted.version()


def test_a_host_that_no_certificate_can_hold_is_refused():
    with pytest.raises(ValueError, match="build_host"):
        StubServer("build_host", document=REFERENCE, tls=True)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows knows no forks")
def test_a_child_that_is_forked_leaves_the_certificate(environment):
    program = """if True:
        import os, sys
        from modelgates_speech.stub import StubServer
        stub = StubServer(tls=True).start()
        if not (child := os.fork()):
            sys.exit(0)
        os.waitpid(child, 0)
        print(stub.ca_file.exists(), stub.ca_file)
        stub.stop()
    """
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, check=True, text=True
    )
    there, path = ended.stdout.strip().split(maxsplit=1)
    assert there == "True"
    assert not os.path.lexists(path)


def test_a_handshake_under_way_is_no_failure_at_the_end(environment):
    program = """if True:
        import logging, socket
        from urllib.parse import urlsplit
        from modelgates_speech.stub import StubServer
        # That the machine is slow is told as well, and is no failure either.
        told = logging.getLogger("asyncio")
        told.addFilter(lambda record: not record.msg.startswith("Executing "))
        with StubServer(tls=True) as stub:
            client = socket.create_connection(("127.0.0.1", urlsplit(stub.url).port))
            stub.reset()  # It has accepted the connection by then.
        client.close()
    """
    command = [sys.executable, "-X", "dev", "-c", program]
    ended = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
    assert ended.stderr == ""


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(ModuleNotFoundError, match=r"modelgates-speech\[tls\]"):
        StubServer(document=REFERENCE, tls=True)


@pytest.mark.parametrize("file", [None, "ca.pem"])
def test_where_nothing_can_be_written_it_says_what_to_do(monkeypatch, tmp_path, file):
    def nowhere():
        raise FileNotFoundError(errno.ENOENT, "nothing can be written")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match="TMPDIR"):
        StubServer(document=REFERENCE, tls=True, ca_file=file)


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("127.0.0.1", 200),
        ("127.9.9.9", 200),
        ("::1", 200),
        ("::ffff:127.0.0.1", 200),
        ("10.1.2.3", 200),
        ("::ffff:10.1.2.3", 200),
        ("fd00::7", 200),
        ("192.168.0.9", 200),
        ("192.168.0.8", 403),
        ("11.0.0.1", 403),
        ("fe80::1%eth0", 403),
        ("::ffff:11.0.0.1", 403),
    ],
)
@pytest.mark.parametrize("path", ["/", "/_stub/requests"])
def test_only_this_machine_and_the_networks_named_may_call(address, status, path):
    app = create_app(REFERENCE, engine=Tones())
    guarded = Guard(app, ["10.0.0.0/8", "fd00::/8", "192.168.0.9"])
    sent = []

    async def call():
        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [],
            "scheme": "http",
            "server": ("127.0.0.1", 80),
            "client": (address, 1),
            "root_path": "",
        }
        await guarded(scope, receive, send)

    import anyio

    anyio.run(call)
    assert sent[0]["status"] == status
    if status == 403:
        assert address.rpartition(":ffff:")[2].partition("%")[0].encode() in sent[1]["body"]


def test_a_network_that_is_none_is_refused():
    with pytest.raises(ValueError, match="nonsense"):
        StubServer(document=REFERENCE, allow_from=["nonsense"])


def test_this_machine_may_always_call():
    with StubServer(document=REFERENCE, allow_from=[]) as stub:
        assert httpx.get(f"{stub.url}/_stub/health").status_code == 200


def test_the_certificates_file_is_named_so_that_programs_in_other_folders_find_it(
    tmp_path, monkeypatch
):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with StubServer(document=REFERENCE, ca_file="ca.pem") as stub:
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert ssl.create_default_context(cafile=stub.ca_file).get_ca_certs()
