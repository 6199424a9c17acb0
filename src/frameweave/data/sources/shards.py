"""Existing WebDataset tars with whole videos in them."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from frameweave.data.record import DUPLICATE, ClipRecord, Skipped, Told
from frameweave.data.sources.beside import LARGEST, told_beside
from frameweave.data.sources.folder import is_hidden
from frameweave.data.sources.headers import Header, headers
from frameweave.data.sources.member import MARK
from frameweave.video.reading import VIDEOS

_PICKLES = (".pkl", ".pickle", ".pyd", ".pth", ".pt")
_OBJECTS = re.compile(rb"""['"][|<>=]?O""")  # the type of objects in the header of an array
_CAPTIONS = ("caption", "captions", "text", "prompt")
"""What stands before the suffix of a member with captions."""
_ARRAY_HEADER = 2**16
_Sample = dict[str, Header]
"""Members by what follows the sample's key, such as .mp4."""


@dataclass(frozen=True)
class TarReader:
    """A sample is what shares a name up to the first dot of its last part. Each video of it is a clip with
    the captions of its own name, `<name>.txt` (a caption a line) or `<name>.json`; an only video has those
    of the sample's name, and those in `<name>.caption.txt` and the like, too.

    Where keys begin anew in each tar, the tar's place stands before them. Hidden members are left alone.
    Members that are no plain files, whose names lead outside or were there already, or that hold pickles are
    skipped and never opened. Raises `DataError` for a file that is no tar.
    """

    tars: tuple[Path, ...]

    def __iter__(self) -> Iterator[ClipRecord | Skipped]:
        for tar in self.tars:
            for item in _records(tar):
                before = self._before.get(tar, "") if isinstance(item, ClipRecord) else ""
                yield item.replaced(id=before + item.id) if before else item

    @cached_property
    def _before(self) -> dict[Path, str]:
        """What stands before the keys of each tar, where a key is in several of them: its own place."""
        seen, top = set[int](), Path(os.path.commonpath([tar.parent for tar in self.tars]))
        for tar in self.tars if len(self.tars) > 1 else ():
            keys = {hash(split_name(header.name)[0]) for header in headers(tar) if header.plain}
            if keys & seen:
                return {one: f"{one.relative_to(top).with_suffix('').as_posix()}/" for one in self.tars}
            seen |= keys
        return {}


def _records(tar: Path) -> Iterator[ClipRecord | Skipped]:
    samples: dict[str, _Sample] = {}
    for header in headers(tar):
        key, suffix = split_name(header.name)
        reason = _reason(tar, header, suffix)
        if not reason and suffix in samples.get(key, ()):
            reason = DUPLICATE
        if reason:
            yield Skipped(id=f"{tar.name}{MARK}{header.name}", reason=reason, detail=str(tar))
        elif header.plain and not is_hidden(PurePosixPath(header.name)):
            samples.setdefault(key, {})[suffix] = header
    for key, members in samples.items():
        videos = [suffix for suffix in members if suffix.endswith(VIDEOS)]
        for suffix in videos:
            named = suffix.removesuffix(PurePosixPath(f"a{suffix}").suffix)
            header = members[suffix]
            name = key + header.name.removeprefix("./")[len(key) :][: len(named)]
            try:
                found = _told(tar, members, named, alone=len(videos) == 1)
            except (OSError, ValueError) as error:
                yield Skipped(id=name, reason="bad_caption", detail=str(error))
                continue
            yield ClipRecord(id=name, path=f"{tar}{MARK}{header.name}", **dict(found))


def _reason(tar: Path, header: Header, suffix: str) -> str:
    """Why a member is left alone; nothing when it is not, or is a folder."""
    if not header.whole:
        return "truncated"
    if not header.plain:
        return "" if header.folder else "unsafe_member"
    pickled = suffix.endswith(_PICKLES) or (
        suffix.endswith(".npy") and _OBJECTS.search(_content(tar, header, _ARRAY_HEADER))
    )
    return "pickle" if pickled else ""


def split_name(name: str) -> tuple[str, str]:
    """The key and the suffix of a member.

    >>> split_name("MSR-VTT/all/video7.mp4"), split_name("./a.b/c.en.txt")
    (('MSR-VTT/all/video7', '.mp4'), ('a.b/c', '.en.txt'))
    """
    folder, slash, last = name.removeprefix("./").rpartition("/")
    stem, dot, suffix = last.partition(".")
    return f"{folder}{slash}{stem}", f"{dot}{suffix}".lower()


def _told(tar: Path, members: _Sample, named: str, *, alone: bool) -> Told:
    """What is said of the video that is called the sample's key and `named`."""

    def beside(suffix: str) -> tuple[str, bytes] | None:
        header = members.get(named + suffix) or (members.get(suffix) if alone else None)
        if header is None and alone:  # such as k1.caption.txt beside k1.video.mp4
            known = (members.get(f".{name}{suffix}") for name in _CAPTIONS)
            header = next((found for found in known if found is not None), None)
        return None if header is None else (header.name, _content(tar, header, LARGEST + 1))

    return told_beside(beside)


def _content(tar: Path, header: Header, most: int) -> bytes:
    with tar.open("rb") as file:
        file.seek(header.offset)
        return file.read(min(header.size, most))
