"""What can be found out before anything heavy is imported: paths and names that are not there."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from frameweave.adaptor.options import AUTO
from frameweave.adaptor.packaged import PACKAGED
from frameweave.cli.command import Command
from frameweave.cli.flags import marks
from frameweave.editing import listed
from frameweave.errors import InputError, ModelFolderError
from frameweave.runs.asked import asked_by_editor
from frameweave.runs.settings import MustExist, Settings

_URL = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)


def inputs(command: Command, given: Sequence[Any]) -> None:
    """Raise an error for an input that is not there, and for prompts that look like one without quotes."""
    for one, value in zip(command.inputs, given, strict=True):
        if one.kind is Path:
            for path in value if one.many else [value]:
                _must_exist(path)
        elif one.name == "adaptor":
            _adaptor(value, PACKAGED)
        elif one.name == "prompts":
            _one_prompt(value)


def settings(found: Settings) -> None:
    """Raise an error for a path or a name among settings that is not there."""
    for name, field in type(found).model_fields.items():
        value = getattr(found, name)
        if value is None:
            continue
        if any(isinstance(one, MustExist) for one in marks(field)):
            _must_exist(value)
        elif name in ("adaptor", "full"):
            _adaptor(value, PACKAGED if name == "full" else (*PACKAGED, AUTO))
        elif name in ("editor", "editors"):
            for editor in [value] if isinstance(value, str) else value:
                if editor not in listed.names():
                    raise InputError.unknown("editor", editor, listed.names())


def asked(command: Command, found: Settings) -> None:
    """Raise an error for what `--set` asks of editors that are known without being imported."""
    texts: Sequence[str] = getattr(found, "set", ())
    named = [getattr(found, "editor", "")]
    if "editor" in type(found).model_fields and any(one.name == "table" for one in command.inputs):
        return  # a line of the table may name another one
    every = getattr(found, "compare", False)
    known = [listed.known(name) for name in (listed.names() if every else getattr(found, "editors", named))]
    if texts and all(known):
        asked_by_editor({one.editor: one.names for one in known if one is not None}, texts)


def videos(command: Command, given: Sequence[Any]) -> None:
    """Raise an error for a video that cannot be read."""
    found = [value for one, value in zip(command.inputs, given, strict=True) if one.video]
    if found:
        from frameweave.video import probe

        for video in found:
            probe(video)


def _must_exist(path: Path | None) -> None:
    if path is None or path.exists():
        return
    if _URL.match(str(path)):
        # a path has lost one of the slashes
        url = re.sub(r":/+", "://", str(path), count=1)
        raise InputError(f"{url}: an address, expected a file", hint="download it first, then give the file")
    what = "file" if path.suffix else "file or folder"
    raise InputError(f"{path}: no such {what}", hint="check the path")


def _adaptor(name: str, names: Sequence[str]) -> None:
    """Raise `ModelFolderError` for one that is not there; files of other kinds are told when read."""
    if name not in names and Path(name).suffix in ("", ".safetensors") and not Path(name).exists():
        raise ModelFolderError(
            f"{name}: not there",
            hint=f"give {' or '.join(names)}, or a folder that `frameweave train` wrote",
        )


def _one_prompt(prompts: Sequence[str]) -> None:
    """Words without quotes would be a prompt each, and as many edits."""
    if len(prompts) > 1 and not any(set(prompt) & set(" \t\n,.") for prompt in prompts):
        words = " ".join(prompts)
        raise InputError(
            f"{len(prompts)} prompts of one word each: {', '.join(prompts)}",
            hint=f'put the prompt in quotes: "{words}"; several prompts take two words or more each',
        )
