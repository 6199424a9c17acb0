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

    assert asyncio.run(asking()) == Answer(failed="no_answer", detail="the connection broke")


def test_attempts_end() -> None:
    run = Run([failure(500, "out of order")] * 9)
    assert run.outcome == Answer(failed="no_answer", detail="500, out of order")
    assert len(run.asked) == 4
    assert run.spending.spent == Tokens()


def test_nonsense_to_the_last_is_an_answer_that_was_paid_for() -> None:
    run = Run([completion("well, ...")] * 9)
    assert run.outcome == Answer(failed="nonsense")
    assert run.spending.spent == Tokens(read=400, written=80)


@pytest.mark.parametrize(
    ("body", "headers", "words"),
    [
        (b'{"error": "Unexpected endpoint or method"}', {}, "200, Unexpected endpoint or method"),
        (b'{"error": {"message": "no model\\u001b[2J loaded"}}', {}, "200, no model[2J loaded"),
        (b'{"detail": "Not Found"}', {}, "200, Not Found"),
        (b'{"choices": [{"error": {"message": "busy"}, "message": {"content": ""}}]}', {}, "200, busy"),
        (b'{"choices": [{"finish_reason": "error", "message": {}}], "detail": "lost"}', {}, "200, lost"),
        (b'{"choices": [], "message": "later"}', {}, "200, later"),
        (b'{"object": "list"}', {}, "200, no chat completion: {'object': 'list'}"),
        (b"<html>sign in</html>", {"Content-Type": "text/html"}, "200, text/html, <html>sign in</html>"),
        (b"", {}, "200, application/json, an empty reply"),
        (b"x" * 2_000_000, {}, "a reply of more than 1 MB"),
        (f'{{"error": "your key {KEY}"}}'.encode(), {}, ""),
    ],
)
def test_what_is_no_completion_is_a_failure_with_its_own_words(
    body: bytes, headers: dict[str, str], words: str
) -> None:
    """Waited on, never paid, and never the model's answer, whatever the status claims."""
    run = Run([Reaction(200, body, headers)] * 9)
    assert run.outcome == Answer(failed="no_answer", detail=words)
    assert (len(run.asked), run.spending.spent) == (4, Tokens())
    assert ["response_format" in asked.body for asked in run.asked] == [True, True, True, False]


def test_a_usage_of_nothing_is_not_believed() -> None:
    run = Run(lambda asked: completion(json.dumps(edits(asked)), usage=(0, 0)))
    assert run.spending.spent.read > 100 and run.spending.spent.written > 100
    run = Run(lambda asked: completion(json.dumps(edits(asked)), usage=(0, 55)))
    assert run.spending.spent.read > 100 and run.spending.spent.written == 55


def cut(text: str) -> Reaction:
    return Reaction(body=completion(text).body.replace(b'"stop"', b'"length"'))


def test_a_cut_answer_is_not_asked_for_again_and_says_what_to_do() -> None:
    run = Run([cut('{"edits": [{"caption": 1, "ki')] * 9, options=QUICK.replaced(answer_tokens=99))
    assert (
        run.outcome.failed == "cut"
        and "cut at 99 tokens: give more with --answer-tokens" in run.outcome.detail
    )
    assert [asked.body["max_completion_tokens"] for asked in run.asked] == [99]
    assert run.spending.spent == Tokens(read=100, written=20)
    assert Run(lambda asked: cut(json.dumps(edits(asked)))).kinds == list(KINDS)


def test_an_endpoint_without_forms_that_cuts_answers_is_told_how_long_they_may_be() -> None:
    def short(asked: Asked) -> Reaction:
        if "response_format" in asked.body:
            return failure(400)
        return good(asked) if asked.body.get("max_tokens") == 4096 else cut("{")

    run = Run(short)
    assert (run.kinds, len(run.asked)) == (list(KINDS), 3)
    forms = Run(lambda asked: failure(400) if "response_format" in asked.body else cut("{"))
    assert (forms.outcome.failed, len(forms.asked)) == ("cut", 3)


def test_an_answer_that_does_not_say_what_it_took_is_counted_as_estimated() -> None:
    run = Run(lambda asked: completion(json.dumps(edits(asked)), usage=None))
    assert run.spending.spent.read > 100


def test_a_refusal_is_not_argued_with() -> None:
    run = Run([completion(None, refusal="I cannot do that")])
    assert run.outcome == Answer(failed="refused")
    assert len(run.asked) == 1


@pytest.mark.parametrize(
    "refusal",
    [*(failure(status, "unknown field") for status in (400, 404, 405, 415, 422)), failure(501), Reaction()],
    ids=lambda reaction: str(reaction.status),
)
def test_an_endpoint_that_knows_no_forms(refusal: Reaction) -> None:
    """It may say so with many a status, and with nothing; the last attempt is in plain words."""

    def plain_only(asked: Asked) -> Reaction:
        return refusal if "response_format" in asked.body else good(asked)

    run = Run(plain_only, options=QUICK.replaced(concurrency=1), clips=["a car", "a bus", "a van"])
    assert all(isinstance(outcome, Answer) for outcome in run.outcomes)
    plain = {"model", "messages"}
    formed = plain | {"response_format", "max_completion_tokens", "stream"}
    tried = 1 if 400 <= refusal.status < 500 else QUICK.attempts - 1
    assert [set(asked.body) for asked in run.asked] == [formed] * tried + [plain, plain, plain]


def test_a_form_that_the_model_missed_is_asked_for_again() -> None:
    missed = failure(400, "Failed to validate JSON", "json_validate_failed")
    run = Run([missed, missed])
    assert (run.kinds, len(run.asked)) == (list(KINDS), 3)


def test_a_passing_failure_is_no_word_against_forms() -> None:
    run = Run([failure(503)] * 3)
    assert run.kinds == list(KINDS)
    assert all("response_format" in asked.body for asked in run.asked) and len(run.asked) == 4


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
    assert len(run.asked) == (2 if trouble.status == 404 else 1)  # once more in plain words
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
    assert (run.outcome.failed, run.spending.spent) == ("no_answer", Tokens())


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
