"""Asking a model so that nothing is paid for twice, and saying why where the rules must answer."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakValueDictionary

from frameweave.data.captions.asking import key_of_question
from frameweave.data.captions.cache import Answer, Cache
from frameweave.data.captions.edit_prompt import EditPrompt, Kind
from frameweave.data.captions.model import Model, NoAnswer
from frameweave.data.captions.spending import BudgetSpent
from frameweave.errors import RunError

_GIVE_UP = 5  # clips in a row without an answer


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A model's edits, or the reason why there are none."""

    edits: tuple[EditPrompt, ...] = ()
    fallback: str = ""


class Asker:
    """For one event loop. Counts what the cache gave."""

    def __init__(self, model: Model, cache: Cache, *, retry_failed: bool = False) -> None:
        """With `retry_failed`, a kept refusal or nonsense is asked about again."""
        self.model, self.cached = model, 0
        self._cache, self._retry_failed = cache, retry_failed
        self._asked: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._unanswered = 0
        self._spent = False

    async def ask(self, sources: Sequence[str], kinds: Sequence[Kind]) -> Outcome:
        """From the cache or from the model. Once the budget is spent, from the cache only.

        Raises `RunError` when clip after clip gets no answer, and what `Model.answer` raises.
        """
        key = key_of_question(self.model.name, sources, kinds)
        lock = self._asked.setdefault(key, asyncio.Lock())
        async with lock:  # clips with the same captions wait for the first of them
            kept = self._cache.settled(key, retry_failed=self._retry_failed)
            if kept is not None:
                self.cached += 1
                return Outcome(edits=kept.edits, fallback=kept.failed)
            try:
                answer = await self._new_answer(sources, kinds)
            except BudgetSpent:
                self._spent = True
                return Outcome(fallback="budget")
            except NoAnswer as error:
                return Outcome(fallback=self._counted(error))
            self._cache.put(key, answer)
            return Outcome(edits=answer.edits, fallback=answer.failed)

    async def _new_answer(self, sources: Sequence[str], kinds: Sequence[Kind]) -> Answer:
        if self._spent:
            raise BudgetSpent
        answer = await self.model.answer(sources, kinds)
        self._unanswered = 0
        return answer

    def _counted(self, error: NoAnswer) -> str:
        self._unanswered += 1
        if self._unanswered >= _GIVE_UP:
            raise RunError(
                f"{_GIVE_UP} clips in a row got no answer, the last one for: {error}",
                hint="what was answered is kept; the same command goes on from there",
            ) from None
        return error.reason
