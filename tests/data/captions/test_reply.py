"""What endpoints send back, read whatever it is."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caption_server import completion, failure
from frameweave.data.captions.asking import Nonsense
from frameweave.data.captions.reply import complaint, read_reply, usage
from frameweave.data.captions.spending import Tokens


def test_text_refusal_and_usage() -> None:
    body = completion("hello", usage=(7, 3)).body
    assert (read_reply(body).text, read_reply(body).refused, usage(body)) == (
        "hello",
        False,
        Tokens(read=7, written=3),
    )
    assert read_reply(completion(None, refusal="I must not").body).refused
    assert read_reply(completion("half").body.replace(b'"stop"', b'"content_filter"')).refused


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
    with pytest.raises(Nonsense):
        read_reply(body)
    assert usage(b"") is usage(b"[1]") is None


@pytest.mark.parametrize("said", [{}, None, 5, {"prompt_tokens": -1, "completion_tokens": 1}])
def test_a_usage_that_cannot_be_is_not_believed(said: Any) -> None:
    assert usage(json.dumps({"usage": said}).encode()) is None
    for wrong in (True, "1", 1.5, -1, 10**12):
        assert usage(json.dumps({"usage": {"prompt_tokens": wrong, "completion_tokens": 1}}).encode()) is None


def test_complaints_are_shortened_and_cleaned() -> None:
    assert complaint(failure(400, "no\n\x1b[2Jsuch", "bad_model").body) == ("bad_model", "no [2Jsuch")
    assert len(complaint(failure(400, "no" * 10_000).body)[1]) == 200
    assert complaint(b'{"error": "plain"}') == ("", "plain")
    for body in (b"", b"[]", b'{"error": 5}', b'{"error": {"code": 5, "message": []}}'):
        assert complaint(body) == ("", "")


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
    complaint(body)
    usage(body)
    try:
        reply = read_reply(body)
    except Nonsense:
        return
    assert reply.refused or reply.text
