"""Clips in, edit prompts out, in the same order; a model is asked about several clips at once."""

from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future

from frameweave.data.captions.asker import Asker, Outcome
from frameweave.data.captions.edit_prompt import KINDS, ClipPrompts, Kind, sources_of
from frameweave.data.captions.rules import Rules
from frameweave.data.record import ClipRecord

_AHEAD = 4  # clips under way for each question at once, so that a slow one holds up none behind it


def by_rules(
    records: Iterable[ClipRecord], rules: Rules, *, kinds: Sequence[Kind] = KINDS
) -> Generator[ClipPrompts, None, None]:
    """What the rules make of each clip."""
    for record in records:
        yield _finished(record, None, rules, kinds)


def by_model(
    records: Iterable[ClipRecord], asker: Asker, rules: Rules, *, kinds: Sequence[Kind] = KINDS
) -> Generator[ClipPrompts, None, None]:
    """What a model makes of each clip; the rules make what it does not.

    Asking goes on in a thread of its own until the generator ends or is closed. Raises what
    `Asker.ask` raises. Memory does not grow with the number of clips.
    """
    from anyio.from_thread import start_blocking_portal  # noqa: PLC0415 - comes with the extra

    waiting: deque[tuple[ClipRecord, Future[Outcome] | None]] = deque()
    with start_blocking_portal() as portal:
        try:
            for record in records:
                sources = sources_of(record.captions)
                asked = portal.start_task_soon(asker.ask, sources, kinds) if sources else None
                waiting.append((record, asked))
                if len(waiting) >= _AHEAD * asker.model.patience.concurrency:
                    yield _next(waiting, rules, kinds)
            while waiting:
                yield _next(waiting, rules, kinds)
        finally:
            portal.call(asker.model.close)


def _next(
    waiting: deque[tuple[ClipRecord, Future[Outcome] | None]], rules: Rules, kinds: Sequence[Kind]
) -> ClipPrompts:
    record, asked = waiting.popleft()
    return _finished(record, asked.result() if asked is not None else None, rules, kinds)


def _finished(
    record: ClipRecord, outcome: Outcome | None, rules: Rules, kinds: Sequence[Kind]
) -> ClipPrompts:
    edits = outcome.edits if outcome is not None else ()
    made = {edit.kind for edit in edits}
    missing: list[Kind] = [kind for kind in kinds if kind not in made]
    every = (*edits, *rules.prompts(record.captions, clip=record.id, kinds=missing))
    return ClipPrompts(
        id=record.id,
        prompts=tuple(sorted(every, key=lambda edit: kinds.index(edit.kind))),
        fallback=outcome.fallback if outcome is not None else "" if every else "no_caption",
    )
