"""Videos and pictures that were uploaded: kept by their content, checked before they are used."""

import hashlib
import re
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from frameweave.errors import InputError
from frameweave.runs.places import slug
from frameweave.runs.text import printable
from frameweave.video import Timeline, VideoInfo, probe, timeline
from frameweave.video.reading import VIDEOS
from frameweave.video.sequences import PICTURES
from frameweave.video.stills import UNREADABLE

_AT_ONCE = 2**20
_LONGEST = 40  # letters of a name that are kept
_OURS = re.compile(r"(.*-)?[0-9a-f]{16}\.\w+|\.[0-9a-f]{32}\.\w+")
"""Names that only uploads have: with a digest of what they hold, and those that were being copied."""


@dataclass(frozen=True)
class Upload:
    """A video or picture that can be edited, and what is known of it."""

    path: Path
    """Where it lies now: in the folder of uploads, under its name and the digest of its content."""
    name: str
    """As the user called it, without folders."""
    width: int
    height: int
    """In pixels."""
    frames: int
    fps: float
    seconds: float
    sound: bool
    notes: tuple[str, ...]
    """What is unusual about the file, in words."""


class NoSuchUpload(InputError):
    """There is no uploaded file of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r}: no such upload", hint="upload it again")


class Uploads:
    """The folder of uploaded files."""

    def __init__(self, folder: Path, limit: int) -> None:
        """`limit` is the largest size of a file in bytes."""
        self._folder, self._limit = folder, limit
        self._known: dict[str, Upload] = {}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def keep(self, file: Path | BinaryIO, name: str) -> Upload:
        """Copy a video or picture into the folder.

        Raises `InputError`, in a sentence without the server's paths, for one that is too large or cannot be
        read.
        """
        name = printable(Path(name.replace("\\", "/")).name)[:200] or "video"
        suffix = Path(name).suffix.lower()
        if suffix not in (*VIDEOS, *PICTURES):
            raise InputError(
                f"{name}: not a video's name",
                hint="give an mp4, mov, mkv, webm, avi or gif file, or a picture",
            )
        stage = self._folder / f".{uuid.uuid4().hex}{suffix}"
        try:
            digest = self._copied(file, stage, name)
            info, line = _facts(stage, name)
            stem = "-".join(filter(None, (slug(Path(name).stem, _LONGEST), digest[:16])))
            path = self._folder / f"{stem}{suffix}"
            stage.replace(path)
        finally:
            stage.unlink(missing_ok=True)
        upload = self._known[path.name] = _described(path, name, info, line)
        return upload

    def known(self, name: str) -> Upload:
        """What is kept in a file of that name. Raises `InputError` where there is none."""
        path = self._folder / name
        try:
            there = Path(name).name == name and not name.startswith(".") and path.is_file()
        except OSError:  # no file can have such a long name
            there = False
        if not there:
            raise NoSuchUpload(name)
        if name not in self._known:
            self._known[name] = _described(path, name, *_facts(path, name))
        return self._known[name]

    def keep_mask(self, png: bytes) -> Path:
        """Keep a mask that was painted. Raises `InputError` for what is no PNG."""
        try:
            with Image.open(BytesIO(png), formats=["PNG"]) as image:
                image.load()
        except UNREADABLE as error:
            raise InputError("the mask is no PNG picture", hint="paint it anew") from error
        path = self._folder / f"mask-{hashlib.sha256(png).hexdigest()[:16]}.png"
        path.write_bytes(png)
        return path

    def remove_others(self, naming: Iterable[str]) -> None:
        """Remove uploads that none of these texts, which are those of run files, names. Other files stay."""
        texts = list(naming)
        for file in self._folder.iterdir():
            ours = _OURS.fullmatch(file.name) and file.is_file()
            if ours and not any(file.name in text for text in texts):
                with suppress(OSError):
                    file.unlink()

    def _copied(self, file: Path | BinaryIO, stage: Path, name: str) -> str:
        """The SHA-256 of what was copied."""
        if isinstance(file, Path):
            with file.open("rb") as opened:
                return self._copied(opened, stage, name)
        total, size = hashlib.sha256(), 0
        with stage.open("wb") as written:
            while part := file.read(_AT_ONCE):
                size += len(part)
                if size > self._limit:
                    raise InputError(
                        f"{name}: larger than {self._limit // 10**6} MB",
                        hint="cut or shrink it first, or start the app with a larger --upload-limit",
                    )
                total.update(part)
                written.write(part)
        return total.hexdigest()


def _facts(file: Path, name: str) -> tuple[VideoInfo, Timeline]:
    """Of a file that can be edited."""
    try:
        return probe(file), timeline(file, torn=True)
    except InputError as error:
        message = str(error.args[0]).replace(str(file), name).replace(file.name, name)
        raise InputError(message, hint=error.hint, reason=error.reason) from error


def _described(path: Path, name: str, info: VideoInfo, line: Timeline) -> Upload:
    return Upload(
        path=path,
        name=name,
        width=info.width,
        height=info.height,
        frames=len(line),
        fps=float(info.fps),
        seconds=float(line.times[-1]) + 1 / float(info.fps),
        sound=info.has_audio,
        notes=info.notes,
    )
