"""Which clips of a reader can be used: what all layouts have in common."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from frameweave.data.record import DUPLICATE, ClipRecord, Reader, Skipped
from frameweave.data.sources.member import is_there
from frameweave.data.text import captions_of, cleaned, key_of

_OTHER_NAMES = {
    "training": "train",
    **dict.fromkeys(("val", "valid", "validation", "dev", "development", "eval", "evaluation"), "validate"),
    **dict.fromkeys(("holdout", "held-out", "heldout"), "validate"),
    "testing": "test",
}
_LONGEST = 200  # characters of an id


@dataclass(frozen=True)
class Usable:
    """Clips whose video is there and that have a caption, each id once, with clean captions.

    Names that a terminal, a file of JSON lines or a file name would trip over are made plain.
    """

    reader: Reader

    def __iter__(self) -> Iterator[ClipRecord | Skipped]:
        seen: set[bytes] = set()
        for item in self.reader:
            if isinstance(item, Skipped):
                yield item.replaced(id=plain_id(item.id), detail=cleaned(item.detail))
                continue
            name = plain_id(item.id)
            mark = hashlib.sha256(name.encode()).digest()[:16]
            texts = captions_of(item.captions)
            if mark in seen:
                yield Skipped(
                    id=name, reason=DUPLICATE, detail=cleaned(f"{item.path}: the id was there already")
                )
            elif not _is_text(item.path + item.depth):
                yield Skipped(id=name, reason="bad_name", detail="its file's name is not UTF-8: rename it")
            elif not is_there(item.path):
                yield Skipped(id=name, reason="missing", detail=cleaned(item.path))
            elif not texts:
                yield Skipped(id=name, reason="no_caption", detail="no caption, or an empty one")
            else:
                seen.add(mark)
                yield item.replaced(
                    id=name,
                    captions=texts,
                    split=usual_split(item.split),
                    category=cleaned(item.category),
                    origin=cleaned(item.origin),
                )


def plain_id(name: str) -> str:
    """One line of at most 200 printable characters; what is changed is told apart by a sum.

    >>> plain_id("set/video7"), plain_id("a\\x1b[2J")
    ('set/video7', 'a[2J-3f365b4b')
    """
    plain = cleaned(name)[:_LONGEST]
    if plain and plain == name:
        return name
    return f"{plain[: _LONGEST - 9]}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def usual_split(split: str) -> str:
    """The split's usual name, which can be part of a file's name; empty stays empty.

    >>> usual_split("Val"), usual_split("../../test"), usual_split("")
    ('validate', 'test', '')
    >>> usual_split("\u8bad\u7ec3") != usual_split("\u6d4b\u8bd5")
    True
    """
    plain = key_of(split)[:40] if split.strip() else ""
    if plain == key_of("") and plain not in split.lower():  # nothing of it can be in a file's name
        plain = f"split-{hashlib.sha256(split.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    return _OTHER_NAMES.get(plain, plain)


def _is_text(path: str) -> bool:
    """Whether it can be written to a file; names of other encodings are read as lone surrogates."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
