"""Asking a model about clip after clip: several at once, none paid for twice, in the source's order."""

import asyncio
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future
from weakref import WeakValueDictionary

from anyio.from_thread import start_blocking_portal

from frameweave.data.captions.cache import Answer, Cache
from frameweave.data.captions.edit_prompt import KINDS, ClipPrompts, Kind, sources_of
from frameweave.data.captions.endpoint import BASE_URL
from frameweave.data.captions.model import Model
from frameweave.data.captions.question import key_of_question
from frameweave.data.captions.rules import Rules
from frameweave.data.captions.spending import BudgetSpent
from frameweave.data.record import ClipRecord
from frameweave.errors import RunError

_AHEAD = 4  # clips under way for each question at once, so that a slow one holds up none behind it
_GIVE_UP = 5  # clips in a row without an answer


class Asker:
    """For one event loop. Counts what the cache gave."""

    def __init__(self, model: Model, cache: Cache, *, retry_failed: bool = False) -> None:
        """With `retry_failed`, a kept refusal or nonsense is asked about again."""
        self.model, self.cached = model, 0
        self._cache, self._retry_failed = cache, retry_failed
        self._asked: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._unanswered = 0
        self._spent = False

    async def ask(self, sources: Sequence[str], kinds: Sequence[Kind]) -> Answer:
        """From the cache or from the model. Once the budget is spent, from the cache only.

        Raises `RunError` when clip after clip gets no answer, and what `Model.answer` raises.
        """
        key = key_of_question(self.model.name, sources, kinds)
        lock = self._asked.setdefault(key, asyncio.Lock())
        async with lock:  # clips with the same captions wait for the first of them
            if kept := self._cache.get(key, retry_failed=self._retry_failed):
                self.cached += 1
                return kept
            if self._spent:
                return Answer(failed="budget")
            try:
                answer = await self.model.answer(sources, kinds)
            except BudgetSpent:
                self._spent = True
                return Answer(failed="budget")
            self._unanswered = 0 if answer.lasting else self._unanswered + 1
            if answer.lasting:
                self._cache.put(key, answer)
            elif self._unanswered >= _GIVE_UP:
                self.model.ended = RunError(
                    f"{_GIVE_UP} clips in a row got no answer, the last one for: {answer.detail}",
                    hint=f"check {BASE_URL}; answers are kept, and the same command goes on",
                )
                raise self.model.ended
            return answer


def by_model(
    records: Iterable[ClipRecord], asker: Asker, rules: Rules, *, kinds: Sequence[Kind] = KINDS
) -> Generator[ClipPrompts, None, None]:
    """What a model makes of each clip; the rules make what it does not.

    Asking goes on in a thread of its own until the generator ends or is closed. Raises what
    `Asker.ask` raises. Memory does not grow with the number of clips.
    """
    waiting: deque[tuple[ClipRecord, Future[Answer] | None]] = deque()

    def first() -> ClipPrompts:
        record, asked = waiting.popleft()
        return rules.completed(record, None if asked is None else asked.result(), kinds)

    with start_blocking_portal() as portal:
        try:
            for record in records:
                sources = sources_of(record.captions)
                asked = portal.start_task_soon(asker.ask, sources, kinds) if sources else None
                waiting.append((record, asked))
                if len(waiting) >= _AHEAD * asker.model.concurrency:
                    yield first()
            while waiting:
                yield first()
        finally:
            portal.call(asker.model.close)
