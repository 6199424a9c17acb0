"""What keeps a study's server safe: signed forms and sessions, headers, limits of size and rate."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from frameweave.study.server.places import below

LONGEST_FORM = 16_384
"""Bytes of a request's body."""
_SECRET = 32  # bytes
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; media-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


@dataclass(frozen=True)
class Signer:
    """Signs short texts with a secret that outlives the server's restarts."""

    secret: bytes

    @classmethod
    def kept_in(cls, file: Path) -> "Signer":
        """The secret in a file that only its owner reads; made when it is missing, or was cut while made."""
        if not file.is_file() or file.stat().st_size < _SECRET:
            stage = file.with_name(f".{secrets.token_hex(4)}-{file.name}")
            stage.touch(mode=0o600)
            stage.write_bytes(secrets.token_bytes(_SECRET))
            stage.replace(file)
        return cls(file.read_bytes())

    def sign(self, purpose: str, text: str) -> str:
        """What proves that this server said `text` for that purpose."""
        message = f"{purpose}\0{text}".encode()
        return hmac.new(self.secret, message, hashlib.sha256).hexdigest()

    def is_signed(self, purpose: str, text: str, signature: str) -> bool:
        """Whether `sign` gave that signature."""
        return hmac.compare_digest(self.sign(purpose, text).encode(), signature.encode())


@dataclass
class Limiter:
    """So many calls at once, and so many more a minute, for each caller."""

    burst: float
    per_minute: float
    _left: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    _lock: Lock = field(default_factory=Lock)

    def allows(self, caller: str) -> bool:
        """Counts a call; False when it is one too many."""
        now = time.monotonic()
        with self._lock:
            if len(self._left) > 10_000:
                self._left.clear()
            left, then = self._left.get(caller, (self.burst, now))
            left = min(self.burst, left + (now - then) * self.per_minute / 60)
            self._left[caller] = (max(left - 1, 0) if left >= 1 else left, now)
            return left >= 1


class Guard:
    """Middleware: headers on every answer, none without a length or too long among the requests.

    Takes the prefix from the path, and HEAD for a GET whose body the server does not send.
    """

    def __init__(self, app: ASGIApp, prefix: str = "") -> None:
        self.app, self.prefix = app, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        inside = below(scope, self.prefix)
        kept = inside is not None and inside["path"].startswith(("/static/", "/media/"))

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers["cache-control"] = "private, max-age=3600" if kept else "no-store"
            await send(message)

        if inside is None:
            slash = f"{self.prefix.rpartition('/')[2]}/".encode()
            await _answer(with_headers, 308, b"The study stands behind the slash.", (b"location", slash))
            return
        if scope["method"] not in ("GET", "HEAD"):
            length = dict(scope["headers"]).get(b"content-length", b"")
            if not length.isdigit():
                await _answer(with_headers, 411, b"A form needs its length.")
                return
            if len(length) > len(str(LONGEST_FORM)) or int(length) > LONGEST_FORM:
                await _answer(with_headers, 413, b"The form is too long.")
                return
        elif scope["method"] == "HEAD":
            inside = {**inside, "method": "GET"}
        await self.app(inside, receive, with_headers)


async def _answer(
    send: Callable[[Message], Awaitable[None]], status: int, text: bytes, *more: tuple[bytes, bytes]
) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(text)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
