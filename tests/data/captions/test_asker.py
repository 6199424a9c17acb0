"""Nothing is paid for twice, and clip after clip without an answer ends the run."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from caption_server import CaptionServer, Script, completion, failure, good
from frameweave.data.captions.asker import Asker, Outcome
from frameweave.data.captions.cache import Cache
from frameweave.data.captions.edit_prompt import KINDS
from frameweave.data.captions.endpoint import Endpoint
from frameweave.data.captions.model import Model, Patience
from frameweave.data.captions.spending import Spending, estimated
from frameweave.errors import RunError

QUICK = Patience(first_wait=0.01, attempts=2, timeout=5.0)


def ask(
    folder: Path,
    script: Script,
    clips: Sequence[str],
    *,
    most_tokens: int | None = None,
    retry_failed: bool = False,
) -> tuple[list[Any], Asker, int]:
    """Outcomes by clip, in order of asking; what was counted; how many requests there were."""

    async def asking(asker: Asker) -> list[Any]:
        try:
            return await asyncio.gather(*(asker.ask([clip], KINDS) for clip in clips), return_exceptions=True)
        finally:
            await asker.model.close()

    with CaptionServer(script).running() as server:
        endpoint = Endpoint.from_environment(server.environment)
        model = Model.connected(endpoint, QUICK, Spending(most_tokens=most_tokens))
        asker = Asker(model, Cache(folder), retry_failed=retry_failed)
        return asyncio.run(asking(asker)), asker, len(server.asked)


def test_kept_answers_are_not_asked_for_again(tmp_path: Path) -> None:
    first, _, requests = ask(tmp_path, (), ["a car", "a bus"])
    assert requests == 2
    again, asker, requests = ask(tmp_path, (), ["a car", "a bus"])
    assert (requests, asker.cached) == (0, 2)
    assert again == first
    assert len(first[0].edits) == 4


def test_the_same_captions_are_asked_about_once_also_at_the_same_time(tmp_path: Path) -> None:
    slow = lambda asked: replace(good(asked), delay=0.2)  # noqa: E731
    outcomes, asker, requests = ask(tmp_path, slow, ["a car"] * 5)
    assert (requests, asker.cached) == (1, 4)
    assert len(set(outcomes)) == 1


@pytest.mark.parametrize(
    ("trouble", "reason"), [(completion(None, refusal="no"), "refused"), (completion("hm"), "nonsense")]
)
def test_what_a_model_would_not_do_is_kept_until_it_is_asked_again(
    tmp_path: Path, trouble: Any, reason: str
) -> None:
    outcomes, _, requests = ask(tmp_path, [trouble] * 9, ["a car"])
    assert outcomes == [Outcome(fallback=reason)]
    assert ask(tmp_path, (), ["a car"])[::2] == (outcomes, 0)
    outcomes, _, requests = ask(tmp_path, (), ["a car"], retry_failed=True)
    assert (len(outcomes[0].edits), requests) == (4, 1)
    assert ask(tmp_path, (), ["a car"])[2] == 0


@pytest.mark.parametrize(("trouble", "reason"), [(failure(500), "no_answer"), (failure(400), "rejected")])
def test_what_was_not_answered_is_not_kept(tmp_path: Path, trouble: Any, reason: str) -> None:
    outcomes, _, _ = ask(tmp_path, [trouble] * 2, ["a car"])
    assert outcomes == [Outcome(fallback=reason)]
    assert ask(tmp_path, (), ["a car"])[2] == 1


def test_an_endpoint_that_never_answers_ends_the_run(tmp_path: Path) -> None:
    outcomes, _, _ = ask(tmp_path, lambda _: failure(503, "under repair"), [f"a car {n}" for n in range(6)])
    assert outcomes.count(Outcome(fallback="no_answer")) == 4
    ended = [outcome for outcome in outcomes if isinstance(outcome, RunError)]
    assert len(ended) == 2
    assert "5 clips in a row got no answer, the last one for: 503, under repair" in str(ended[0])


def test_single_clips_without_an_answer_do_not(tmp_path: Path) -> None:
    def picky(asked: Any) -> Any:
        return failure(500) if int(asked.captions[0].split()[-1]) % 3 else good(asked)

    with CaptionServer(picky).running() as server:
        model = Model.connected(Endpoint.from_environment(server.environment), QUICK, Spending())
        asker = Asker(model, Cache(tmp_path))

        async def in_turn() -> list[Outcome]:
            try:
                return [await asker.ask([f"a car {number}"], KINDS) for number in range(12)]
            finally:
                await model.close()

        outcomes = asyncio.run(in_turn())
    assert [outcome.fallback for outcome in outcomes] == ["", "no_answer", "no_answer"] * 4


def test_a_spent_budget_leaves_the_cache(tmp_path: Path) -> None:
    ask(tmp_path, (), ["a car"])
    outcomes, _, requests = ask(tmp_path, (), ["a bus", "a car"], most_tokens=0)
    assert requests == 0
    assert outcomes[0] == Outcome(fallback="budget")
    assert len(outcomes[1].edits) == 4


def test_a_budget_that_is_spent_is_spent_for_shorter_questions_too(tmp_path: Path) -> None:
    outcomes, _, requests = ask(
        tmp_path, (), ["a car " * 40, "a bus"], most_tokens=estimated(["a bus"], KINDS).total
    )
    assert outcomes == [Outcome(fallback="budget")] * 2
    assert requests == 0
