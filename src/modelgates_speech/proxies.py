"""Which proxy the environment names for a server."""

from __future__ import annotations

import contextlib
import os
import sys
from urllib.parse import unquote, urlsplit

import attrs

from modelgates_speech.config import is_loopback

_SCHEMES = ("http", "https", "socks5", "socks5h")


@attrs.frozen
class Proxy:
    """A proxy, as the environment names it."""

    url: str
    auth: tuple[str, str] | None = attrs.field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str) -> Proxy:
        """The proxy that `text` names; without a scheme it speaks plain http."""
        text = text.strip()
        parts = urlsplit(text if "://" in text else f"http://{text}")
        if parts.scheme not in _SCHEMES or not parts.hostname:
            raise ValueError(
                f"{parts.scheme}://{parts.hostname or ''} is not a proxy's address: write "
                f"{', '.join(_SCHEMES)} as scheme://host:port"
            )
        try:
            _ = parts.port
        except ValueError:
            # Python's words quote what may be half of a password.
            raise ValueError(
                "its port is not a number from 0 to 65535; percent-encode everything in a password "
                "but letters and digits"
            ) from None
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        url = f"{parts.scheme}://{host}:{parts.port}" if parts.port else f"{parts.scheme}://{host}"
        name, password = parts.username, parts.password
        return cls(url, (unquote(name), unquote(password or "")) if name else None)


def proxy_for(base_url: str) -> Proxy | None:
    """The proxy that the environment names for `base_url`, or None.

    What goes to this machine itself must not leave it, least of all with the key and no TLS.
    """
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    # Only variables can name one there, and what reads them is slow to load.
    by_variables = os.name == "posix" and sys.platform != "darwin"
    if is_loopback(host) or (by_variables and not any("_proxy" in k.lower() for k in os.environ)):
        return None
    from fnmatch import fnmatchcase
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    direct = [name.strip().lower() for name in proxies.get("no", "").split(",")]
    port = parts.port or (443 if parts.scheme == "https" else 80)
    named = f"[{host}]" if ":" in host else host.rstrip(".")
    # The standard library knows no stars within a name.
    starred = any(fnmatchcase(n, name) for name in direct for n in (named, f"{named}:{port}"))
    if starred or proxy_bypass(f"{named}:{port}") or _is_within(host, direct):
        return None
    name = next((name for name in (parts.scheme, "all") if proxies.get(name)), None)
    if name is None:
        return None
    try:
        return Proxy.parse(proxies[name])
    except ValueError as error:
        raise ValueError(f"the proxy that {name.upper()}_PROXY names: {error}") from error


def _is_within(host: str, networks: list[str]) -> bool:
    """Whether `host` is an address of one of `networks`, which ``NO_PROXY`` may name."""
    import ipaddress

    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host)
        for name in networks:
            with contextlib.suppress(ValueError):
                if address in ipaddress.ip_network(name.strip("[]"), strict=False):
                    return True
    return False
