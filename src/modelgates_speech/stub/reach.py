"""Who may reach the stub, and how they know that it is the stub."""

from __future__ import annotations

import importlib
import ipaddress
import os
import shutil
import socket
import ssl
import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class Guard:
    """Lets in this machine and some networks; a `ValueError` where one of them is none."""

    def __init__(self, app: ASGIApp, networks: Iterable[str]) -> None:
        self._app = app
        self._networks = [ipaddress.ip_network(each, strict=False) for each in networks]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application, or refuse to."""
        host = scope["client"][0] if scope.get("client") else "127.0.0.1"
        address = ipaddress.ip_address(host)
        # On a socket of both families an IPv4 address comes as an IPv6 one.
        address = getattr(address, "ipv4_mapped", None) or address
        app = self._app
        if not (address.is_loopback or any(address in each for each in self._networks)):
            message = f"{address} may not call this stub: --allow-from says who may"
            app = JSONResponse({"error": {"code": 403, "message": message}}, 403)
        await app(scope, receive, send)


class Authority:
    """An authority made on the spot, with a certificate for this machine and a host.

    Its own certificate is for a file, by default a temporary one.
    """

    def __init__(self, host: str, file: str | os.PathLike[str] | None) -> None:
        try:
            trustme: Any = importlib.import_module("trustme")
            tempfile.gettempdir()  # Python reads a key from a file alone
        except ModuleNotFoundError as error:
            message = "TLS needs 'trustme': pip install 'modelgates-speech[tls]'"
            raise ModuleNotFoundError(message, name="trustme") from error
        except FileNotFoundError as error:
            raise OSError(f"TLS needs a folder to write in: set TMPDIR ({error})") from error
        authority = trustme.CA()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        names = {"localhost", "127.0.0.1", "::1", host or "localhost"}
        try:
            # Other containers know this one by its name.
            issued = authority.issue_cert(*sorted(names | {socket.gethostname()}))
        except ValueError:  # `build_host` is none that a certificate can hold
            issued = authority.issue_cert(*sorted(names))
        issued.configure_cert(self.context)
        if file is None:
            file = Path(tempfile.mkdtemp(prefix="modelgates-stub-"), "ca.pem")
            weakref.finalize(self, remove, file.parent, os.getpid())
        self.file = Path(file).absolute()  # for programs in other folders, too
        self._certificate: bytes = authority.cert_pem.bytes()

    def tell(self) -> None:
        """Write the file."""
        self.file.write_bytes(self._certificate)


def remove(folder: Path, maker: int) -> None:
    """Remove a folder at the end of the process that made it: not at that of a forked child."""
    if os.getpid() == maker:
        shutil.rmtree(folder, ignore_errors=True)
