"""What a reader tells of each clip, before anything of it is decoded."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

CAPTION_LIMIT = 2_000
"""Characters of a caption that are kept: no text tower takes more than a few hundred."""
CAPTIONS_LIMIT = 64
"""Captions of a clip that are kept."""


@dataclass(frozen=True, kw_only=True)
class ClipRecord:
    """One clip: where its video lies and what is said of it."""

    id: str
    """Unique in its source, such as video123."""
    path: str
    """The video's file; a picture, a folder of pictures and a member `shard.tar!name.mp4` count too."""
    captions: tuple[str, ...] = ()
    split: str = ""
    """train, validate or test; empty when the source does not say."""
    category: str = ""
    origin: str = ""
    """What the clip was cut from, such as a URL: clips with one origin must not be parted between splits."""
    prompts: tuple[dict[str, Any], ...] = ()
    """Edit prompts as `captions.edit_prompt.EditPrompt.as_dict` gives them."""
    depth: str = ""
    """The clip's own depth, a folder of 16-bit PNGs or an npy file; empty when there is none."""

    def as_dict(self) -> dict[str, Any]:
        """A JSON object without the empty fields."""
        table = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in table.items() if v}

    @classmethod
    def from_dict(cls, table: dict[str, Any]) -> "ClipRecord":
        lists = {name: tuple(table.get(name, ())) for name in ("captions", "prompts")}
        given: dict[str, Any] = {**table, **lists}
        return cls(**given)


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A clip that cannot be used, and why."""

    id: str
    reason: str
    """One of a few words by which they are counted, such as no_caption, missing, duplicate."""
    detail: str = ""


@runtime_checkable
class Reader(Protocol):
    """A source of clips. Iterating again gives the same records in the same order.

    Nothing of a video is decoded. What makes a whole source unreadable raises `DataError` with file
    and line; what is wrong with one clip is a `Skipped` in its place.
    """

    def __iter__(self) -> Iterator[ClipRecord | Skipped]: ...


def key_of(name: str) -> str:
    """A name for files and tar members: lower case, only [a-z0-9_-]; ids that collide must be told apart.

    >>> key_of("MSR-VTT/all/video709.mp4")
    'msr-vtt_all_video709_mp4'
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9_-]+", "_", plain).strip("_") or "clip"


def cleaned(caption: str) -> str:
    """A caption on one line, without control and direction characters, cut to a sensible length.

    >>> cleaned(" a red\\ncar\\x1b[31m \\u202edrives ")
    'a red car[31m drives'
    """
    spaced = "".join(" " if character.isspace() else character for character in caption[: 4 * CAPTION_LIMIT])
    kept = "".join(c for c in spaced if unicodedata.category(c)[0] != "C")
    return " ".join(kept.split())[:CAPTION_LIMIT].strip()
