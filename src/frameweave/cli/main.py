"""The entry point: the command line made from the table, and exit codes. Imports nothing heavy."""

import errno
import os
import sys
from typing import Annotated, NoReturn

from cyclopts import App, CycloptsError, Group, Parameter

from frameweave import __version__
from frameweave.cli import console, usage
from frameweave.cli.commands import COMMANDS, GATHERED, HEADINGS, OTHER
from frameweave.errors import FrameweaveError, InputError
from frameweave.runs.text import unwritable


def _made() -> App:
    """The command line with every row of the table."""
    made = App(
        name="frameweave",
        help="Text-driven video editing with pretrained text-to-image diffusion models.",
        version=__version__,
        suppress_keyboard_interrupt=False,
        help_epilogue="Example: frameweave edit clip.mp4 'a blue car in the snow' --out runs/blue",
    )
    headings = {name: Group(name, sort_key=number) for number, name in enumerate(HEADINGS)}
    gathering = {
        name: App(
            name=name, help=text, group=headings[heading], help_epilogue=f"Example: frameweave {example}"
        )
        for name, (heading, text, example) in GATHERED.items()
    }
    for command in COMMANDS:
        gathered, _, name = command.name.rpartition(" ")
        group = None if gathered else headings[command.group]
        (gathering[gathered] if gathered else made).command(
            f"frameweave.cli.lazy:{command.name}",
            name=name,
            group=group,
            help=command.help,
            help_epilogue=f"Example: frameweave {command.example}",
        )
    made.command(
        "frameweave.cli.rerun:rerun",
        name="rerun",
        group=headings[OTHER],
        help="Repeat a run from its run.toml, with changed flags.\n\nWithout --out it takes a new folder.",
        help_epilogue="Example: frameweave rerun runs/latest --steps 50",
    )
    for one in gathering.values():
        made.command(one)
    made.register_install_completion_command(help="Install shell completion.", group=headings[OTHER])
    return made


app = _made()
_ALL = Group("Every command", sort_key=100)
app.meta.suppress_keyboard_interrupt = False  # `run` says what was left


@app.meta.default
def _meta(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    quiet: Annotated[bool, Parameter(name="--quiet", negative="", group=_ALL, show_default=False)] = False,
    json: Annotated[bool, Parameter(name="--json", negative="", group=_ALL, show_default=False)] = False,
) -> None:
    """Global flags.

    Parameters
    ----------
    quiet
        Say nothing but errors.
    json
        Write progress, result and error as JSON lines on standard output.
    """
    console.choose(quiet=quiet, json_lines=json)
    if text := unwritable(tokens):
        raise InputError(f"{text} is not UTF-8 text", hint="write it, or name the file, in UTF-8")
    app(tokens, exit_on_error=False, print_error=False)


def run() -> None:
    """The `frameweave` command. Exit codes: 0 ok, 1 failure, 2 wrong input, 130 interrupted."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        app.meta(exit_on_error=False, print_error=False)
    except FrameweaveError as error:
        _fail(error.args[0], hint=error.hint, exit_code=error.exit_code)
    except CycloptsError as error:
        message, hint = usage.told(error)
        _fail(message, hint=hint, exit_code=2)
    except KeyboardInterrupt:
        _fail("interrupted; no unfinished file was left", exit_code=130)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        todo = "free some space, or choose another --out" if full else "check this path and --out"
        _fail(f"{error.filename or 'disk'}: {error.strerror or error}", hint=todo, exit_code=1)


def _fail(message: str, *, hint: str = "", exit_code: int) -> NoReturn:
    console.failure(message, hint=hint, exit_code=exit_code)
    sys.exit(exit_code)
