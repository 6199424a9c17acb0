"""What stands before every request: which hosts, origins and sizes are let in, and headers of answers."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from frameweave.app.gate import Gate
from frameweave.serving.answers import HEADERS, answer, with_headers

_READS = ("GET", "HEAD")
_AROUND = 2**20
"""Bytes that a form has beside the file in it."""
# Gradio's page has scripts and styles in it, and makes functions of texts
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
    "worker-src 'self' blob:; object-src 'none'; frame-src 'none'; form-action 'self'; base-uri 'self'; "
    "frame-ancestors 'none'"
)
_HEADERS = HEADERS | {"content-security-policy": _POLICY}
_UNWELCOME = {401: "The password is missing or wrong.", 429: "Too many wrong passwords. Wait a minute."}
_ASKING = (b"www-authenticate", b'Basic realm="Frameweave", charset="UTF-8"')


class Guard:
    """Middleware. Refuses names that are not the server's (DNS rebinding), requests that other sites' pages
    make and that change something, and bodies that are too long; asks for the password where there is one.
    """

    def __init__(self, app: ASGIApp, gate: Gate, largest: int) -> None:
        """`largest` is the size of an uploaded file in bytes."""
        self.app, self.gate, self.largest = app, gate, largest + _AROUND

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers, sending = Headers(scope=scope), with_headers(send, _HEADERS)
        host, length = headers.get("host", ""), headers.get("content-length") or "0"
        if not self.gate.knows(host):
            await answer(sending, 421, "This app has another name. Open the address that it printed.")
        elif scope["method"] not in _READS and _is_foreign(headers, host):
            await answer(sending, 403, "Another site's page has sent this.")
        elif (status := self._unwelcome(scope, headers)) is not None:
            await answer(sending, status, _UNWELCOME[status], _ASKING)
        elif not length.isascii() or not length.isdigit() or int(length[:20]) > self.largest:
            await answer(sending, 413, "The file is too large.")
        else:
            await self.app(scope, _Measured(receive, self.largest), sending)

    def _unwelcome(self, scope: Scope, headers: Headers) -> int | None:
        """The status for a request without the right password."""
        gate, caller = self.gate, (scope.get("client") or ("",))[0]
        said = headers.get("authorization")
        if gate.password is None:
            return None
        if said is None:
            return 401
        if not gate.attempts.has_left(caller):
            return 429
        if gate.opens(said):
            return None
        gate.attempts.allows(caller)
        return 401


class _Measured:
    """A body whose length nobody has told: it ends when it becomes too long, as if the caller had left."""

    def __init__(self, receive: Receive, left: int) -> None:
        self._receive, self._left = receive, left

    async def __call__(self) -> Message:
        if self._left < 0:
            return {"type": "http.disconnect"}
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        return message if self._left >= 0 else {"type": "http.disconnect"}


def _is_foreign(headers: Headers, host: str) -> bool:
    """Whether a browser says that a page of another site sends this. Programs say nothing."""
    origin = headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc.lower() != host.lower()
    return headers.get("sec-fetch-site", "none") not in ("same-origin", "none")
