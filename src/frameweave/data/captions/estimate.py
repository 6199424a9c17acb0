"""What asking about a source's captions will take, before anything is sent."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from frameweave.data.captions.cache import Cache
from frameweave.data.captions.edit_prompt import Kind, sources_of
from frameweave.data.captions.question import estimated, key_of_question
from frameweave.data.captions.spending import Prices, Tokens
from frameweave.data.record import ClipRecord, Skipped


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a run will do. Clips with the same captions are asked about once, and counted here each."""

    clips: int = 0
    skipped: int = 0
    """Clips that the source passes over."""
    questions: int = 0
    """Clips to ask about."""
    cached: int = 0
    """Clips whose answer is kept."""
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = None
    """None where prices are unknown."""

    @property
    def text(self) -> str:
        """For a person."""
        cost = "" if self.cost is None else f", {self.cost:.2f} at the prices given"
        return (
            f"{self.questions} of {self.clips} clips to ask about, {self.cached} answered before; "
            f"about {self.tokens_in} tokens in and {self.tokens_out} out{cost}"
        )


def estimate(
    records: Iterable[ClipRecord | Skipped],
    kinds: Sequence[Kind],
    cache: Cache | None,
    *,
    model: str = "",
    retry_failed: bool = False,
    prices: Prices | None = None,
) -> Estimate:
    """Without a cache, by rules, nothing is asked. `retry_failed` counts kept failures as still to ask."""
    clips = skipped = questions = cached = 0
    tokens = Tokens()
    for record in records:
        if isinstance(record, Skipped):
            skipped += 1
            continue
        clips += 1
        sources = sources_of(record.captions)
        if cache is None or not sources:
            continue
        if cache.get(key_of_question(model, sources, kinds), retry_failed=retry_failed):
            cached += 1
        else:
            questions += 1
            tokens += estimated(sources, kinds)
    return Estimate(
        clips=clips,
        skipped=skipped,
        questions=questions,
        cached=cached,
        tokens_in=tokens.read,
        tokens_out=tokens.written,
        cost=None if prices is None else prices.of(tokens),
    )
