"""Groups out of shards by number: members are found by their offsets, so any order costs the same.

A group's number does not depend on workers or processes, so a run that stopped goes on with the
very next group.
"""

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from frameweave.data.dataset import read_index
from frameweave.data.decoding import captions_of, group_of, wanted
from frameweave.data.shards.open_files import OpenFiles
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
    """All groups of a prepared data set, or those of one split, in the order of the shards.

    Raises `DataError` when there is no finished data set, when a tar has not the size that it was
    sealed with, and when a member is damaged.
    """

    folder: Path
    split: str = ""
    _tars: OpenFiles = field(default_factory=OpenFiles, repr=False)
    _sidecars: dict[str, Sidecars] = field(default_factory=dict[str, Sidecars], repr=False)

    @cached_property
    def _entries(self) -> list[_Entry]:
        rows = [
            row
            for row in read_index(self.folder)["shards"]
            if not self.split or row["shard"].rsplit("-", 1)[0] == self.split
        ]
        if not rows:
            raise DataError(f"{self.folder}: no shard of the split {self.split!r}", hint="see its index.json")
        return [entry for row in rows for entry in self._of_shard(row)]

    @cached_property
    def _sums(self) -> dict[str, str]:
        return {row["shard"]: row["files"]["tar"]["sha256"] for row in read_index(self.folder)["shards"]}

    def _of_shard(self, row: dict[str, Any]) -> list[_Entry]:
        name = row["shard"]
        tar = self.folder / f"{name}.tar"
        size = tar.stat().st_size if tar.is_file() else -1
        if size != row["files"]["tar"]["bytes"]:
            raise DataError(
                f"{tar}: {'missing' if size < 0 else f'{size} bytes'}, sealed with "
                f"{row['files']['tar']['bytes']}",
                hint="copy it again, or run frameweave data prepare",
            )
        seal = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
        found: dict[str, dict[str, tuple[int, int]]] = {}
        for member, offset, length in seal["members"]:
            key, _, rest = member.partition(".")
            found.setdefault(key, {})[rest] = (offset, length)
        return [_Entry(name, key, members) for key, members in found.items()]

    def __len__(self) -> int:
        return len(self._entries)

    def key(self, index: int) -> str:
        entry = self._entries[index]
        return f"{self._sums[entry.shard]} {entry.key}"

    def about(self, index: int) -> dict[str, Any]:
        """What is known of a group: clip, frames, times, split, scale of its depth."""
        return json.loads(self._bytes(self._entries[index], "json"))

    def group(self, index: int) -> FrameGroup:
        entry = self._entries[index]
        members = {name: self._bytes(entry, name) for name in wanted(entry.members)}
        return group_of(members, where=f"{self.folder / entry.shard}.tar: group {entry.key}")

    def encoded(self, index: int, print_: str) -> tuple[dict[str, Tensor], tuple[str, ...]] | None:
        """See `EncodedSource`: out of the shard's sidecar."""
        entry = self._entries[index]
        sidecars = self._sidecars.setdefault(print_, Sidecars(self.folder, print_))
        tensors = sidecars.group(entry.shard, entry.key, tar=self._sums[entry.shard])
        return None if tensors is None else (tensors, captions_of(self._bytes(entry, "txt")))

    def by_shard(self) -> dict[str, dict[str, int]]:
        """The numbers of the groups by shard and key."""
        found: dict[str, dict[str, int]] = {}
        for index, entry in enumerate(self._entries):
            found.setdefault(entry.shard, {})[entry.key] = index
        return found

    def _bytes(self, entry: _Entry, name: str) -> bytes:
        if name not in entry.members:
            raise DataError(
                f"{self.folder / entry.shard}.tar: group {entry.key} has no {name}", hint="prepare it again"
            )
        offset, size = entry.members[name]
        return self._tars.read(self.folder / f"{entry.shard}.tar", size, offset)

    def __reduce__(self) -> tuple[type["ShardGroups"], tuple[Path, str]]:
        """What is open stays here: another process opens its own."""
        return ShardGroups, (self.folder, self.split)
