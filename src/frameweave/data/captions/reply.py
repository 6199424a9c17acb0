"""What came back from an endpoint and what it says: text or refusal, what it took, complaints."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from frameweave.data.captions.asking import Nonsense
from frameweave.data.captions.spending import Tokens
from frameweave.data.record import cleaned

_MOST_TOKENS = 10**9  # of one reply, that are believed


@dataclass(frozen=True, kw_only=True)
class Received:
    """What came back. The status is 0 when no whole reply came."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Names are lower case."""
    body: bytes = b""
    trouble: str = ""
    """Why no whole reply came: timeout, broken or too_large."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A chat completion."""

    text: str = ""
    refused: bool = False


def read_reply(body: bytes) -> Reply:
    """Raises `Nonsense` when the body is no chat completion with a text."""
    try:
        choice: Any = _table(body)["choices"][0]
        message = choice["message"]
        text, refusal, reason = message.get("content"), message.get("refusal"), choice.get("finish_reason")
    except (LookupError, TypeError, AttributeError) as error:
        raise Nonsense("no chat completion") from error
    if refusal or reason == "content_filter":
        return Reply(refused=True)
    if not isinstance(text, str) or not text:
        raise Nonsense("no text")
    return Reply(text=text)


def usage(body: bytes) -> Tokens | None:
    """What the endpoint says it counted; None when it does not say."""
    try:
        said: Any = _table(body)["usage"]
        read, written = said["prompt_tokens"], said["completion_tokens"]
    except (LookupError, TypeError):
        return None
    if type(read) is not int or type(written) is not int:
        return None
    if not 0 <= read <= _MOST_TOKENS or not 0 <= written <= _MOST_TOKENS:
        return None
    return Tokens(read=read, written=written)


def complaint(body: bytes) -> tuple[str, str]:
    """The code and the message of an error's body, on one line each; empty where it has none."""
    said: Any = _table(body).get("error")
    table: dict[Any, Any] = said if isinstance(said, dict) else {"message": said}
    code, message = table.get("code"), table.get("message")
    return (
        cleaned(code)[:100] if isinstance(code, str) else "",
        cleaned(message)[:200] if isinstance(message, str) else "",
    )


def _table(body: bytes) -> dict[str, Any]:
    try:
        table: Any = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}
