"""What a stage is trained on, by content: a stopped training goes on with the very same, or not at all."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from frameweave.errors import RunError
from frameweave.models.identity import inputs_of as networks_of
from frameweave.runs.atomic import write_text
from frameweave.training.options import TrainOptions
from frameweave.video.group import GroupSource

FILE = "inputs.json"
_TOLD = 3


@runtime_checkable
class MadeOfFiles(Protocol):
    """A source whose groups come out of files."""

    def contents(self) -> dict[str, str]:
        """What each file, or each video with its captions, holds: digests by name."""
        ...


@runtime_checkable
class Captioned(Protocol):
    """A source whose captions are known without decoding its groups."""

    def captions(self) -> tuple[str, ...]: ...


def inputs_of(options: TrainOptions, source: GroupSource, data: str) -> dict[str, str]:
    """Digests by name: the models of the options, and what the groups of that data come out of."""
    named = networks_of(options.choice, depth_model=options.depth_model)
    found = {name: one.digest for name, one in named.items()}
    files = source.contents() if isinstance(source, MadeOfFiles) else {}
    return found | {f"{data}: {name}": digest for name, digest in files.items()}


def check_same(folder: Path, now: Mapping[str, str], *, goes_on: bool) -> None:
    """Note what a stage is trained on. Raises `RunError` when it `goes_on` with something else."""
    file = folder / FILE
    before = _read(file) if goes_on and file.is_file() else None
    if before is None:
        write_text(file, json.dumps(dict(now), indent=1))
        return
    changed = [f"{name} has changed" for name in now if name in before and before[name] != now[name]]
    changed += [f"{name} is gone" for name in before if name not in now]
    changed += [f"{name} is new" for name in now if name not in before]
    if changed:
        more = f" and {len(changed) - _TOLD} more" if len(changed) > _TOLD else ""
        raise RunError(
            f"{folder}: trained on other inputs so far: {'; '.join(changed[:_TOLD])}{more}",
            hint="put them back as they were, or give another --out to train on these",
        )


def _read(file: Path) -> dict[str, str]:
    try:
        found: object = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{file}: damaged ({error})", hint="give another --out to train anew") from error
    if not isinstance(found, dict):
        raise RunError(f"{file}: expected a table of inputs", hint="give another --out to train anew")
    return {str(name): str(digest) for name, digest in found.items()}  # pyright: ignore
