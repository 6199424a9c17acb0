"""Who may come in: by which names the app is reached, and with which password."""

import base64
import binascii
import hmac
import ipaddress
import socket
from dataclasses import dataclass, field
from pathlib import Path

from frameweave.app.options import AppOptions
from frameweave.errors import InputError
from frameweave.serving.limits import Limiter

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SHORTEST = 12
_LARGEST = 4096  # bytes of a password's file


@dataclass(frozen=True, eq=False)
class Gate:
    """Names and password of one server."""

    names: frozenset[str]
    """What may stand in the Host header, in small letters and without a port."""
    addresses: bool = False
    """Whether any address may: a page of another host has a name, and cannot come as an address."""
    password: str | None = None
    attempts: Limiter = field(default_factory=lambda: Limiter(burst=10, per_minute=10))
    """Wrong passwords, by address."""

    @classmethod
    def of(cls, options: AppOptions) -> "Gate":
        """As the options say. Raises `InputError` when others could come in without a password."""
        password = None if options.password_file is None else _password(options.password_file)
        outside = not _is_loopback(options.host)
        if (outside or options.host_name) and password is None:
            what = f"the host {options.host}" if outside else f"the host name {options.host_name[0]}"
            raise InputError(
                f"{what} lets other machines in, and there is no password",
                hint="give --password-file, or leave it out and use the app on this machine",
            )
        names = {*_LOOPBACK, options.host, *options.host_name}
        if outside:
            names |= {socket.gethostname(), f"{socket.gethostname()}.local"}
        return cls(frozenset(name.lower() for name in names), outside, password)

    def knows(self, host: str) -> bool:
        """Whether a Host header, such as localhost:7860 or [::1]:7860, names this server."""
        name = host.lower()
        name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
        return name in self.names or (self.addresses and _is_address(name))

    def opens(self, authorization: str) -> bool:
        """Whether an Authorization header, as HTTP Basic has it, holds the password; any user will do."""
        if self.password is None:
            return True
        scheme, _, text = authorization.partition(" ")
        try:
            said = base64.b64decode(text.strip(), validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return False
        return scheme.lower() == "basic" and hmac.compare_digest(said, self.password.encode())


def _password(file: Path) -> str:
    """The first line. Raises `InputError` for a file that cannot be read and a password that is short."""
    try:
        with file.open(encoding="utf-8") as opened:
            lines = opened.read(_LARGEST).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: not a readable text file", hint="give a file with the password") from error
    password = lines[0].strip() if lines else ""
    if len(password) < _SHORTEST:
        raise InputError(
            f"{file}: a password of {len(password)} letters, expected at least {_SHORTEST}",
            hint="write a longer one on its first line",
        )
    return password


def _is_loopback(host: str) -> bool:
    return host.lower() in _LOOPBACK or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
