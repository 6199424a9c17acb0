"""What is told before anything is sent."""

from pathlib import Path

import pytest

from frameweave.data.captions.cache import Answer, Cache
from frameweave.data.captions.edit_prompt import KINDS
from frameweave.data.captions.estimate import estimate
from frameweave.data.captions.question import estimated, key_of_question
from frameweave.data.captions.spending import Prices
from frameweave.data.record import ClipRecord, Skipped

RECORDS = [
    ClipRecord(id="a", path="x", captions=("a car",)),
    Skipped(id="b", reason="missing"),
    ClipRecord(id="c", path="x", captions=("a bus", "a red bus")),
    ClipRecord(id="d", path="x"),
    ClipRecord(id="e", path="x", captions=("a car",)),
]


def test_rules_ask_nothing() -> None:
    found = estimate(RECORDS, KINDS, None)
    assert (found.clips, found.skipped, found.questions, found.tokens_in) == (4, 1, 0, 0)


def test_questions_tokens_and_cost(tmp_path: Path) -> None:
    prices = Prices(read=3.0, written=5.0)
    found = estimate(RECORDS, KINDS, Cache(tmp_path), model="m", prices=prices)
    car, bus = estimated(["a car"], KINDS), estimated(["a bus", "a red bus"], KINDS)
    assert (found.clips, found.skipped, found.questions, found.cached) == (4, 1, 3, 0)
    assert (found.tokens_in, found.tokens_out) == (2 * car.read + bus.read, 2 * car.written + bus.written)
    assert found.cost == pytest.approx((found.tokens_in * 3 + found.tokens_out * 5) / 1e6)
    assert "3 of 4 clips to ask about" in found.text
    assert "prices" not in estimate(RECORDS, KINDS, Cache(tmp_path), model="m").text


def test_kept_answers_cost_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put(key_of_question("m", ["a car"], KINDS), Answer(failed="refused"))
    found = estimate(RECORDS, KINDS, cache, model="m")
    assert (found.questions, found.cached) == (1, 2)
    again = estimate(RECORDS, KINDS, cache, model="m", retry_failed=True)
    assert (again.questions, again.cached) == (3, 0)
    other = estimate(RECORDS, KINDS, cache, model="another")
    assert other.questions == 3
