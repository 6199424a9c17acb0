"""Existing WebDataset tars with whole videos in them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from frameweave.data.record import ClipRecord, Skipped, Told
from frameweave.data.sources.folder import lines_of, told_by_json
from frameweave.data.sources.headers import Header, headers
from frameweave.data.sources.member import MARK
from frameweave.video.reading import VIDEOS

_PICKLES = (".pkl", ".pickle", ".pyd", ".pth", ".pt")
_OBJECTS = re.compile(rb"""['"][|<>=]?O""")  # the type of objects in the header of an array
_ARRAY_HEADER = 2**16
_TEXT = 2**24  # bytes of a member that is read: 16 MB


@dataclass(frozen=True)
class TarReader:
    """A sample is what shares a name up to the first dot of its last part; `<key>.mp4` with `<key>.txt`
    (a caption a line) or `<key>.json`.

    Members that are no plain files, whose names lead outside or were there already, or that hold
    pickles are skipped and never opened. Raises `DataError` for a file that is no tar.
    """

    tars: tuple[Path, ...]

    def __iter__(self) -> Iterator[ClipRecord | Skipped]:
        for tar in self.tars:
            yield from _records(tar)


def _records(tar: Path) -> Iterator[ClipRecord | Skipped]:
    samples: dict[str, dict[str, Header]] = {}
    for header in headers(tar):
        key, suffix = split_name(header.name)
        reason = _reason(tar, header, suffix)
        if not reason and suffix in samples.get(key, ()):
            reason = "duplicate"
        if reason:
            yield Skipped(id=f"{tar.name}{MARK}{header.name}", reason=reason, detail=str(tar))
        elif header.plain:
            samples.setdefault(key, {})[suffix] = header
    for key, members in samples.items():
        videos = [header for suffix, header in members.items() if suffix in VIDEOS]
        if not videos:
            continue
        try:
            found = _captions(tar, members)
        except (OSError, ValueError) as error:
            yield Skipped(id=key, reason="bad_caption", detail=str(error))
            continue
        yield ClipRecord(id=key, path=f"{tar}{MARK}{videos[0].name}", **dict(found))


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


def _captions(tar: Path, members: dict[str, Header]) -> Told:
    for suffix in (".txt", ".json"):
        if header := members.get(suffix):
            if header.size > _TEXT:
                raise ValueError(f"{header.name}: more than {_TEXT >> 20} MB of captions")
            content = _content(tar, header, _TEXT)
            return Told(captions=lines_of(content)) if suffix == ".txt" else told_by_json(content)
    return Told()


def _content(tar: Path, header: Header, most: int) -> bytes:
    with tar.open("rb") as file:
        file.seek(header.offset)
        return file.read(min(header.size, most))
