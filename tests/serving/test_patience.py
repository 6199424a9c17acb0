"""Half requests on real connections: they end, and whole ones are answered."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from frameweave.serving.patience import Impatient
from frameweave.study.server.security import Guard

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bytes]]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Takes a whole request, and answers with much where much is asked for."""
    while (message := await receive())["type"] == "http.request" and message["more_body"]:
        pass
    size = 50_000_000 if scope["path"] == "/much" else 5
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x" * size})


class Quick(Impatient):
    request_seconds, answer_seconds = 0.2, 0.2
    lost = asyncio.Event()
    """Set when the server has let a connection go."""

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.lost.set()


def said(talk: Talk) -> bytes:
    """What the server says until it closes the connection."""

    async def whole() -> bytes:
        config = uvicorn.Config(Guard(app), lifespan="off", log_level="critical", timeout_keep_alive=5)
        loop, Quick.lost = asyncio.get_running_loop(), asyncio.Event()
        server = await loop.create_server(lambda: Quick(config, ServerState(), {}), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            return await asyncio.wait_for(talk(reader, writer), 20)
        finally:
            writer.close()
            server.close()

    return asyncio.run(whole())


@pytest.mark.parametrize(
    "half",
    [
        b"", b"GET / HT", b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: ",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc",
    ],
)  # fmt: skip
def test_half_a_request_ends_the_connection(half: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(half)
        return await reader.read()

    assert b"200" not in said(talk)


def test_bytes_that_trickle_in_do_not_prolong_it() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"GET / HTTP/1.1\r\n")
        while not Quick.lost.is_set():
            writer.write(b"x: y\r\n")
            await asyncio.sleep(0.02)
        return b"cut off"

    assert said(talk) == b"cut off"


def test_half_a_second_request_ends_the_connection_too() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        first = await reader.readuntil(b"0\r\n\r\n")
        writer.write(b"GET / HTT")
        return first + await reader.read()

    assert said(talk).count(b"HTTP/1.1 200") == 1


def test_who_takes_no_answer_is_cut_off() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"GET /much HTTP/1.1\r\nhost: x\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined] # pyright: ignore
        await Quick.lost.wait()
        writer.transport.resume_reading()  # type: ignore[attr-defined] # pyright: ignore
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""

    assert len(said(talk)) < 50_000_000


def test_head_has_the_headers_of_get_and_no_body() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"HEAD / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        return await reader.read()

    head, _, body = said(talk).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200") and b"content-security-policy" in head and body == b""
