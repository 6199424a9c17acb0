"""Parts of a source: one split, an even subset, the first few."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from frameweave.data.record import ClipRecord, Reader, Skipped
from frameweave.errors import DataError


@dataclass(frozen=True)
class OfSplit:
    """The clips of one split. Raises `DataError` at its end when there was none."""

    reader: Reader
    split: str

    def __iter__(self) -> Iterator[ClipRecord | Skipped]:
        found: Counter[str] = Counter()
        for item in self.reader:
            if isinstance(item, ClipRecord):
                found[item.split] += 1
                if item.split != self.split:
                    continue
            yield item
        if not found[self.split]:
            there = ", ".join(f"{count} {name or 'without split'}" for name, count in sorted(found.items()))
            raise DataError(
                f"no clip of the split {self.split!r}, found {there or 'none at all'}",
                hint="leave --split out",
            )


@dataclass(frozen=True)
class First:
    """The first so many clips, and what was skipped before them."""

    reader: Reader
    count: int

    def __iter__(self) -> Iterator[ClipRecord | Skipped]:
        left = self.count
        for item in self.reader:
            if left == 0:
                return
            left -= isinstance(item, ClipRecord)
            yield item


@dataclass(frozen=True)
class Subset:
    """So many clips, as evenly from all categories as there are, by a draw from seed and id alone."""

    reader: Reader
    count: int
    seed: int

    def __iter__(self) -> Iterator[ClipRecord | Skipped]:
        chosen = self._chosen()
        for item in self.reader:
            if isinstance(item, Skipped) or item.id in chosen:
                yield item

    def _chosen(self) -> set[str]:
        ids: defaultdict[str, list[str]] = defaultdict(list)
        for item in self.reader:
            if isinstance(item, ClipRecord):
                ids[item.category].append(item.id)
        for own in ids.values():
            own.sort(key=lambda name: hashlib.sha256(f"{self.seed} {name}".encode()).digest())
        turns = [(place, category) for category, own in sorted(ids.items()) for place in range(len(own))]
        return {ids[category][place] for place, category in sorted(turns)[: self.count]}
