"""Where a study stands on its host, and who stands before it: links, a path's prefix, proxies.

Links and redirects are relative, so that a proxy may show the study below any path.
"""

import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request
from starlette.types import Scope

from frameweave.errors import InputError


def link(request: Request, to: str) -> str:
    """The way from a request's address to another page of the study; "" is the first page."""
    address: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    return "../" * (address.count(b"/") - 1) + to or "./"


def below(scope: Scope, prefix: str) -> Scope | None:
    """The request as if the study were at the root; None for the prefix itself, without its slash.

    A proxy may have taken the prefix away already: then nothing changes.
    """
    path: str = scope["path"]
    if not prefix or not f"{path}/".startswith(f"{prefix}/"):
        return scope
    if path == prefix:
        return None
    raw: bytes = scope.get("raw_path") or path.encode()
    return {**scope, "path": path[len(prefix) :], "raw_path": raw[len(prefix) :]}


def proxies_of(text: str) -> list[str]:
    """The addresses and networks that `--proxy` names; a host's name is looked up now.

    A server that listens for IPv6 sees callers by IPv4 as ::ffff:a.b.c.d, so these are in the list too.
    Raises `InputError` for what is neither an address, a network, nor a host that can be found.
    """
    found: list[str] = []
    for name in (part.strip() for part in text.split(",")):
        if name == "*":
            return ["*"]
        for network in _networks(name):
            found.append(_written(network))
            if isinstance(network, ipaddress.IPv4Network):
                mapped = f"::ffff:{network.network_address}/{96 + network.prefixlen}"
                found.append(_written(ipaddress.ip_network(mapped)))
    return list(dict.fromkeys(found))


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(name: str) -> list[_Network]:
    try:
        return [ipaddress.ip_network(name, strict=False)]
    except ValueError:
        pass  # a host's name
    try:
        if not name or set("/:[]") & set(name):
            raise OSError
        return [ipaddress.ip_network(str(found[4][0])) for found in socket.getaddrinfo(name, None)]
    except (OSError, ValueError) as error:  # UnicodeError is a ValueError
        raise InputError(
            f"proxy {name!r}, expected an address, a network, or the name of a host that can be found",
            hint="write e.g. 127.0.0.1, 10.0.0.0/8 or localhost, several with commas between",
        ) from error


def _written(network: _Network) -> str:
    return str(network.network_address if network.num_addresses == 1 else network)


@dataclass
class Callers:
    """Knows callers apart by their addresses, which are used to count and never stored."""

    tell: Callable[[str], None]
    """Told once when a proxy hides them."""
    _told: bool = False

    def address_of(self, request: Request) -> str:
        """Where a request comes from, as far as named proxies say."""
        address = request.client.host if request.client else ""
        claimed = ", ".join(request.headers.getlist("x-forwarded-for"))
        if claimed and address not in claimed and not self._told:
            self._told = True
            self.tell(
                "a proxy forwards requests, and --proxy does not name it: "
                "all its raters share the limit of one address"
            )
        return address
