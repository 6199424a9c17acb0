"""The wire: what comes back, whole or not, and nothing more than that."""

import asyncio
import gzip

import pytest

from caption_server import KEY, CaptionServer, Reaction, failure
from frameweave.data.captions.connection import REPLY_LIMIT, Connection
from frameweave.data.captions.endpoint import Endpoint
from frameweave.data.captions.reply import Received


def post(reaction: Reaction, *, timeout: float = 5.0) -> tuple[Received, CaptionServer]:
    async def posting(endpoint: Endpoint) -> Received:
        connection = Connection(endpoint, timeout=timeout)
        try:
            return await connection.post({"model": "m"})
        finally:
            await connection.close()

    with CaptionServer([reaction] * 3).running() as server:
        return asyncio.run(posting(Endpoint.from_environment(server.environment))), server


def test_status_headers_and_body_come_back_as_they_are() -> None:
    received, server = post(Reaction(200, b"\xff{", {"X-RateLimit-Remaining-Tokens": "5"}))
    assert (received.status, received.body, received.trouble) == (200, b"\xff{", "")
    assert received.headers["x-ratelimit-remaining-tokens"] == "5"
    assert len(server.asked) == 1
    assert server.asked[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("status", [307, 400, 429, 500])
def test_failures_come_back_once(status: int) -> None:
    received, server = post(failure(status, "no", location="/elsewhere", retry_after="0"))
    assert (received.status, received.headers["retry-after"]) == (status, "0")
    assert b'"no"' in received.body
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [200, 500])
def test_a_reply_has_a_limit(status: int) -> None:
    assert len(post(Reaction(status, b"x" * REPLY_LIMIT))[0].body) == REPLY_LIMIT
    received, _ = post(Reaction(status, b"x" * (REPLY_LIMIT + 1)))
    assert received == Received(trouble="too_large")


def test_what_could_unpack_to_any_size_is_not_read() -> None:
    packed = gzip.compress(b"0" * 100)
    assert post(Reaction(200, packed, {"Content-Encoding": "gzip"}))[0] == Received(trouble="too_large")


def test_a_cut_and_a_late_reply() -> None:
    assert post(Reaction(200, b"0" * 100, cut=50))[0] == Received(trouble="broken")
    assert post(Reaction(delay=0.6), timeout=0.2)[0] == Received(trouble="timeout")


def test_a_proxy_gets_nothing_that_is_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with CaptionServer().running() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        received, server = post(Reaction(200, b"mine"))
    assert received.body == b"mine"
    assert (len(server.asked), len(proxy.asked)) == (1, 0)


def test_other_keys_in_the_environment_stay_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin-canary")
    _, server = post(Reaction())
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert "sk-admin-canary" not in str(server.asked)
