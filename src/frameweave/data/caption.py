"""Captions to edit prompts. What was answered is kept, so the same command goes on."""

import os
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from frameweave.data.captions.cache import Cache
from frameweave.data.captions.edit_prompt import RULES, ClipPrompts, sources_of
from frameweave.data.captions.endpoint import MODEL, Endpoint
from frameweave.data.captions.estimate import Estimate, estimate
from frameweave.data.captions.prompts_file import FILE, read_prompts, write_prompts
from frameweave.data.captions.question import key_of_question
from frameweave.data.captions.rules import Rules
from frameweave.data.captions.spending import Prices, Spending
from frameweave.data.captions.vocabulary import VOCABULARIES
from frameweave.data.options import CaptionOptions
from frameweave.data.record import ClipRecord, Skipped
from frameweave.errors import DataError, RunError, require_extra
from frameweave.progress import SILENT, Progress
from frameweave.runs.cache_folder import cache_folder


@dataclass(frozen=True, kw_only=True)
class CaptionSummary:
    """What a run did; with `dry_run` only the estimate says something."""

    estimate: Estimate
    path: Path | None = None
    """The prompts."""
    clips: int = 0
    prompts: int = 0
    by_model: int = 0
    """Prompts."""
    by_rules: int = 0
    """Prompts."""
    fallbacks: dict[str, int] = field(default_factory=dict[str, int])
    """Clips by the reason why a model was asked for and the rules answered."""
    cached: int = 0
    """Clips whose answer was kept."""
    requests: int = 0
    retried: int = 0
    """Requests that repeated an earlier one."""
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = None
    """None where prices are unknown."""

    @property
    def refused(self) -> int:
        """Clips that the model would not write about."""
        return self.fallbacks.get("refused", 0)


def caption(
    records: Iterable[ClipRecord | Skipped], options: CaptionOptions, *, progress: Progress = SILENT
) -> CaptionSummary:
    """Write the edit prompts of all clips to `options.out`, by a model or by rules.

    The source is read twice, to estimate and to work. Prompts that are there and are what this call would
    write, from answers that are kept, stay. Raises `DataError` for a source without clips, `InputError` for
    settings that make no sense and for an endpoint that will not have key or model, `MissingExtra` without
    the openai client, `RunError` when the folder has other prompts or the endpoint fails for good.
    """
    if not (options.rules or options.dry_run):
        require_extra("captions", "openai", otherwise="--rules makes the prompts without it")
    records = tuple(records) if isinstance(records, Iterator) else records
    if next(_clips(records), None) is None:
        raise DataError("the source has no clip that can be used", hint="give a source with captions")
    path = options.out / FILE
    cache = None if options.rules else Cache(options.cache or cache_folder() / "captions")
    rules = Rules(VOCABULARIES[options.vocabulary], options.seed)
    if path.exists() and not (options.overwrite or options.dry_run):
        return _earlier(path, records, cache, rules, options)
    endpoint = (
        None if options.rules or options.dry_run else Endpoint.from_environment(allow_http=options.allow_http)
    )
    planned = estimate(
        records,
        options.kinds,
        cache,
        model=os.environ.get(MODEL, ""),
        retry_failed=options.retry_failed,
        prices=_prices(options),
    )
    if options.dry_run:
        return CaptionSummary(estimate=planned)
    summary = CaptionSummary(estimate=planned, path=path)
    if cache is None or endpoint is None:
        made = (rules.completed(record, kinds=options.kinds) for record in _clips(records))
        return _written(made, summary, progress)
    cache.make_ready()
    progress.note(planned.text)
    from frameweave.data.captions.asking import Asker, by_model  # noqa: PLC0415 - an extra
    from frameweave.data.captions.model import Model  # noqa: PLC0415

    spending = Spending(prices=_prices(options), most_tokens=options.max_tokens, most_cost=options.max_cost)
    model = Model(endpoint, options, spending)
    asker = Asker(model, cache, retry_failed=options.retry_failed)
    made = by_model(_clips(records), asker, rules, kinds=options.kinds)
    return replace(
        _written(made, summary, progress),
        cached=asker.cached,
        requests=model.requests,
        retried=model.retried,
        tokens_in=spending.spent.read,
        tokens_out=spending.spent.written,
        cost=spending.cost,
    )


def _earlier(
    path: Path,
    records: Iterable[ClipRecord | Skipped],
    cache: Cache | None,
    rules: Rules,
    options: CaptionOptions,
) -> CaptionSummary:
    """What an earlier run wrote, when it is what this one would write. Else raises `RunError`."""
    count = _Counts()
    answered = 0
    there = read_prompts(path)
    for record in _clips(records):
        answer, sources = None, sources_of(record.captions)
        if cache is not None and sources:
            key = key_of_question(os.environ.get(MODEL, ""), sources, options.kinds)
            answer = cache.get(key, retry_failed=options.retry_failed)
            answered += answer is not None
        asked = cache is None or answer is not None or not sources
        made = rules.completed(record, answer, kinds=options.kinds)
        if not asked or made != next(there, None):
            break
        count.add(made)
    else:
        if next(there, None) is None:
            return count.told(
                CaptionSummary(estimate=Estimate(clips=count.clips), path=path, cached=answered)
            )
    raise RunError(
        f"{path}: is there already, with other prompts than these, or with clips still to ask about",
        hint="give another --out, or --overwrite; kept answers are not paid for again",
    )


@dataclass
class _Counts:
    clips: int = 0
    by: Counter[str] = field(default_factory=Counter[str])
    fallbacks: Counter[str] = field(default_factory=Counter[str])

    def add(self, clip: ClipPrompts) -> None:
        self.clips += 1
        self.by.update("rules" if edit.by == RULES else "model" for edit in clip.prompts)
        self.fallbacks.update(filter(None, (clip.fallback,)))

    def told(self, summary: CaptionSummary) -> CaptionSummary:
        """The summary with what was counted."""
        return replace(
            summary,
            clips=self.clips,
            prompts=self.by.total(),
            by_model=self.by["model"],
            by_rules=self.by["rules"],
            fallbacks=dict(sorted(self.fallbacks.items())),
        )


def _written(
    made: Generator[ClipPrompts, None, None], summary: CaptionSummary, progress: Progress
) -> CaptionSummary:
    """Write the prompts and count them."""
    count = _Counts()

    def counted() -> Iterator[ClipPrompts]:
        for clip in progress.track(made, "captions", summary.estimate.clips):
            count.add(clip)
            yield clip

    assert summary.path is not None
    with closing(made):
        write_prompts(summary.path, counted())
    return count.told(summary)


def _clips(records: Iterable[ClipRecord | Skipped]) -> Iterator[ClipRecord]:
    return (record for record in records if isinstance(record, ClipRecord))


def _prices(options: CaptionOptions) -> Prices | None:
    if options.price_in is None or options.price_out is None:
        return None
    return Prices(read=options.price_in, written=options.price_out)
