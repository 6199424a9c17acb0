"""A model behind an OpenAI-compatible endpoint, through the openai client. Needs the extra `captions`.

The client asks again where that may help, and waits between. Hooks see every request and every reply:
they hold all questions back while the endpoint wants to be left alone, and limit what is read of a reply.
Redirects are not followed. Nothing that is returned or raised holds the key.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import cast

import httpx2
import openai
from openai.types.chat import ChatCompletionMessageParam

from frameweave.data.captions.cache import Answer
from frameweave.data.captions.edit_prompt import EditPrompt, Kind
from frameweave.data.captions.endpoint import BASE_URL, KEY, MODEL, Endpoint
from frameweave.data.captions.question import INSTRUCTIONS, Edits, Reply, estimated, question, read_edits
from frameweave.data.captions.spending import Spending
from frameweave.data.captions.waiting import Gate, asked_wait
from frameweave.data.options import CaptionOptions
from frameweave.data.text import cleaned
from frameweave.errors import InputError, RunError

REPLY_LIMIT = 2**20
"""Bytes of a reply."""
LONGEST_WAIT = 120.0
"""Seconds for which an endpoint may ask; the client itself waits no longer."""
_FORM_REFUSED = (400, 422)
_REJECTED = (400, 413, 422)
_PASSING = (408, 409, 425, 429)  # and 500 and above


class Model:
    """For one event loop. Counts what it sends."""

    def __init__(self, endpoint: Endpoint, options: CaptionOptions, spending: Spending) -> None:
        self.name, self.concurrency = endpoint.model, options.concurrency
        self.requests = self._questions = 0
        self._attempts, self._timeout = options.attempts, options.timeout
        self._endpoint, self._spending = endpoint, spending
        self._slots, self._gate = asyncio.Semaphore(options.concurrency), Gate()
        self._form_works = self._form_dropped = False
        self._client = openai.AsyncOpenAI(
            api_key=endpoint.key,
            base_url=endpoint.base_url,
            timeout=options.timeout,
            default_headers={"Accept-Encoding": "identity"},
            http_client=openai.DefaultAsyncHttpxClient(
                follow_redirects=False,
                trust_env=not endpoint.local,  # a proxy has no business with this machine's own servers
                event_hooks={"request": [self._sending], "response": [self._receiving]},
            ),
        )

    @property
    def retried(self) -> int:
        """Requests that repeated an earlier one."""
        return self.requests - self._questions

    async def answer(self, sources: Sequence[str], kinds: Sequence[Kind]) -> Answer:
        """Sound edits, or why there are none.

        Raises `BudgetSpent`, `InputError` when the endpoint will not have the key or the model, `RunError`
        when it will not go on.
        """
        left = self._attempts
        try:
            while left:
                body, taken = await self._asked(sources, kinds, left)
                left -= taken
                reply = Reply.read(body)
                if reply.refused:
                    return Answer(failed="refused")
                edits = read_edits(reply.text, sources, kinds, model=self.name)
                if harmless := tuple(edit for edit in edits if not self._shows_key(edit)):
                    return Answer(edits=harmless)
        except openai.APIStatusError as error:
            return self._unanswered(error)
        except openai.APITimeoutError:
            return Answer(failed="no_answer", detail="timeout")
        except openai.APIConnectionError as error:
            if not isinstance(error.__cause__, _TooLarge):
                return Answer(failed="no_answer", detail="broken")
        return Answer(failed="nonsense")

    async def close(self) -> None:
        await self._client.close()

    async def _asked(self, sources: Sequence[str], kinds: Sequence[Kind], attempts: int) -> tuple[bytes, int]:
        tokens = estimated(sources, kinds)
        async with self._slots:
            with self._spending.promised(tokens):
                self._questions += attempts == self._attempts
                body, taken = await self._sent(question(sources, kinds), attempts)
                self._spending.pay(Reply.read(body).tokens or tokens)
                return body, taken

    async def _sent(self, content: str, attempts: int) -> tuple[bytes, int]:
        """In a form that the endpoint keeps the answer to; in plain words where it cannot.

        Returns the reply and how many attempts it took.
        """
        completions = self._client.with_options(max_retries=attempts - 1).chat.completions.with_raw_response
        messages: list[ChatCompletionMessageParam] = [
            {"role": "system", "content": INSTRUCTIONS},
            {"role": "user", "content": content},
        ]
        if not self._form_dropped:
            try:
                response = await completions.parse(
                    model=self.name,
                    messages=messages,
                    response_format=Edits,
                    max_completion_tokens=4096,
                )
                self._form_works = True
                return response.content, 1 + response.retries_taken
            except openai.APIStatusError as error:
                if error.status_code not in _FORM_REFUSED or self._form_works:
                    raise
        response = await completions.create(model=self.name, messages=messages)
        self._form_dropped = True
        return response.content, 1 + response.retries_taken

    async def _sending(self, _: httpx2.Request) -> None:
        await self._gate.passed()
        self.requests += 1

    async def _receiving(self, response: httpx2.Response) -> None:
        if "content-encoding" in response.headers:  # was not asked for, and could unpack to any size
            raise _TooLarge("")
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Limited(response.stream, time.monotonic() + self._timeout)
        wait = asked_wait(response.headers)
        self._gate.shut(min(wait, LONGEST_WAIT))
        if wait > LONGEST_WAIT or (
            response.status_code == 429 and b"insufficient_quota" in await response.aread()
        ):
            response.headers["x-should-retry"] = "false"  # as endpoints say that it is in vain

    def _shows_key(self, edit: EditPrompt) -> bool:
        return any(self._endpoint.shows_key(text) for text in (edit.prompt, *edit.changed))

    def _unanswered(self, error: openai.APIStatusError) -> Answer:
        """Raises `InputError` or `RunError` where asking about other captions is in vain, too."""
        host, status, said = self._endpoint.host, error.status_code, self._said(error)
        if status in _REJECTED:
            return Answer(failed="rejected", detail=said)
        if error.code == "insufficient_quota":
            raise RunError(
                f"{host}: the account has no quota left", hint="the same command goes on once there is some"
            ) from None
        if (wait := asked_wait(error.response.headers)) > LONGEST_WAIT:
            raise RunError(
                f"{host}: asks to wait for {wait:.0f} s", hint="the same command goes on after that time"
            ) from None
        if status in _PASSING or status >= 500:
            return Answer(failed="no_answer", detail=said)
        if status in (401, 403):
            raise InputError(f"{host}: refuses the key ({said})", hint=f"check {KEY}") from None
        if status == 404:
            raise InputError(
                f"{host}: has no model {self.name!r}, or no chat completions there ({said})",
                hint=f"check {MODEL} and {BASE_URL}",
            ) from None
        if 300 <= status < 400:
            raise InputError(
                f"{host}: sends on to another address ({status}), where the key is not taken",
                hint=f"give the right address in {BASE_URL}",
            ) from None
        raise RunError(f"{host}: {said}", hint="the same command goes on where it stopped") from None

    def _said(self, error: openai.APIStatusError) -> str:
        """Status and the endpoint's own words, unless these show the key."""
        body: object = error.body
        message = cast("Mapping[str, object]", body).get("message") if isinstance(body, Mapping) else body
        words = cleaned(message)[:200] if isinstance(message, str) else ""
        shown = words and not self._endpoint.shows_key(message if isinstance(message, str) else "")
        return f"{error.status_code}, {words}" if shown else str(error.status_code)


class _TooLarge(httpx2.ReadError):
    pass


class _Limited(httpx2.AsyncByteStream):
    """A reply that ends in an error when it is too large or takes too long."""

    def __init__(self, stream: httpx2.AsyncByteStream, latest: float) -> None:
        self._stream, self._latest = stream, latest

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        async for piece in self._stream:
            received += len(piece)
            if received > REPLY_LIMIT:
                raise _TooLarge("")
            if time.monotonic() > self._latest:
                raise httpx2.ReadTimeout("")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
