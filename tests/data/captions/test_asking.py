"""Nothing is paid for twice, and clip after clip without an answer ends the run."""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from caption_server import Asked, CaptionServer, Reaction, Script, completion, edits, failure, good
from frameweave.data.captions.asking import Asker, by_model
from frameweave.data.captions.cache import Answer, Cache
from frameweave.data.captions.edit_prompt import KINDS, RULES
from frameweave.data.captions.endpoint import Endpoint
from frameweave.data.captions.model import Model
from frameweave.data.captions.question import estimated
from frameweave.data.captions.rules import Rules
from frameweave.data.captions.spending import Spending
from frameweave.data.options import CaptionOptions
from frameweave.data.record import ClipRecord
from frameweave.errors import InputError, RunError

QUICK = CaptionOptions(attempts=2, timeout=5.0, concurrency=4)


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
        model = Model(endpoint, QUICK, Spending(most_tokens=most_tokens))
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
    assert all(outcome == outcomes[0] for outcome in outcomes)


@pytest.mark.parametrize(
    ("trouble", "reason"), [(completion(None, refusal="no"), "refused"), (completion("hm"), "nonsense")]
)
def test_what_a_model_would_not_do_is_kept_until_it_is_asked_again(
    tmp_path: Path, trouble: Any, reason: str
) -> None:
    outcomes, _, requests = ask(tmp_path, [trouble] * 9, ["a car"])
    assert outcomes == [Answer(failed=reason)]
    assert ask(tmp_path, (), ["a car"])[::2] == (outcomes, 0)
    outcomes, _, requests = ask(tmp_path, (), ["a car"], retry_failed=True)
    assert (len(outcomes[0].edits), requests) == (4, 1)
    assert ask(tmp_path, (), ["a car"])[2] == 0


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (failure(500), "no_answer"),
        (failure(400), "rejected"),
        (Reaction(200, b'{"error": "Unexpected endpoint or method"}'), "no_answer"),
        (Reaction(200, b"<html>"), "no_answer"),
        (Reaction(200, completion("{").body.replace(b'"stop"', b'"length"')), "cut"),
    ],
)
def test_what_was_not_answered_is_not_kept(tmp_path: Path, trouble: Any, reason: str) -> None:
    outcomes, _, _ = ask(tmp_path, [trouble] * 2, ["a car"])
    assert [outcome.failed for outcome in outcomes] == [reason]
    assert ask(tmp_path, (), ["a car"])[2] == 1


def test_an_endpoint_that_never_answers_ends_the_run(tmp_path: Path) -> None:
    outcomes, _, _ = ask(tmp_path, lambda _: failure(503, "under repair"), [f"a car {n}" for n in range(6)])
    assert outcomes.count(Answer(failed="no_answer", detail="503, under repair")) == 4
    ended = [outcome for outcome in outcomes if isinstance(outcome, RunError)]
    assert len(ended) == 2
    assert "5 clips in a row got no answer, the last one for: 503, under repair" in str(ended[0])


def test_a_wrong_path_on_a_server_that_answers_everything_ends_the_run(tmp_path: Path) -> None:
    """Its words are shown, nothing is kept or paid, and the same cache goes on with the right path."""
    wrong = Reaction(200, b'{"error": "Unexpected endpoint or method. (POST /chat/completions)"}')
    names = [f"a car {n}" for n in range(6)]
    outcomes, asker, _ = ask(tmp_path, lambda _: wrong, names)
    ended = [outcome for outcome in outcomes if isinstance(outcome, RunError)]
    assert "Unexpected endpoint or method" in str(ended[0]) and "check OPENAI_BASE_URL" in str(ended[0])
    assert asker.model.requests > 0
    assert ask(tmp_path, (), names)[2] == 6


def test_nobody_who_waits_is_asked_about_once_the_run_has_ended(tmp_path: Path) -> None:
    """Cut answers are paid for: five are enough, and those that were under way with the fifth."""
    short = Reaction(200, completion("{").body.replace(b'"stop"', b'"length"'))
    outcomes, _, requests = ask(tmp_path, lambda _: short, [f"a car {n}" for n in range(40)])
    assert sum(isinstance(outcome, RunError) for outcome in outcomes) == 36
    assert requests <= 5 + QUICK.concurrency


def test_single_clips_without_an_answer_do_not(tmp_path: Path) -> None:
    def picky(asked: Any) -> Any:
        return failure(500) if int(asked.captions[0].split()[-1]) % 3 else good(asked)

    with CaptionServer(picky).running() as server:
        model = Model(Endpoint.from_environment(server.environment), QUICK, Spending())
        asker = Asker(model, Cache(tmp_path))

        async def in_turn() -> list[Answer]:
            try:
                return [await asker.ask([f"a car {number}"], KINDS) for number in range(12)]
            finally:
                await model.close()

        outcomes = asyncio.run(in_turn())
    assert [outcome.failed for outcome in outcomes] == ["", "no_answer", "no_answer"] * 4


def test_a_spent_budget_leaves_the_cache(tmp_path: Path) -> None:
    ask(tmp_path, (), ["a car"])
    outcomes, _, requests = ask(tmp_path, (), ["a bus", "a car"], most_tokens=0)
    assert requests == 0
    assert outcomes[0] == Answer(failed="budget")
    assert len(outcomes[1].edits) == 4


def test_a_budget_that_is_spent_is_spent_for_shorter_questions_too(tmp_path: Path) -> None:
    outcomes, _, requests = ask(
        tmp_path, (), ["a car " * 40, "a bus"], most_tokens=estimated(["a bus"], KINDS).total
    )
    assert outcomes == [Answer(failed="budget")] * 2
    assert requests == 0


def clips(count: int) -> list[ClipRecord]:
    return [
        ClipRecord(id=f"v{n}", path="x", captions=(f"a red car {n}", "a man sings")) for n in range(count)
    ]


@pytest.fixture
def server() -> Iterator[CaptionServer]:
    with CaptionServer().running() as running:
        yield running


def asker(server: CaptionServer, folder: Path) -> Asker:
    return Asker(Model(Endpoint.from_environment(server.environment), QUICK, Spending()), Cache(folder))


def test_the_order_is_the_sources_however_long_answers_take(server: CaptionServer, tmp_path: Path) -> None:
    server.script = lambda asked: replace(
        good(asked), delay=0.2 if asked.captions[0].endswith(("0", "5")) else 0
    )
    made = list(by_model(clips(40), asker(server, tmp_path), Rules()))
    assert [clip.id for clip in made] == [f"v{n}" for n in range(40)]
    assert all(clip.prompts[0].prompt == f"a red car {n} with a robot" for n, clip in enumerate(made))
    assert [asked.captions[1] for asked in server.asked] == ["a man sings"] * 40


def test_the_rules_fill_what_is_missing(server: CaptionServer, tmp_path: Path) -> None:
    def half(asked: Asked) -> Reaction:
        return completion(json.dumps({"edits": edits(asked)["edits"][::2]}))

    server.script = half
    [clip] = by_model(clips(1), asker(server, tmp_path), Rules())
    assert [edit.kind for edit in clip.prompts] == list(KINDS)
    assert [edit.by == RULES for edit in clip.prompts] == [False, True, False, True]
    assert clip.fallback == ""


def test_what_is_refused_is_made_by_the_rules_and_says_so(server: CaptionServer, tmp_path: Path) -> None:
    def picky(asked: Asked) -> Reaction:
        return completion(None, refusal="no") if asked.captions[0].endswith("1") else good(asked)

    server.script = picky
    records = [*clips(3), ClipRecord(id="mute", path="x")]
    made = list(by_model(records, asker(server, tmp_path), Rules()))
    assert [clip.fallback for clip in made] == ["", "refused", "", "no_caption"]
    assert made[1].prompts == Rules().prompts(records[1].captions, clip="v1")


def test_only_so_many_clips_are_read_ahead(server: CaptionServer, tmp_path: Path) -> None:
    read = 0

    def counted() -> Iterator[ClipRecord]:
        nonlocal read
        for record in clips(200):
            read += 1
            yield record

    with closing(by_model(counted(), asker(server, tmp_path), Rules())) as made:
        next(made)
        assert read == 16
    assert len(server.asked) < 200


def test_an_error_ends_at_once(server: CaptionServer, tmp_path: Path) -> None:
    server.script = lambda asked: (
        failure(401) if asked.captions[0].endswith("0") else replace(good(asked), delay=15)
    )
    start = time.monotonic()
    with pytest.raises(InputError, match="refuses the key"):
        list(by_model(clips(2), asker(server, tmp_path), Rules()))
    assert time.monotonic() - start < 14


def test_it_works_where_a_loop_is_running_already(server: CaptionServer, tmp_path: Path) -> None:
    """As in a notebook."""

    async def cell() -> int:
        return len(list(by_model(clips(3), asker(server, tmp_path), Rules())))

    assert asyncio.run(cell()) == 3
