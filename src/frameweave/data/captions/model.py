"""A model behind an endpoint: asked in a form, asked again when that helps, left when it does not."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol, runtime_checkable

from frameweave.data.captions.asking import SCHEMA, Nonsense, messages, read_answer
from frameweave.data.captions.cache import Answer
from frameweave.data.captions.edit_prompt import EditPrompt, Kind
from frameweave.data.captions.endpoint import BASE_URL, KEY, MODEL, Endpoint
from frameweave.data.captions.reply import Received, complaint, read_reply, usage
from frameweave.data.captions.spending import Spending, Tokens, estimated
from frameweave.data.captions.waiting import Gate, asked_wait, backoff
from frameweave.errors import InputError, RunError, require_extra

_OK = 200
_FORM_REFUSED = (400, 422)
_REJECTED = (400, 413, 422)
_PASSING = (0, 408, 409, 425, 429)  # and 500 and above
_FORM: dict[str, Any] = {
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "edits", "strict": True, "schema": SCHEMA},
    },
    "max_completion_tokens": 4096,
}


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How much is asked at once and again. Times in seconds."""

    concurrency: int = 8
    """Questions at once."""
    attempts: int = 5
    """Questions about one clip, at most."""
    timeout: float = 60.0
    """For one question and its whole reply."""
    first_wait: float = 1.0
    """Before the second attempt, when the endpoint does not say how long; then twice as long each time."""
    longest_wait: float = 600.0
    """For which an endpoint may ask."""


class NoAnswer(Exception):
    """A clip's captions got no answer at all; `reason` is no_answer or rejected."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@runtime_checkable
class Wire(Protocol):
    """What takes a question's JSON to the endpoint, and gives back whatever came of it."""

    async def post(self, body: dict[str, Any]) -> Received: ...

    async def close(self) -> None: ...


class Model:
    """For one event loop. Counts what it sends."""

    def __init__(self, endpoint: Endpoint, wire: Wire, patience: Patience, spending: Spending) -> None:
        self.name, self.requests, self.retried = endpoint.model, 0, 0
        self.patience = patience
        self._endpoint, self._wire, self._spending = endpoint, wire, spending
        self._slots, self._gate = asyncio.Semaphore(patience.concurrency), Gate()
        self._chance = random.Random()
        self._form_works = self._form_dropped = False

    @classmethod
    def connected(cls, endpoint: Endpoint, patience: Patience, spending: Spending) -> "Model":
        """Raises `MissingExtra` without the openai client."""
        require_extra("captions", "openai")
        from frameweave.data.captions.connection import Connection  # noqa: PLC0415 - an extra

        return cls(endpoint, Connection(endpoint, timeout=patience.timeout), patience, spending)

    async def answer(self, sources: Sequence[str], kinds: Sequence[Kind]) -> Answer:
        """Sound edits, or that the model refused or answered nonsense to the last.

        Raises `NoAnswer` when none came, `BudgetSpent`, `InputError` when the endpoint will not have
        the key or the model, `RunError` when it will not go on.
        """
        failure = NoAnswer("no_answer", "")
        nonsense = False
        for attempt in range(1, self.patience.attempts + 1):
            self.retried += attempt > 1
            received = await self._asked(sources, kinds)
            wait = asked_wait(received.headers)
            if received.status == _OK:
                self._gate.shut(min(wait, self.patience.longest_wait))
                try:
                    return self._read(received, sources, kinds)
                except Nonsense:
                    nonsense = True
                    continue
            if received.status in _REJECTED:
                raise NoAnswer("rejected", self._said(received))
            if received.status not in _PASSING and received.status < 500:
                self._stop(received)
            nonsense = received.trouble == "too_large"
            failure = NoAnswer("no_answer", self._said(received))
            if attempt < self.patience.attempts:
                await self._wait(received, wait, attempt)
        if nonsense:
            return Answer(failed="nonsense")
        raise failure

    async def close(self) -> None:
        await self._wire.close()

    async def _asked(self, sources: Sequence[str], kinds: Sequence[Kind]) -> Received:
        """In a form that the endpoint keeps the answer to; in plain words where it cannot."""
        plain: dict[str, Any] = {"model": self.name, "messages": messages(sources, kinds)}
        tokens = estimated(sources, kinds)
        async with self._slots:
            if self._form_dropped:
                return await self._sent(plain, tokens)
            received = await self._sent({**plain, **_FORM}, tokens)
            if received.status == _OK:
                self._form_works = True
            if received.status in _FORM_REFUSED and not self._form_works:
                self.retried += 1
                received = await self._sent(plain, tokens)
                self._form_dropped = self._form_dropped or received.status == _OK
            return received

    async def _sent(self, body: dict[str, Any], tokens: Tokens) -> Received:
        await self._gate.passed()
        with self._spending.promised(tokens):
            self.requests += 1
            received = await self._wire.post(body)
            if received.status == _OK:
                self._spending.pay(usage(received.body) or tokens)
        return received

    def _read(self, received: Received, sources: Sequence[str], kinds: Sequence[Kind]) -> Answer:
        reply = read_reply(received.body)
        if reply.refused:
            return Answer(failed="refused")
        edits = read_answer(reply.text, sources, kinds, model=self.name)
        harmless = tuple(edit for edit in edits if not self._shows_key(edit))
        if not harmless:
            raise Nonsense("the key")
        return Answer(edits=harmless)

    def _shows_key(self, edit: EditPrompt) -> bool:
        return any(self._endpoint.shows_key(text) for text in (edit.prompt, *edit.changed))

    async def _wait(self, received: Received, asked: float, attempt: int) -> None:
        """Raises `RunError` when the endpoint wants longer than there is patience, or has no more."""
        if complaint(received.body)[0] == "insufficient_quota":
            raise RunError(
                f"{self._endpoint.host}: the account has no quota left",
                hint="the same command goes on once there is some",
            )
        if asked > self.patience.longest_wait:
            raise RunError(
                f"{self._endpoint.host}: asks to wait for {asked:.0f} s",
                hint="the same command goes on after that time",
            )
        if asked:
            self._gate.shut(asked)
        else:
            await asyncio.sleep(backoff(attempt, first=self.patience.first_wait, chance=self._chance))

    def _stop(self, received: Received) -> NoReturn:
        host, status = self._endpoint.host, received.status
        if status in (401, 403):
            raise InputError(f"{host}: refuses the key ({self._said(received)})", hint=f"check {KEY}")
        if status == 404:
            raise InputError(
                f"{host}: has no model {self.name!r}, or no chat completions there ({self._said(received)})",
                hint=f"check {MODEL} and {BASE_URL}",
            )
        if 300 <= status < 400:
            raise InputError(
                f"{host}: sends on to another address ({status}), where the key is not taken",
                hint=f"give the right address in {BASE_URL}",
            )
        raise RunError(f"{host}: {self._said(received)}", hint="the same command goes on where it stopped")

    def _said(self, received: Received) -> str:
        """Status and the endpoint's own words, unless these show the key."""
        if not received.status:
            return received.trouble
        message = complaint(received.body)[1]
        shown = f"{received.status}, {message}" if message else str(received.status)
        return str(received.status) if self._endpoint.shows_key(message) else shown
