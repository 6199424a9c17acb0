"""Where results go: into a run folder, or, where a video's name is given, to that file alone.

A file is made in a hidden run folder beside it, from which an interrupted run goes on. At the end the file
and its run record, such as red.mp4 and red.mp4.toml, are moved to their places, and the hidden folder goes.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from frameweave.editing.options import EditOptions, GenerateOptions
from frameweave.editing.steadying.options import SteadyOptions
from frameweave.errors import FrameweaveError, InputError, RunError
from frameweave.runs import own_files
from frameweave.runs.atomic import sha256
from frameweave.runs.identity import Input
from frameweave.runs.places import Numbered
from frameweave.runs.records import Record
from frameweave.runs.run import LOG_FILE, PlannedRun, Run
from frameweave.runs.run_file import RUN_FILE, RunRecord, differing, read_run, refused
from frameweave.video.reading import VIDEOS
from frameweave.video.sequences import PICTURES
from frameweave.video.writing import SUFFIXES, check_quality

_Options = EditOptions | GenerateOptions | SteadyOptions


class _Took(Record):
    """Of the result in a run file: the seconds of each part of the work."""

    seconds: dict[str, float]


@dataclass(frozen=True)
class Place:
    """Where the videos of one run go."""

    work: Path | Numbered
    """The run folder."""
    names: tuple[str, ...]
    """Of the videos."""
    file: Path | None = None
    """Beside which the videos lie in the end; None for the run folder itself."""

    @classmethod
    def of(cls, out: Path | None, numbered: Numbered, name: str, count: int = 1) -> "Place":
        """By `--out`; `name` is a video's usual one, of which there are `count`.

        Raises `InputError` for a file that is no video which can be written.
        """
        if out is not None and out.suffix.lower() in {*VIDEOS, *PICTURES} - {*SUFFIXES} and not out.exists():
            raise InputError(
                f"{out}: cannot write {out.suffix}",
                hint=f"end the name in {', '.join(SUFFIXES)}, or in nothing",
            )
        if out is None or out.is_dir() or out.suffix.lower() not in SUFFIXES:
            return cls(numbered if out is None else out, _numbered(Path(name), count))
        return cls(out.with_name(f".{out.name}-run"), _numbered(Path(out.name), count), out)

    @property
    def suffix(self) -> str:
        """Of all its videos; it chooses their format."""
        return Path(self.names[0]).suffix.lower()

    def planned(
        self,
        command: str,
        options: EditOptions | GenerateOptions | SteadyOptions,
        given: Mapping[str, object],
    ) -> PlannedRun:
        """The run that goes there. Raises what `Run.planned` does, `RunError` for a file in the way, and
        `InputError` for a quality that its videos do not have.
        """
        check_quality(options.crf, self.suffix)
        if self.file is not None:
            place = self.file.resolve()
            for one in given.values():
                if isinstance(one, Input) and one.path is not None and one.path.resolve() == place:
                    raise InputError(
                        f"{one.path}: given both as the {one.name} and as --out", hint="give another --out"
                    )
        anew = options.overwrite
        plan = Run.planned(
            self.work, command, options, given=given, overwrite=anew, resume=options.resume and not anew
        )
        if self.file is not None:
            self._check_free(self.file, plan, overwrite=anew)
        return plan

    def finished(self, plan: PlannedRun) -> tuple[dict[str, float], list[Path]] | None:
        """What the same run took, part by part, and its videos, when all of it is there already."""
        if self.file is None:
            result, folder = plan.finished, plan.chosen
        elif not plan.resume:
            return None
        else:
            record, folder = self._recorded(self.file), self.file.parent
            if record is None or differing(record, plan.record):
                return None
            result = record.result if all(record.holds(folder, name) for name in self.names) else None
        if result is None or folder is None:
            return None
        took = _Took.from_json(result, where=f"{self.file or folder}: its run's result has ")
        return took.seconds, [folder / name for name in self.names]

    def published(self, run: Run) -> list[Path]:
        """Move what a finished run has made to its place, if that is not the run folder."""
        if self.file is None:
            return [run.folder / name for name in self.names]
        own = (RUN_FILE, LOG_FILE, *run.record.files)
        files = {name: sha256(run.folder / name) for name in self.names}
        run.record.updated(files=files).write(self._record(self.file))
        for name in self.names:
            (run.folder / name).replace(self.file.parent / name)
        own_files.remove(run.folder, own)  # the folder itself goes with its lock
        return [self.file.parent / name for name in self.names]

    def _check_free(self, file: Path, plan: PlannedRun, *, overwrite: bool) -> None:
        record = self._recorded(file)
        apart = [] if record is None else differing(record, plan.record)
        own = {} if record is None else record.files
        if (
            record is not None
            and apart
            and not overwrite
            and any(os.path.lexists(file.parent / name) for name in own)
        ):
            raise refused(file, record, plan.record, apart)
        for target in (file.parent / name for name in self.names):
            if not os.path.lexists(target) or (own.get(target.name) and overwrite):
                continue
            if target.name not in own:
                raise RunError(
                    f"{target}: is there already, and no run wrote it",
                    hint="move it away, or give another --out",
                )
            if record is not None and apart:
                raise refused(target, record, plan.record, apart)
            if not plan.resume:
                raise RunError(f"{target}: is there already", hint="give another --out, or --overwrite")

    def _recorded(self, file: Path) -> RunRecord | None:
        """The record beside a file, if there is one."""
        record = self._record(file)
        if not record.is_file():
            return None
        try:
            return read_run(record)
        except FrameweaveError as error:
            raise RunError(str(error.args[0]), hint="move that file away, or give another --out") from error

    @staticmethod
    def _record(file: Path) -> Path:
        return file.with_name(f"{file.name}.toml")


def result_suffix(video: Path) -> str:
    """Of what is made of a video: the video's own where it can be written."""
    suffix = video.suffix.lower()
    return suffix if suffix in SUFFIXES else ".mp4"


def _numbered(name: Path, count: int) -> tuple[str, ...]:
    """The names of several videos: edited-1.mp4 and so on."""
    if count == 1:
        return (name.name,)
    return tuple(f"{name.stem}-{number}{name.suffix}" for number in range(1, count + 1))
