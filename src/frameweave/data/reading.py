"""Groups out of shards by number: members are found by their offsets, so any order costs the same.

A group's number does not depend on workers or processes, so a run that stopped goes on with the
very next group.
"""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from torch import Tensor

from frameweave.data.dataset import Row, read_index
from frameweave.data.lines import parsed
from frameweave.data.shards.decoding import group_of, stored_captions, wanted
from frameweave.data.shards.open_files import OpenFiles
from frameweave.data.shards.shard import About
from frameweave.data.shards.sidecars import Sidecars
from frameweave.errors import DataError
from frameweave.video.group import FrameGroup


@dataclass(frozen=True)
class _Entry:
    """Where a group lies."""

    shard: str
    key: str
    members: dict[str, tuple[int, int]]
    """Offset and size by what follows the key, such as f0.jpg."""


@dataclass(eq=False)
class ShardGroups:
    """All groups of a prepared data set, or those of one split or several, in the order of the shards.

    Raises `DataError` when there is no finished data set, when a tar has not the size that it was
    sealed with, and when a member is damaged.
    """

    folder: Path
    split: str | tuple[str, ...] = ""
    _tars: OpenFiles = field(default_factory=OpenFiles, repr=False)
    _sidecars: dict[str, Sidecars] = field(default_factory=dict[str, Sidecars], repr=False)

    @cached_property
    def _entries(self) -> list[_Entry]:
        asked = (self.split,) if isinstance(self.split, str) else self.split
        rows = [row for row in self._rows.values() if not self.split or row.split in asked]
        if not rows:
            raise DataError(f"{self.folder}: no shard of the split {self.split!r}", hint="see its index.json")
        return [entry for row in rows for entry in self._of_shard(row)]

    @cached_property
    def _rows(self) -> dict[str, Row]:
        return {row.shard: row for row in read_index(self.folder).shards}

    def _of_shard(self, row: Row) -> list[_Entry]:
        try:
            seal = row.read_seal(self.folder)
        except DataError as error:
            raise DataError(f"{self.folder}: {error.args[0]}", hint=error.hint) from error
        tar, sealed = self.folder / f"{row.shard}.tar", row.files["tar"].bytes
        size = tar.stat().st_size if tar.is_file() else -1
        if size != sealed:
            raise DataError(
                f"{tar}: {'missing' if size < 0 else f'{size} bytes'}, sealed with {sealed}",
                hint="copy it again, or run frameweave data prepare",
            )
        found: dict[str, dict[str, tuple[int, int]]] = {}
        for member in seal.members:
            key, _, rest = member.name.partition(".")
            found.setdefault(key, {})[rest] = (member.offset, member.size)
        return [_Entry(row.shard, key, members) for key, members in found.items()]

    def sum_of(self, shard: str) -> str:
        """The SHA-256 of a shard's tar."""
        return self._rows[shard].files["tar"].sha256

    def contents(self) -> dict[str, str]:
        """The sums of the shards, by name."""
        return {row.shard: self.sum_of(row.shard) for row in self._rows.values()}

    def __len__(self) -> int:
        return len(self._entries)

    def key(self, index: int) -> str:
        entry = self._entries[index]
        return f"{self.sum_of(entry.shard)} {entry.key}"

    def about(self, index: int) -> About:
        """What is known of a group: clip, frames, times, split, scale of its depth."""
        entry = self._entries[index]
        return parsed(About, self._bytes(entry, "json"), self._place(entry), hint="run frameweave data check")

    def group(self, index: int) -> FrameGroup:
        entry = self._entries[index]
        members = {name: self._bytes(entry, name) for name in wanted(entry.members)}
        return group_of(members, where=self._place(entry))

    def encoded(self, index: int, print_: str) -> tuple[dict[str, Tensor], tuple[str, ...]] | None:
        """See `EncodedSource`: out of the shard's sidecar."""
        entry = self._entries[index]
        sidecars = self._sidecars.setdefault(print_, Sidecars(self.folder, print_))
        tensors = sidecars.group(entry.shard, entry.key, tar=self.sum_of(entry.shard))
        if tensors is None:
            return None
        return tensors, stored_captions(self._bytes(entry, "txt"), where=self._place(entry))

    def by_shard(self) -> dict[str, dict[str, int]]:
        """The numbers of the groups by shard and key."""
        found: dict[str, dict[str, int]] = {}
        for index, entry in enumerate(self._entries):
            found.setdefault(entry.shard, {})[entry.key] = index
        return found

    def _place(self, entry: _Entry) -> str:
        """What errors call a group."""
        return f"{self.folder / entry.shard}.tar: group {entry.key}"

    def _bytes(self, entry: _Entry, name: str) -> bytes:
        if name not in entry.members:
            raise DataError(f"{self._place(entry)} has no {name}", hint="prepare it again")
        offset, size = entry.members[name]
        return self._tars.read(self.folder / f"{entry.shard}.tar", size, offset)

    def __reduce__(self) -> tuple[type["ShardGroups"], tuple[Path, str | tuple[str, ...]]]:
        """What is open stays here: another process opens its own."""
        return ShardGroups, (self.folder, self.split)
