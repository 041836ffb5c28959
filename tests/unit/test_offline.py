"""The guard that keeps tests on this machine."""

import asyncio
import contextlib
import os
import socket

import pytest

from tests.offline import GUARD, BeyondThisMachineError, is_here

# From the blocks that are kept for documentation: nobody is there.
AWAY = "192.0.2.1"
AWAY_BY_IPV6 = "2001:db8::1"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.9.1", "::1", "::1%lo", "localhost", "a.localhost", "", "0.0.0.0"]
)
def test_this_machine_may_be_called(host):
    assert is_here(host)


@pytest.mark.parametrize(
    "host", [AWAY, AWAY_BY_IPV6, "10.0.0.1", "example.com", "localhost.example.com", "127.0.0.1.a"]
)
def test_any_other_may_not_be(host):
    assert not is_here(host)


def resolve():
    socket.getaddrinfo("speech.example", 443)


def connect():
    with socket.socket() as sending:
        sending.connect((AWAY, 9))


def connect_by_ipv6():
    with socket.socket(socket.AF_INET6) as sending:
        sending.connect((AWAY_BY_IPV6, 9))


def send_a_datagram():
    with socket.socket(type=socket.SOCK_DGRAM) as sending:
        sending.sendto(b"x", (AWAY, 9))


def connect_in_a_loop():
    asyncio.run(asyncio.wait_for(asyncio.open_connection(AWAY, 9), 5))


@pytest.mark.parametrize(
    "reach", [resolve, connect, connect_by_ipv6, send_a_datagram, connect_in_a_loop]
)
def test_whatever_reaches_for_the_network_is_refused_before_it_gets_there(reach):
    with pytest.raises(BeyondThisMachineError, match="a test reached for"):
        reach()

    assert GUARD.refused()


def test_a_refusal_that_somebody_swallowed_is_remembered_once():
    with contextlib.suppress(BaseException):
        connect()

    assert (GUARD.refused(), GUARD.refused()) == ([AWAY], [])


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets here")
def test_a_unix_socket_is_nobody_elses(tmp_path):
    # By a relative path: an absolute one may be longer than such an address can be.
    with contextlib.chdir(tmp_path), socket.socket(socket.AF_UNIX) as listening:
        listening.bind("here")
        listening.listen()
        with socket.socket(socket.AF_UNIX) as calling:
            calling.connect("here")
    assert os.listdir(tmp_path) == ["here"]
