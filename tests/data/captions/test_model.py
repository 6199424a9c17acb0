"""A model behind a real server on this machine that misbehaves in every way we know of."""

import asyncio
import gzip
import json
import socket
import traceback
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from caption_server import KEY, Asked, CaptionServer, Reaction, Script, completion, edits, failure, good
from frameweave.data.captions.cache import Answer
from frameweave.data.captions.edit_prompt import KINDS
from frameweave.data.captions.endpoint import Endpoint
from frameweave.data.captions.model import REPLY_LIMIT, Model
from frameweave.data.captions.spending import BudgetSpent, Spending, Tokens
from frameweave.data.options import CaptionOptions
from frameweave.errors import InputError, RunError

QUICK = CaptionOptions(attempts=4, timeout=5.0)


class Run:
    """A model asked about some clips at once, and what came of it."""

    def __init__(
        self,
        script: Script,
        *,
        options: CaptionOptions = QUICK,
        spending: Spending | None = None,
        clips: Sequence[str] = ("a red car",),
    ) -> None:
        self.spending = spending or Spending()
        with CaptionServer(script).running() as server:
            endpoint = Endpoint.from_environment(server.environment)
            self.model = Model(endpoint, options, self.spending)
            self.outcomes: list[Any] = asyncio.run(self._all(clips))
        self.asked = server.asked

    async def _all(self, clips: Sequence[str]) -> list[Any]:
        try:
            return await asyncio.gather(
                *(self.model.answer([clip], KINDS) for clip in clips), return_exceptions=True
            )
        finally:
            await self.model.close()

    @property
    def outcome(self) -> Any:
        return self.outcomes[0]

    @property
    def kinds(self) -> list[str]:
        assert isinstance(self.outcome, Answer), self.outcome
        return [edit.kind for edit in self.outcome.edits]


def test_a_good_answer() -> None:
    run = Run([])
    assert run.kinds == list(KINDS)
    assert run.outcome.edits[3].prompt == "a red car as a mosaic"
    assert (run.model.requests, run.model.retried, run.spending.spent) == (1, 0, Tokens(read=100, written=20))
    [asked] = run.asked
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.body["model"] == "test-model"
    assert asked.body["response_format"]["json_schema"]["strict"] is True
    assert asked.captions == ["a red car"]


@pytest.mark.parametrize("seconds", ["0.4", "1"])
def test_the_wait_that_is_asked_for_is_kept(seconds: str) -> None:
    run = Run([failure(429, retry_after=seconds)])
    assert run.kinds == list(KINDS)
    assert run.model.retried == 1
    assert float(seconds) <= run.asked[1].time - run.asked[0].time < float(seconds) + 5


def test_a_wait_holds_every_question_back() -> None:
    """Four clips, two at once: nobody asks while the first is told to wait."""
    slow = replace(completion(None, refusal="no"), delay=0.3)
    run = Run(
        [failure(429, retry_after="0.8"), slow],
        options=QUICK.replaced(concurrency=2),
        clips=[f"a car {n}" for n in "abcd"],
    )
    assert [outcome.failed for outcome in run.outcomes].count("") == 3
    first, second, *later = [asked.time for asked in run.asked]
    assert second - first < 0.8
    assert len(later) == 3
    assert all(time - first >= 0.8 for time in later)


def test_a_limit_that_is_used_up_holds_the_next_question_back() -> None:
    last = replace(
        completion(None, refusal="no"),
        headers={"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "500ms"},
    )
    run = Run([last], options=QUICK.replaced(concurrency=1), clips=["a car", "a bus"])
    assert run.asked[1].time - run.asked[0].time >= 0.5


@pytest.mark.parametrize(
    "trouble",
    [
        failure(500),
        failure(503),
        failure(408),
        failure(409),
        failure(429),
        Reaction(502, b"<html>\xff bad gateway"),
        Reaction(200, good_body := completion("{}").body, cut=len(good_body) // 2),
        Reaction(200, b""),
        Reaction(200, b"null"),
        Reaction(200, b"data: {}\n\n"),
        Reaction(200, completion("").body),
        completion("I am happy to help!"),
        completion('{"edits": [{"caption": 1}]}'),
        completion('{"prompts": []}'),
        completion("x" * 500_000),
        Reaction(200, b"x" * 3_000_000),
        Reaction(500, b"x" * 3_000_000),
        Reaction(200, gzip.compress(b"0" * 10_000_000), headers={"Content-Encoding": "gzip"}),
    ],
    ids=lambda reaction: f"{reaction.status}-{len(reaction.body)}",
)
def test_trouble_that_passes(trouble: Reaction) -> None:
    run = Run([trouble, trouble])
    assert run.kinds == list(KINDS)
    assert (run.model.requests, run.model.retried) == (3, 2)


def test_a_server_that_hangs() -> None:
    run = Run([Reaction(delay=1.0)], options=QUICK.replaced(timeout=0.3))
    assert run.kinds == list(KINDS)
    assert 0.2 <= run.asked[1].time - run.asked[0].time < 1.0  # the server hears of each a little later


def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

    async def asking() -> Answer:
        endpoint = Endpoint(base_url=f"http://127.0.0.1:{port}/v1", model="m", key=KEY)
        model = Model(endpoint, QUICK, Spending())
        try:
            return await model.answer(["a car"], KINDS)
        finally:
            await model.close()

    assert asyncio.run(asking()) == Answer(failed="no_answer", detail="broken")


def test_attempts_end() -> None:
    run = Run([failure(500, "out of order")] * 9)
    assert run.outcome == Answer(failed="no_answer", detail="500, out of order")
    assert len(run.asked) == 4
    assert run.spending.spent == Tokens()


def test_nonsense_to_the_last_is_an_answer_that_was_paid_for() -> None:
    run = Run([completion("well, ...")] * 9)
    assert run.outcome == Answer(failed="nonsense")
    assert run.spending.spent == Tokens(read=400, written=80)
    assert Run([Reaction(200, b"x" * 2_000_000)] * 9).outcome == Answer(failed="nonsense")


def test_an_answer_that_does_not_say_what_it_took_is_counted_as_estimated() -> None:
    run = Run(lambda asked: completion(json.dumps(edits(asked)), usage=None))
    assert run.spending.spent.read > 100


def test_a_refusal_is_not_argued_with() -> None:
    run = Run([completion(None, refusal="I cannot do that")])
    assert run.outcome == Answer(failed="refused")
    assert len(run.asked) == 1


def test_an_endpoint_that_knows_no_forms() -> None:
    def plain_only(asked: Asked) -> Reaction:
        return failure(400, "unknown field") if "response_format" in asked.body else good(asked)

    run = Run(plain_only, options=QUICK.replaced(concurrency=1), clips=["a car", "a bus", "a van"])
    assert all(isinstance(outcome, Answer) for outcome in run.outcomes)
    plain = {"model", "messages"}
    formed = plain | {"response_format", "max_completion_tokens", "stream"}
    assert [set(asked.body) for asked in run.asked] == [formed, plain, plain, plain]


def test_captions_that_are_rejected() -> None:
    """A second try without the form, once; an endpoint that took the form before is not asked again."""
    run = Run(lambda asked: failure(400, "not these words"))
    assert run.outcome == Answer(failed="rejected", detail="400, not these words")
    assert len(run.asked) == 2

    def picky(asked: Asked) -> Reaction:
        return failure(422) if asked.captions == ["a bus"] else good(asked)

    run = Run(picky, options=QUICK.replaced(concurrency=1), clips=["a car", "a bus", "a van"])
    assert [outcome.failed for outcome in run.outcomes] == ["", "rejected", ""]
    assert len(run.asked) == 3


@pytest.mark.parametrize(
    ("trouble", "kind", "message"),
    [
        (
            failure(401, f"wrong key {KEY}"),
            InputError,
            r"127.0.0.1: refuses the key \(401\); check OPENAI_API_KEY",
        ),
        (failure(401, "wrong key sk-...89"), InputError, r"\(401, wrong key sk-...89\)"),
        (failure(403, "not you"), InputError, "refuses the key"),
        (failure(404, "no such model"), InputError, "has no model 'test-model'.*FRAMEWEAVE_CAPTION_MODEL"),
        (
            failure(302, location="http://127.0.0.1:9/"),
            InputError,
            "sends on to another address.*OPENAI_BASE_URL",
        ),
        (failure(429, code="insufficient_quota"), RunError, "no quota left"),
        (failure(429, retry_after="86400"), RunError, "asks to wait for 86400 s"),
        (failure(418), RunError, "127.0.0.1: 418"),
    ],
    ids=["key", "masked", "forbidden", "model", "redirect", "quota", "patience", "teapot"],
)
def test_what_no_waiting_helps(trouble: Reaction, kind: type[Exception], message: str) -> None:
    run = Run([trouble] * 9)
    assert len(run.asked) == 1
    with pytest.raises(kind, match=message):
        raise run.outcome


def test_redirects_are_not_followed() -> None:
    with CaptionServer().running() as other:
        run = Run([failure(status, location=f"{other.url}/chat/completions") for status in (307,)])
    assert isinstance(run.outcome, InputError)
    assert other.asked == []


def test_no_error_shows_the_key() -> None:
    echo = f"you sent Bearer {KEY}"
    for status in (400, 401, 404, 418, 500):
        outcome = Run([failure(status, echo)] * 9).outcome
        shown = repr(outcome) if isinstance(outcome, Answer) else "".join(traceback.format_exception(outcome))
        assert str(status) in shown
        assert KEY not in shown


def test_a_model_that_repeats_the_key_is_not_listened_to() -> None:
    def telling(asked: Asked) -> Reaction:
        table = edits(asked)
        for edit in table["edits"]:
            edit["prompt"] += f" {KEY}"
        return completion(json.dumps(table))

    assert Run(telling).outcome == Answer(failed="nonsense")


def test_only_so_many_questions_at_once() -> None:
    slow = [replace(completion(None, refusal="no"), delay=0.1)] * 9
    run = Run(slow, options=QUICK.replaced(concurrency=3), clips=[f"a car {n}" for n in "abcdefghi"])
    assert all(isinstance(outcome, Answer) for outcome in run.outcomes)
    times = [asked.time for asked in run.asked]
    assert all(later - earlier >= 0.09 for earlier, later in zip(times, times[3:], strict=False))


def test_the_budget_ends_the_questions() -> None:
    spending = Spending(most_tokens=1200)
    run = Run(
        [], options=QUICK.replaced(concurrency=1), spending=spending, clips=[f"a car {n}" for n in range(20)]
    )
    answered = [isinstance(outcome, Answer) for outcome in run.outcomes]
    assert answered == sorted(answered, reverse=True)
    assert 0 < sum(answered) < 20
    assert all(isinstance(outcome, BudgetSpent) for outcome in run.outcomes[sum(answered) :])
    assert len(run.asked) == sum(answered)
    assert spending.spent.total <= 1200


def test_words_of_an_endpoint_are_shortened_and_cleaned() -> None:
    assert Run([failure(400, "no\n\x1b[2Jsuch")] * 2).outcome.detail == "400, no [2Jsuch"
    assert len(Run([failure(400, "no" * 10_000)] * 2).outcome.detail) == len("400, ") + 200
    for body, said in [(b'{"error": "plain"}', "400, plain"), (b"[]", "400"), (b'{"error": 5}', "400")]:
        assert Run([Reaction(400, body)] * 2).outcome.detail == said


@pytest.mark.parametrize("status", [200, 500])
def test_a_reply_has_a_limit(status: int) -> None:
    """What is larger is no answer; blanks around what fits are."""
    body = good_body.ljust(REPLY_LIMIT)
    assert Run([Reaction(status, body)]).model.requests == 2  # "{}" is nonsense
    run = Run([Reaction(200, body + b" ")] * 9)
    assert (run.outcome, run.spending.spent) == (Answer(failed="nonsense"), Tokens())


def test_a_reply_that_drips_is_given_up() -> None:
    slow = Reaction(200, b" " * 50, drip=0.05)
    run = Run([slow], options=QUICK.replaced(timeout=0.4))
    assert run.kinds == list(KINDS)
    assert run.asked[1].time - run.asked[0].time < 2


def test_replies_are_asked_for_as_they_are() -> None:
    assert Run([]).asked[0].headers["accept-encoding"] == "identity"


def test_a_proxy_gets_nothing_that_is_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with CaptionServer().running() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        run = Run([])
    assert run.kinds == list(KINDS)
    assert (len(run.asked), len(proxy.asked)) == (1, 0)


def test_other_keys_in_the_environment_stay_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin-canary")
    run = Run([])
    assert run.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert "sk-admin-canary" not in str(run.asked)
