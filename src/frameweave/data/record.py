"""What a reader tells of each clip, before anything of it is decoded."""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from frameweave.data.captions.edit_prompt import EditPrompt
from frameweave.data.lines import Record

DUPLICATE = "duplicate"
"""The reason of a `Skipped` whose id another clip has."""


class Told(Record):
    """What is said of a clip beside its video."""

    captions: tuple[str, ...] = ()
    split: str = ""
    """train, validate or test; empty when the source does not say."""
    category: str = ""
    origin: str = ""
    """What the clip was cut from, such as a URL: clips with one origin must not be parted between splits."""


class ClipRecord(Told):
    """One clip: where its video lies and what is said of it."""

    id: str
    """Unique in its source, such as video123."""
    path: str
    """The video's file; a picture, a folder of pictures and a member `shard.tar!name.mp4` count too."""
    prompts: tuple[EditPrompt, ...] = ()
    depth: str = ""
    """The clip's own depth, a folder of 16-bit PNGs or an npy file; empty when there is none."""


class Skipped(Record):
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
