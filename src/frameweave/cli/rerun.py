"""frameweave rerun."""

from dataclasses import replace
from pathlib import Path

from frameweave.cli import console
from frameweave.errors import InputError
from frameweave.jobs.options import DemoOptions, EditOptions, GenerateOptions
from frameweave.run import read_run
from frameweave.settings import from_table
from frameweave.training.options import TrainOptions

_KINDS = {"edit": EditOptions, "generate": GenerateOptions, "demo": DemoOptions, "train": TrainOptions}


def rerun(run: Path, /, *, out: Path | None = None, overwrite: bool = False) -> None:
    """Repeat a run from its run.toml.

    Example: `frameweave rerun runs/edit/run.toml --out runs/again`.

    Parameters
    ----------
    run
        A run.toml, or the run folder that holds it.
    out
        Another run folder; default: the one that the run used.
    overwrite
        Replace an earlier run in that folder; a training run goes on instead.
    """
    tables = read_run(run)
    command = tables.get("command", "")
    if command not in _KINDS:
        raise InputError.unknown(f"command in {run}:", str(command), list(_KINDS))
    options = from_table(_KINDS[command], tables.get("settings", {}), where=str(run))
    options = replace(options, out=out or options.out)
    if not isinstance(options, TrainOptions):
        options = replace(options, overwrite=overwrite)
    given = tables.get("input", {})
    from frameweave.jobs import compare as compare_job  # noqa: PLC0415 - torch must not slow --help
    from frameweave.jobs import demo as demo_job  # noqa: PLC0415
    from frameweave.jobs import edit as edit_job  # noqa: PLC0415
    from frameweave.jobs import train as train_job  # noqa: PLC0415

    match options:
        case EditOptions(compare=True):
            video, (prompt,) = Path(given["video"]), given["prompts"]
            files = compare_job.compare(video, prompt, options, progress=console.progress())
            console.result(**files)
        case EditOptions():
            edited = edit_job.edit(
                Path(given["video"]), given["prompts"], options, progress=console.progress()
            )
            console.result(videos=[str(one.video) for one in edited], seconds=edited[-1].seconds)
        case GenerateOptions():
            done = edit_job.generate(given["prompt"], options, progress=console.progress())
            console.result(video=str(done.video), seconds=done.seconds)
        case TrainOptions():
            trained = train_job.train(tuple(given["stages"]), options, progress=console.progress())
            console.result(folder=str(options.out), **trained.figures)
        case DemoOptions():
            console.result(report=str(demo_job.demo(options, progress=console.progress())))
