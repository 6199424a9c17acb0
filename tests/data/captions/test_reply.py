"""What came back: a chat completion or a failure, and where in one the answer stands."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caption_server import completion
from frameweave.data.captions.reply import Reply, no_completion
from frameweave.data.captions.spending import Tokens

GUESS = Tokens(read=50, written=10)


@pytest.mark.parametrize(
    "message",
    [
        {"content": "the answer"},
        {
            "content": [
                {"type": "text", "text": "the "},
                {"type": "text", "text": "answer"},
                {"type": "image"},
            ]
        },
        {"content": None, "tool_calls": [{"function": {"name": "edits", "arguments": "the answer"}}]},
        {"content": None, "reasoning_content": "the answer"},
        {"content": "", "reasoning": "the answer", "refusal": None},
        {"content": "the answer", "tool_calls": "none", "refusal": 5},
    ],
)
def test_where_an_answer_stands(message: dict[str, Any]) -> None:
    body = json.dumps({"choices": [{"message": message, "finish_reason": 7}]}).encode()
    assert no_completion("", body) == ""
    assert Reply.read(body).texts == ("the answer",)


def test_an_answer_without_a_count_is_measured() -> None:
    said = Reply.read(completion("x" * 400, usage=None).body)
    assert said.tokens(GUESS) == Tokens(read=50, written=100)
    assert Reply.read(completion("x", usage=(0, 0)).body).tokens(GUESS) == GUESS
    assert Reply.read(completion("x").body.replace(b'"stop"', b'"length"')).cut


def test_text_refusal_and_usage() -> None:
    body = completion("hello", usage=(7, 3)).body
    reply = Reply.read(body)
    assert (reply.texts, reply.refused, reply.cut) == (("hello",), False, False)
    assert reply.tokens(GUESS) == Tokens(read=7, written=3)
    assert Reply.read(completion(None, refusal="I must not").body).refused
    assert Reply.read(completion("half").body.replace(b'"stop"', b'"content_filter"')).refused


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>busy</html>",
        b"null",
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": {}}',
        b'{"choices": [5]}',
        b'{"choices": [{"message": "hello"}]}',
        completion(None).body,
        completion("").body,
        completion("hello").body[:-9],
        b"\xff\xfe\x00",
        b"[" * 100_000,
    ],
)
def test_what_is_no_completion(body: bytes) -> None:
    assert (Reply.read(body).texts, Reply.read(body).refused) == ((), False)
    assert Reply.read(body).tokens(GUESS).read > 0


@pytest.mark.parametrize("said", [{}, None, 5, {"prompt_tokens": -1, "completion_tokens": 1}])
def test_a_usage_that_cannot_be_is_not_believed(said: Any) -> None:
    assert Reply.read(json.dumps({"usage": said}).encode()).tokens(GUESS) == GUESS
    for wrong in (True, "1", 1.5, -1, 10**12):
        said = {"prompt_tokens": wrong, "completion_tokens": 1}
        assert Reply.read(json.dumps({"usage": said}).encode()).tokens(GUESS) == GUESS


@settings(deadline=None, derandomize=True, max_examples=300)
@given(
    st.binary(max_size=80)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(
                    ["choices", "message", "content", "refusal", "usage", "prompt_tokens", "error", "code"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode())
)
def test_any_bytes(body: bytes) -> None:
    reply = Reply.read(body)
    assert all(reply.texts) and isinstance(reply.refused, bool)
    assert reply.tokens(GUESS).total > 0
    assert isinstance(no_completion("", body), str)
