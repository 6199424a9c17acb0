"""Where a run goes when no folder is named: a new numbered one, and `latest`, which leads to it."""

import os
import re
import uuid
from dataclasses import dataclass
from pathlib import Path

from frameweave.errors import RunError
from frameweave.runs.atomic import write_text

RUNS = Path("runs")
LATEST = "latest"
_LONGEST = 40


@dataclass(frozen=True)
class Numbered:
    """A folder of its own for each run of a command, such as runs/edit-0007-a-red-car."""

    command: str
    words: str
    """What the run is about; the folder's name ends in it."""
    parent: Path = RUNS

    def earlier(self) -> list[Path]:
        """The folders of the command's earlier runs, the latest first."""
        found = [(self._number(path), path) for path in self._entries()]
        return [path for number, path in sorted(found, reverse=True) if number and path.is_dir()]

    def new(self) -> Path:
        """Make the next folder; two programs at once never get the same one."""
        self.parent.mkdir(parents=True, exist_ok=True)
        number = max(map(self._number, self._entries()), default=0) + 1
        end = slug(self.words, _LONGEST)
        while True:
            folder = self.parent / "-".join(filter(None, (self.command, f"{number:04d}", end)))
            number += 1
            if any(self._number(path) == number - 1 for path in self._entries()):
                continue
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            except OSError as error:
                raise RunError(
                    f"{folder}: cannot be made ({error.strerror})", hint="name another folder with --out"
                ) from error
            return folder

    def _entries(self) -> list[Path]:
        return list(self.parent.iterdir()) if self.parent.is_dir() else []

    def _number(self, path: Path) -> int:
        """Of a folder of the command; 0 for anything else."""
        found = re.fullmatch(rf"{re.escape(self.command)}-(\d{{4,}})(-.*)?", path.name, re.DOTALL)
        return int(found[1]) if found else 0


def slug(text: str, longest: int) -> str:
    """Words as a file's name may have them, in so many bytes at most.

    >>> slug("A red car, in the snow!", 40)
    'a-red-car-in-the-snow'
    >>> slug("红色的汽车", 7)
    '红色'
    """
    words = "".join(letter if letter.isalnum() else "-" for letter in text.lower())
    joined = "-".join(filter(None, words.split("-"))).encode()[:longest]  # file systems count bytes
    return joined.decode(errors="ignore").rstrip("-")


def point_at(folder: Path) -> None:
    """Let `latest` beside a folder lead to it: a link, or latest.txt with its name where links cannot be.

    Whatever else is called so stays.
    """
    link = folder.parent / LATEST
    if os.path.lexists(link) and not link.is_symlink():
        return
    stage = link.with_name(f".{uuid.uuid4().hex[:8]}-{LATEST}")
    try:
        stage.symlink_to(folder.name, target_is_directory=True)
        stage.replace(link)
    except OSError:
        write_text(link.with_suffix(".txt"), f"{folder.name}\n")
