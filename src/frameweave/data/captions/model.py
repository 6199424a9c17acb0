"""A model behind an OpenAI-compatible endpoint, through the openai client. Needs the extra `captions`.

The client asks again where that may help, and waits between. Hooks see every request and every reply:
they hold all questions back while the endpoint wants to be left alone, limit what is read of a reply, and
take what claims success and is no chat completion for the failure that it is. Redirects are not followed.
Nothing that is returned or raised holds the key.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import httpx2
import openai
from openai.types.chat import ChatCompletionMessageParam

from frameweave.data.captions.cache import Answer
from frameweave.data.captions.edit_prompt import EditPrompt, Kind
from frameweave.data.captions.endpoint import BASE_URL, KEY, MODEL, Endpoint
from frameweave.data.captions.question import INSTRUCTIONS, Edits, estimated, question, read_edits
from frameweave.data.captions.reply import Reply, no_completion, said_in
from frameweave.data.captions.spending import Spending
from frameweave.data.captions.waiting import Gate, asked_wait
from frameweave.data.options import CaptionOptions
from frameweave.errors import InputError, RunError

REPLY_LIMIT = 2**20
"""Bytes of a reply."""
LONGEST_WAIT = 120.0
"""Seconds for which an endpoint may ask; the client itself waits no longer."""
_FORM_REFUSED = (400, 404, 405, 415, 422, 500, 501)
"""What endpoints answer that know no forms; or for other reasons."""
_FORM_MISSED = b"json_validate_failed"
"""In a 400: the model did not keep to the form, this time."""
_REJECTED = (400, 413, 422)
_REPEATED = (408, 409, 429)  # by the client; and 500 and above
_PASSING = (*_REPEATED, 425)


class Model:
    """For one event loop. Counts what it sends."""

    def __init__(self, endpoint: Endpoint, options: CaptionOptions, spending: Spending) -> None:
        self.name, self.concurrency = endpoint.model, options.concurrency
        self.requests = self._questions = 0
        self._attempts, self._timeout = options.attempts, options.timeout
        self._longest_answer = options.answer_tokens
        self._endpoint, self._spending = endpoint, spending
        self._slots, self._gate = asyncio.Semaphore(options.concurrency), Gate()
        self._form_works = self._form_dropped = False
        self._limit_told = False
        """Whether an endpoint that knows no forms is told how long an answer may be, since it cut one."""
        self.ended: RunError | None = None
        """Why nothing is asked any more; those who waited for their turn are told."""
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
                reply, taken = await self._asked(sources, kinds, left)
                left -= taken
                if reply.refused:
                    return Answer(failed="refused")
                for text in reply.texts:
                    edits = read_edits(text, sources, kinds, model=self.name)
                    if harmless := tuple(edit for edit in edits if not self._shows_key(edit)):
                        return Answer(edits=harmless)
                if reply.cut and (self._limit_told or not self._form_dropped):  # as it would be again
                    return Answer(failed="cut", detail=self._where_cut)
                self._limit_told |= reply.cut
        except openai.APIError as error:
            return self._unanswered(error)
        return Answer(failed="nonsense")

    async def close(self) -> None:
        await self._client.close()

    @property
    def _where_cut(self) -> str:
        return (
            f"the answer was cut at {self._longest_answer} tokens: give more with --answer-tokens to a model "
            "that thinks first"
        )

    async def _asked(self, sources: Sequence[str], kinds: Sequence[Kind], attempts: int) -> tuple[Reply, int]:
        """A chat completion, paid for, and how many attempts it took."""
        tokens = estimated(sources, kinds)
        async with self._slots:
            if self.ended is not None:
                raise self.ended
            with self._spending.promised(tokens):
                self._questions += attempts == self._attempts
                body, taken = await self._sent(question(sources, kinds), attempts)
                reply = Reply.read(body)
                self._spending.pay(reply.tokens(tokens))
                return reply, taken

    async def _sent(self, content: str, attempts: int) -> tuple[bytes, int]:
        """In a form that the endpoint keeps the answer to; in plain words where it cannot.

        Until the form has worked, one attempt is kept for plain words. Returns the reply and how many
        attempts it took.
        """
        messages: list[ChatCompletionMessageParam] = [
            {"role": "system", "content": INSTRUCTIONS},
            {"role": "user", "content": content},
        ]
        if self._form_dropped:
            return await self._completed(messages, attempts, form=False)
        first = attempts if self._form_works else max(1, attempts - 1)
        try:
            return await self._completed(messages, first, form=True)
        except openai.APIError as error:
            repeated = _was_repeated(error)
            taken = first if repeated else 1
            plain = not self._form_works and _may_be_the_form(error)
            if not plain and (taken >= attempts or not repeated):
                raise
        body, more = await self._completed(messages, max(1, attempts - taken), form=not plain)
        return body, taken + more

    async def _completed(
        self, messages: list[ChatCompletionMessageParam], attempts: int, *, form: bool
    ) -> tuple[bytes, int]:
        """A chat completion, and how many attempts it took."""
        completions = self._client.with_options(max_retries=attempts - 1).chat.completions.with_raw_response
        if form:
            response = await completions.parse(
                model=self.name,
                messages=messages,
                response_format=Edits,
                max_completion_tokens=self._longest_answer,
            )
            self._form_works = True
        else:
            limit = self._longest_answer if self._limit_told else openai.omit
            response = await completions.create(model=self.name, messages=messages, max_tokens=limit)
            self._form_dropped = not self._form_works
        return response.content, 1 + response.retries_taken

    async def _sending(self, _: httpx2.Request) -> None:
        await self._gate.passed()
        self.requests += 1

    async def _receiving(self, response: httpx2.Response) -> None:
        if "content-encoding" in response.headers:  # could unpack to any size
            raise _NoCompletion("a packed reply, which was not asked for")
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Limited(response.stream, time.monotonic() + self._timeout)
        wait = asked_wait(response.headers)
        self._gate.shut(min(wait, LONGEST_WAIT))
        if response.is_success:
            if said := no_completion(response.headers.get("content-type", ""), await response.aread()):
                raise _NoCompletion(f"{response.status_code}, {said}")
        elif wait > LONGEST_WAIT or (
            response.status_code == 429 and b"insufficient_quota" in await response.aread()
        ):
            response.headers["x-should-retry"] = "false"  # as endpoints say that it is in vain
        elif response.status_code == 400 and _FORM_MISSED in await response.aread():
            response.headers["x-should-retry"] = "true"

    def _shows_key(self, edit: EditPrompt) -> bool:
        return any(self._endpoint.shows_key(text) for text in (edit.prompt, *edit.changed))

    def _unanswered(self, error: openai.APIError) -> Answer:
        """Why the endpoint gave no answer, in its own words.

        Raises `InputError` or `RunError` where asking about other captions is in vain, too.
        """
        if not isinstance(error, openai.APIStatusError):
            said = "the connection broke"
            if isinstance(error, openai.APITimeoutError):
                said = f"no whole answer within {self._timeout:g} s (--timeout)"
            elif isinstance(error.__cause__, _NoCompletion):
                said = self._harmless(str(error.__cause__))
            return Answer(failed="no_answer", detail=said)
        host, status, said = self._endpoint.host, error.status_code, self._said(error)
        if status in _REJECTED:
            return Answer(failed="rejected", detail=said)
        if error.code == "insufficient_quota":
            raise RunError(
                f"{host}: the account has no quota left", hint="the same command goes on once there is some"
            ) from None
        if (wait := asked_wait(error.response.headers)) > LONGEST_WAIT:
            raise RunError(
                f"{host}: asks to wait for {wait:.0f} s, expected at most {LONGEST_WAIT:.0f} s",
                hint="the same command goes on after that time",
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
        words = self._harmless(said_in({"error": error.body}))
        return f"{error.status_code}, {words}" if words else str(error.status_code)

    def _harmless(self, words: str) -> str:
        return "" if self._endpoint.shows_key(words) else words


def _may_be_the_form(error: openai.APIError) -> bool:
    """Whether plain words may be answered where the form was not."""
    if isinstance(error, openai.APIStatusError):
        return error.status_code in _FORM_REFUSED
    return isinstance(error.__cause__, _NoCompletion)


def _was_repeated(error: openai.APIError) -> bool:
    """Whether the client has used up its attempts."""
    if not isinstance(error, openai.APIStatusError):
        return True
    told = error.response.headers.get("x-should-retry")
    return told == "true" or (
        told != "false" and (error.status_code in _REPEATED or error.status_code >= 500)
    )


class _NoCompletion(httpx2.ReadError):
    """A reply that is not the model's answer, and why."""


class _Limited(httpx2.AsyncByteStream):
    """A reply that ends in an error when it is too large or takes too long."""

    def __init__(self, stream: httpx2.AsyncByteStream, latest: float) -> None:
        self._stream, self._latest = stream, latest

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        async for piece in self._stream:
            received += len(piece)
            if received > REPLY_LIMIT:
                raise _NoCompletion(f"a reply of more than {REPLY_LIMIT >> 20} MB")
            if time.monotonic() > self._latest:
                raise httpx2.ReadTimeout("")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
