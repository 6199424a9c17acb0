"""What came back from an endpoint: a chat completion, which is the model's own answer, or a failure.

`no_completion` decides. Only what it lets through is read as an answer, kept and paid for.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WrapValidator

from frameweave.data.captions.spending import Tokens
from frameweave.data.text import cleaned

_WORDS = 200  # characters of an endpoint's words that are shown


def no_completion(content_type: str, body: bytes) -> str:
    """Why a reply that claims success is no chat completion, in its own words; empty when it is one.

    >>> no_completion("application/json", b'{"error": "Unexpected endpoint or method"}')
    'Unexpected endpoint or method'
    >>> no_completion("text/html", b"<html>busy</html>")
    'text/html, <html>busy</html>'
    """
    try:
        found: object = json.loads(body)
    except (ValueError, RecursionError):
        words = cleaned(body[: 4 * _WORDS].decode("utf-8", "replace"))[:_WORDS]
        return f"{cleaned(content_type)[:50] or 'no content type'}, {words or 'an empty reply'}"
    table = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    choices = table.get("choices")
    first = cast("list[object]", choices)[0] if isinstance(choices, list) and choices else None
    choice = cast("dict[str, object]", first) if isinstance(first, dict) else {}
    failed = choice.get("error") or choice.get("finish_reason") == "error"
    if isinstance(choice.get("message"), dict) and not failed:
        return ""
    return said_in(choice) or said_in(table) or f"no chat completion: {cleaned(str(found))[:_WORDS]}"


def said_in(body: object) -> str:
    """The message of an error as endpoints write it, cleaned and shortened; empty when there is none.

    >>> said_in({"error": {"message": "no such model"}}), said_in({"detail": "Not Found"}), said_in([])
    ('no such model', 'Not Found', '')
    """
    while isinstance(body, Mapping):
        table = cast("Mapping[str, object]", body)
        body = next((table[name] for name in ("error", "message", "detail") if table.get(name)), None)
    return cleaned(body)[:_WORDS] if isinstance(body, str) else ""


def _none_if_wrong(value: Any, read: Callable[[Any], Any]) -> Any:
    try:
        return read(value)
    except ValidationError:
        return None


Lenient = WrapValidator(_none_if_wrong)
"""Beside a type that may be None: what is wrong is left out, and the rest counts."""
_Text = Annotated[str | None, Lenient]


class _Function(BaseModel):
    arguments: _Text = None


class _Call(BaseModel):
    function: Annotated[_Function | None, Lenient] = None


class _Part(BaseModel):
    text: _Text = None


class _Message(BaseModel):
    content: Annotated[str | list[Annotated[_Part | None, Lenient]] | None, Lenient] = None
    refusal: _Text = None
    tool_calls: Annotated[list[_Call] | None, Lenient] = None
    reasoning_content: _Text = None
    reasoning: _Text = None

    @property
    def texts(self) -> Iterator[str | None]:
        if isinstance(self.content, list):
            yield "".join(part.text or "" for part in self.content if part is not None)
        else:
            yield self.content
        yield from (call.function.arguments for call in self.tool_calls or () if call.function is not None)
        yield from (self.reasoning_content, self.reasoning)


class _Choice(BaseModel):
    message: _Message
    finish_reason: _Text = None


class _Usage(BaseModel):
    model_config = ConfigDict(strict=True)

    prompt_tokens: int = Field(ge=0, le=10**9)  # more is not believed
    completion_tokens: int = Field(ge=0, le=10**9)


class Reply(BaseModel):
    """A chat completion, whatever came as one: what is missing or wrong in it is None or empty."""

    choices: Annotated[list[_Choice] | None, Lenient] = None
    usage: Annotated[_Usage | None, Lenient] = None

    @classmethod
    def read(cls, body: bytes) -> "Reply":
        try:
            return cls.model_validate_json(body)
        except ValidationError:
            return cls()

    @property
    def refused(self) -> bool:
        return any(
            choice.message.refusal or choice.finish_reason == "content_filter" for choice in self._said
        )

    @property
    def cut(self) -> bool:
        """Whether the answer ended because it reached a limit."""
        return any(choice.finish_reason in ("length", "max_tokens") for choice in self._said)

    @property
    def texts(self) -> tuple[str, ...]:
        """Where an answer may stand: the content, what tools were called with, what was thought."""
        return tuple(text for choice in self._said for text in choice.message.texts if text)

    def tokens(self, estimate: Tokens) -> Tokens:
        """What the endpoint says it counted. What it does not count is estimated, or told by the texts."""
        counted = Tokens()
        if self.usage is not None:
            counted = Tokens(read=self.usage.prompt_tokens, written=self.usage.completion_tokens)
        written = max(estimate.written, sum(map(tokens_of, self.texts)))
        return Tokens(read=counted.read or estimate.read, written=counted.written or written)

    @property
    def _said(self) -> list[_Choice]:
        return (self.choices or [])[:1]


def tokens_of(text: str) -> int:
    """An estimate: a token for every four bytes."""
    return -(-len(text.encode("utf-8", "replace")) // 4)
