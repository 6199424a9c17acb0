"""Rows of one video joined as its captions."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from frameweave.data.record import ClipRecord, Reader, Skipped


@dataclass(frozen=True)
class Joined:
    """The clips of a reader, where those that differ in nothing but their captions are one, with all of them.

    It stands where the first of them stood, and has its id: in some tables each caption has one of its own.
    Clips of one id that differ in more, such as the split, stay apart.
    """

    reader: Reader

    def __iter__(self) -> Iterator[ClipRecord | Skipped]:
        captions = self._captions
        given = set[bytes]()
        for item in self.reader:
            mark = _mark(item) if isinstance(item, ClipRecord) and captions else b""
            if mark not in captions:
                yield item
            elif mark not in given:
                given.add(mark)
                yield item.replaced(captions=tuple(captions[mark]))

    @cached_property
    def _captions(self) -> dict[bytes, dict[str, None]]:
        """Of the clips with several rows; those of one row may be very many, and are not held."""
        marks = Counter(_mark(item) for item in self.reader if isinstance(item, ClipRecord))
        found: dict[bytes, dict[str, None]] = {mark: {} for mark, count in marks.items() if count > 1}
        for item in self.reader if found else ():
            if isinstance(item, ClipRecord) and (mark := _mark(item)) in found:
                found[mark] |= dict.fromkeys(item.captions)
        return found


def _mark(clip: ClipRecord) -> bytes:
    """Of all but the captions, and what they are called by."""
    told = repr(clip.replaced(captions=(), id=""))
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).digest()[:16]
