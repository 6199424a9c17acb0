"""The wire to an endpoint, through the openai client. Needs the extra `captions`.

One request is sent at a time and never again by itself; redirects are not followed; a reply has a
limit in time and size. Nothing that is returned or raised holds the key.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import openai

from frameweave.data.captions.endpoint import Endpoint
from frameweave.data.captions.reply import Received

REPLY_LIMIT = 2**20
"""Bytes of a reply."""


class Connection:
    """One endpoint. For one event loop."""

    def __init__(self, endpoint: Endpoint, *, timeout: float) -> None:
        """`timeout` is in seconds, for a whole exchange."""
        self._timeout = timeout
        self._client = openai.AsyncOpenAI(
            api_key=endpoint.key,
            base_url=endpoint.base_url,
            max_retries=0,
            timeout=timeout,
            default_headers={"Accept-Encoding": "identity"},
            http_client=openai.DefaultAsyncHttpxClient(
                follow_redirects=False,
                trust_env=not endpoint.local,  # a proxy has no business with this machine's own servers
                event_hooks={"response": [_limit]},
            ),
        )

    async def post(self, body: dict[str, Any]) -> Received:
        """Ask for a chat completion."""
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._client.post("/chat/completions", body=body, cast_to=httpx2.Response)
        except (TimeoutError, openai.APITimeoutError):
            return Received(trouble="timeout")
        except openai.APIStatusError as error:
            response = error.response
        except openai.APIConnectionError as error:
            return Received(trouble="too_large" if isinstance(error.__cause__, _TooLarge) else "broken")
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Received(status=response.status_code, headers=headers, body=response.content)

    async def close(self) -> None:
        await self._client.close()


class _TooLarge(httpx2.ReadError):
    pass


class _Limited(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        async for piece in self._stream:
            received += len(piece)
            if received > REPLY_LIMIT:
                raise _TooLarge("")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _limit(response: httpx2.Response) -> None:
    if "content-encoding" in response.headers:  # was not asked for, and could unpack to any size
        raise _TooLarge("")
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = _Limited(response.stream)
