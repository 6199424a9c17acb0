"""What keeps a study's server safe: signed forms and sessions, headers, limits of size."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from frameweave.serving.answers import HEADERS, answer, with_headers
from frameweave.study.server.places import below

LONGEST_FORM = 16_384
"""Bytes of a request's body."""
_SECRET = 32  # bytes
_HEADERS = HEADERS | {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; media-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
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

        stays = {"cache-control": "private, max-age=3600" if kept else "no-store"}
        sending = with_headers(send, _HEADERS | stays)
        if inside is None:
            slash = f"{self.prefix.rpartition('/')[2]}/".encode()
            await answer(sending, 308, "The study stands behind the slash.", (b"location", slash))
            return
        if scope["method"] not in ("GET", "HEAD"):
            length = dict(scope["headers"]).get(b"content-length", b"")
            if not length.isdigit():
                await answer(sending, 411, "A form needs its length.")
                return
            if len(length) > len(str(LONGEST_FORM)) or int(length) > LONGEST_FORM:
                await answer(sending, 413, "The form is too long.")
                return
        elif scope["method"] == "HEAD":
            inside = {**inside, "method": "GET"}
        await self.app(inside, receive, sending)
