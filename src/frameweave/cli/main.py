"""The entry point: finds the command, maps errors to exit codes. Imports nothing heavy."""

import errno
import os
import sys
from typing import Annotated, NoReturn

from cyclopts import App, CycloptsError, Parameter

from frameweave import __version__
from frameweave.cli import console
from frameweave.errors import FrameweaveError, InputError, require_extra
from frameweave.runs.text import unwritable

app = App(
    name="frameweave",
    help="Text-driven video editing with pretrained text-to-image diffusion models.",
    version=__version__,
    suppress_keyboard_interrupt=False,
    help_epilogue="Example: frameweave edit clip.mp4 'a blue car in the snow' --out runs/blue",
)
# Name: what it does, an example. Given here, so that no command is imported for --help.
_COMMANDS = {
    "edit": ("Edit a video by a prompt.", "edit clip.mp4 'a blue car in the snow' --out runs/blue"),
    "edit-many": ("Edit many videos by a table.", "edit-many edits.csv --editor tokenflow --out runs/edits"),
    "generate": ("Make a clip from a prompt alone.", "generate 'a red fish in the sky' --frames 8"),
    "demo": ("Edit a bundled clip in several ways and write a report.", "demo --out runs/demo"),
    "editors": ("List the editors and their settings.", "editors"),
    "doctor": ("Show versions, devices, memory, and what is missing.", "doctor --fast"),
    "rerun": ("Repeat a run from its run.toml.", "rerun runs/edit/run.toml --out runs/again"),
    "export": ("Write an adaptor for other programs.", "export runs/train/adaptor --out runs/export"),
    "verify": ("Check that an adaptor does the same everywhere.", "verify runs/train/adaptor"),
    "grid": ("Edit with every editor and adaptor, and measure.", "grid --clips 64 --out runs/grid"),
    "ablation": ("Measure adaptors that lack one of their parts.", "ablation --out runs/ablation"),
    "tune": ("Choose how an adaptor acts in each editor.", "tune runs/train/adaptor --workers 2"),
    "evaluate": ("Measure edited videos.", "evaluate edited.mp4 --source clip.mp4 --prompt 'a red car'"),
    "report": ("Draw the tables of a grid or an ablation.", "report runs/grid"),
    "bench": ("Measure speed and memory, as ratios within one run.", "bench"),
}
_MINIATURE = {
    "train": ("Train the packaged model, or one part of it.", "miniature train unet --threads 2"),
    "score": ("Measure the packaged model on held-out scenes.", "miniature score --out runs/score"),
    "msrvtt": ("Write the procedural world as a small MSR-VTT.", "miniature msrvtt --clips 40"),
    "world": ("Write clips of the procedural world as mp4.", "miniature world --clips 5"),
}
_TRAIN = {
    "depth": ("Train the depth ControlNet (stage 1).", "train depth --out runs/train"),
    "tokens": ("Train shared tokens and projection (stage 2).", "train tokens --out runs/train"),
    "lora": ("Train the LoRA with the temporal loss (stage 3).", "train lora --out runs/train --steps 1000"),
    "all": ("Train several stages in order.", "train all --stages tokens --stages lora"),
}
train = App(name="train", help="Train an adaptor; goes on where an earlier call stopped.")
_DATA = {
    "prepare": ("Prepare videos with captions as training shards.", "data prepare my-videos --out shards"),
    "caption": ("Rewrite captions into edit prompts.", "data caption my-videos --rules"),
    "check": ("Verify a prepared data set.", "data check shards"),
    "encode": ("Encode a prepared data set once for a model.", "data encode shards"),
    "show": ("Draw a contact sheet of a prepared data set.", "data show shards"),
}
data = App(name="data", help="From videos with captions to training shards.")
_STUDY = {
    "new": ("Build a blinded pairwise study out of runs.", "study new runs/grid --out runs/study"),
    "serve": ("Serve a study to raters' browsers.", "study serve runs/study --port 8000"),
    "report": ("Draw who was preferred, with intervals.", "study report runs/study"),
}
study = App(name="study", help="A user study: which of two edits do people prefer?")
_PLAN = {"train": ("Tell memory and time of a training run.", "plan train --from paper --stages lora")}
plan = App(name="plan", help="Tell what a run will take, before it is started.")
miniature = App(name="miniature", help="Train, score and look at the packaged model.")
_FUNCTIONS = {"all": "every", "edit-many": "edit_many"}  # where the command's name would hide a built-in
for _parent, _module, _commands in (
    (app, "frameweave.cli.{0}", _COMMANDS),
    (train, "frameweave.cli.train", _TRAIN),
    (plan, "frameweave.cli.plan", _PLAN),
    (miniature, "frameweave.cli.miniature", _MINIATURE),
    (data, "frameweave.cli.data", _DATA),
    (study, "frameweave.cli.study", _STUDY),
):
    for _name, (_help, _example) in _commands.items():
        _parent.command(
            f"{_module.format(_name.replace('-', '_'))}:{_FUNCTIONS.get(_name, _name)}",
            name=_name,
            help=_help,
            help_epilogue=f"Example: frameweave {_example}",
        )
app.command(train)
app.command(plan)
app.command(data)
app.command(study)
app.command(miniature)
app.register_install_completion_command(help="Install shell completion.")

app.meta.suppress_keyboard_interrupt = False  # `run` says what was left


@app.meta.default
def _meta(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    quiet: Annotated[bool, Parameter(name="--quiet", negative="")] = False,
    json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> None:
    """Global flags.

    Parameters
    ----------
    quiet
        Say nothing but errors.
    json
        Write progress and result as JSON lines on standard output.
    """
    console.choose(quiet=quiet, json_lines=json)
    if text := unwritable(tokens):
        raise InputError(f"{text} is not UTF-8 text", hint="write it, or name the file, in UTF-8")
    if any(token.startswith("--ray") for token in tokens):
        require_extra("ray", "ray")  # told before anything is loaded
    if tokens[:1] in (("train",), ("plan",)):
        from frameweave.cli.run_files import expanded  # noqa: PLC0415 - other commands start without it
        from frameweave.training.options import TrainOptions  # noqa: PLC0415

        tokens = tuple(expanded(tokens, TrainOptions))
    elif tokens[:1] == ("edit",):
        from frameweave.cli.times import with_range  # noqa: PLC0415

        tokens = tuple(with_range(tokens))
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
        _fail(" ".join(str(error).split()), exit_code=2)
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
