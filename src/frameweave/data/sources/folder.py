"""Every video below a folder, with what lies beside it under the same name."""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath

from frameweave.data.record import ClipRecord, Skipped, Told
from frameweave.data.sources.beside import LARGEST, told_beside
from frameweave.video.reading import VIDEOS
from frameweave.video.sequences import PICTURES, name_of_clip


@dataclass(frozen=True)
class FolderReader:
    """Captions come from `<name>.txt` (a line each) or `<name>.json`, depth from `<name>.depth` or
    `<name>.depth.npy`. The id is the path below the folder, without the suffix.

    A folder of pictures is a clip when captions lie beside it. Hidden files are left alone.
    """

    folder: Path

    def __iter__(self) -> Iterator[ClipRecord | Skipped]:
        for video in sorted(files_below(self.folder), key=_order):
            if not (video.suffix.lower() in VIDEOS if video.is_file() else _is_clip(video)):
                continue
            name = (video.parent / name_of_clip(video)).relative_to(self.folder).as_posix()
            try:
                found = captions_beside(video)
            except (OSError, ValueError) as error:
                yield Skipped(id=name, reason="bad_caption", detail=str(error))
                continue
            yield ClipRecord(id=name, path=str(video), depth=depth_beside(video), **dict(found))


def files_below(folder: Path) -> Iterator[Path]:
    """Files and folders at any depth, without hidden ones, which some systems leave in archives.

    Links to folders are followed, each folder once, and not upwards.
    """
    folders, links, seen = deque([folder]), deque[Path](), {*folder.resolve().parents}
    while folders or links:
        here = folders.popleft() if folders else links.popleft()
        if (place := here.resolve()) in seen:
            continue
        seen.add(place)
        with suppress(PermissionError):
            for path in sorted(here.iterdir()):
                if is_hidden(PurePath(path.name)):
                    continue
                yield path
                if path.is_dir():
                    (links if path.is_symlink() else folders).append(path)


def is_hidden(path: PurePath) -> bool:
    """Whether any part of a relative path is hidden."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def _order(path: Path) -> tuple[tuple[str, ...], bool, str]:
    """By name; a video before the folder of its pictures."""
    return (*path.parent.parts, name_of_clip(path)), path.is_dir(), path.suffix


def _is_clip(folder: Path) -> bool:
    """Whether there are captions beside a folder and pictures in it."""
    if not any((folder.parent / f"{folder.name}{suffix}").is_file() for suffix in (".txt", ".json")):
        return False
    try:
        return any(path.suffix.lower() in PICTURES for path in folder.iterdir())
    except OSError:
        return False


def captions_beside(video: Path) -> Told:
    """What the text beside a video says. Raises `ValueError` with the file's name, or `OSError`."""

    def beside(suffix: str) -> tuple[str, bytes] | None:
        named = (video.parent / f"{name_of_clip(video)}{written}" for written in (suffix, suffix.upper()))
        file = next((file for file in named if file.is_file()), None)
        if file is None:
            return None
        with file.open("rb") as opened:
            return file.name, opened.read(LARGEST + 1)

    return told_beside(beside)


def depth_beside(video: Path) -> str:
    """The clip's own depth, or nothing."""
    for name in (f"{name_of_clip(video)}.depth", f"{name_of_clip(video)}.depth.npy"):
        if (video.parent / name).exists():
            return str(video.parent / name)
    return ""
