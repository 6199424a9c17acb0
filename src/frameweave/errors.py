"""The errors that a user can cause or meet.

FrameweaveError             has a `hint`: what to do about it
├── InputError              a flag, a prompt or a clip is wrong (exit code 2)
├── ModelFolderError        a model folder or file is missing, broken or refused (exit code 2)
├── AdaptorMismatch         an adaptor does not fit the model (exit code 2)
├── DataError               a data file is wrong; names file and line (exit code 2)
├── MissingExtra            an optional package is not installed (exit code 2)
├── RunError                a run folder is taken, or cannot be resumed or written (exit code 2)
├── Stopped                 a guarded process was too slow, died or ran out of memory (exit code 1;
│                           in engine/task.py)
├── OutOfMemory             a device has too little memory; says what to turn down (exit code 1)
├── NotFinite               a network gave values that are no numbers (exit code 1)
└── CheckFailed             a comparison is off by more than its tolerance (exit code 1)

Each message says what was found and what was expected; the hint says what to do. Anything else
that is raised is a bug and keeps its traceback.
"""

import difflib
from collections.abc import Sequence
from importlib.util import find_spec


class FrameweaveError(Exception):
    """Base of all errors that are explained to the user in one line."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "", reason: str = "") -> None:
        """`reason` is a word by which errors of one kind are counted, such as truncated."""
        super().__init__(message)
        self.hint, self.reason = hint, reason

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message}; {self.hint}" if self.hint else message


class InputError(FrameweaveError):
    """A flag, a prompt or a clip is wrong."""

    @classmethod
    def unknown(cls, what: str, name: str, known: Sequence[str]) -> "InputError":
        """There is no such name; the nearest known one is suggested.

        >>> str(InputError.unknown("editor", "framewize", ["framewise", "tokenflow"]))
        "unknown editor 'framewize', expected one of framewise, tokenflow; did you mean framewise?"
        """
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "choose one of them"
        return cls(f"unknown {what} {name!r}, expected one of {', '.join(known)}", hint=hint)


class ModelFolderError(FrameweaveError):
    """A model folder or file is missing, broken or refused: what was sought, what was found."""


class AdaptorMismatch(FrameweaveError):
    """An adaptor does not fit the model: both sizes are named."""


class DataError(FrameweaveError):
    """A data file is wrong: file and line are named."""


class MissingExtra(FrameweaveError):
    """A package of an extra is not installed: the line that installs it is named."""


class RunError(FrameweaveError):
    """A run folder is taken, or cannot be resumed or written."""


class OutOfMemory(FrameweaveError):
    """A device has too little memory: what was done, and what to turn down."""

    exit_code = 1


class NotFinite(FrameweaveError):
    """A network gave NaN or infinity: what was computed, and how much of it."""

    exit_code = 1


class CheckFailed(FrameweaveError):
    """A comparison is off by more than its tolerance: what was compared, and both numbers."""

    exit_code = 1


def in_one_line(error: Exception) -> str:
    """Why something failed, for a table or a list; of errors that nobody explained, their type too.

    >>> in_one_line(RuntimeError("sizes\\ndiffer")), in_one_line(InputError("no frames"))
    ('RuntimeError: sizes differ', 'no frames')
    """
    explained = isinstance(error, FrameweaveError | OSError)
    words = str(error) if explained else f"{type(error).__name__}: {error}"
    return " ".join(words.split()).removesuffix(":")


def explained(error: Exception) -> tuple[str, str]:
    """Why something failed, in one line, and what to do about it, which may be empty.

    >>> explained(InputError("no frames", hint="check --start"))
    ('no frames', 'check --start')
    """
    if isinstance(error, FrameweaveError):
        return " ".join(str(error.args[0]).split()), error.hint
    return in_one_line(error), ""


def require_extra(extra: str, *modules: str, otherwise: str = "") -> None:
    """Raise `MissingExtra` unless the modules that an extra brings can be imported.

    Nothing is imported. `otherwise` is what a user can do without the extra.
    """
    found = {module: find_spec(module) for module in modules}
    missing = [
        module for module, spec in found.items() if spec is None or spec.origin is None
    ]  # None: a folder
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        without = f" ({otherwise})" if otherwise else ""
        raise MissingExtra(
            f"{' and '.join(missing)} {verb} not installed{without}",
            hint=f"pip install 'frameweave[{extra}]'",
        )
