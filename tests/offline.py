"""A guard: tests speak to this machine, and to nobody else.

It is an audit hook, because that hears every socket of the process, whichever library opens it.
Child processes are not heard; they are told the address of a local server.
"""

import ipaddress
import sys

WITH_ADDRESS = {"socket.connect", "socket.sendto", "socket.sendmsg"}
WITH_HOST = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}


class BeyondThisMachineError(BaseException):
    """A test reached for the network.

    Not an `Exception`: a client would take it for a failure to connect and try again.
    """


class Guard:
    """Refuses what goes beyond this machine, and remembers that it did: somebody may swallow it."""

    def __init__(self):
        self._is_open = False
        self._refused = []

    def install(self):
        """Listen from now on; Python has no way to stop it."""
        sys.addaudithook(self._hear)

    def open(self):
        """Let everything through: for a run whose purpose is a server elsewhere."""
        self._is_open = True

    def refused(self):
        """Give what was refused since the last time."""
        refused, self._refused = self._refused, []
        return refused

    def _hear(self, event, arguments):
        if self._is_open or (host := host_of(event, arguments)) is None or is_here(host):
            return
        self._refused.append(host)
        raise BeyondThisMachineError(
            f"a test reached for {host}: let it use the stub, another server on 127.0.0.1, "
            "or a resolver of its own"
        )


def host_of(event, arguments):
    """Give the host that an audit event is about; None for one without, such as a Unix socket."""
    if event in WITH_HOST:
        host = arguments[0]
    elif event in WITH_ADDRESS and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return None
    if isinstance(host, bytes):
        return host.decode()
    return host if isinstance(host, str) else None


def is_here(host):
    """Whether a host is this machine by its address, or by a name that no resolver is asked for."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host in ("", "localhost") or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


GUARD = Guard()
