"""frameweave miniature: train, score and look at the packaged model."""

from dataclasses import asdict, replace
from pathlib import Path

from frameweave.cli import console
from frameweave.errors import InputError


def train(
    part: str = "all",
    /,
    *,
    folder: Path = Path("runs/miniature"),
    steps: int | None = None,
    threads: int | None = None,
) -> None:
    """Train the packaged model, or one part of it; goes on where an earlier call stopped.

    Examples: `frameweave miniature train`; `frameweave miniature train unet --threads 1`.

    Parameters
    ----------
    part
        all, vae, decoder, towers, vision, judge, unet, estimator, controlnet, or assemble.
    folder
        Where checkpoints are kept.
    steps
        Another number of steps than the recipe's.
    threads
        CPU threads; default: all cores.
    """
    import torch  # noqa: PLC0415 - torch must not slow --help

    from frameweave.miniature.recipe import PLANS, Recipe  # noqa: PLC0415
    from frameweave.models.loading import miniature_folder  # noqa: PLC0415

    if threads is not None:
        torch.set_num_threads(threads)
    recipe = Recipe(folder, progress=console.progress())
    for name in list(PLANS) if part == "all" else [] if part == "assemble" else [part]:
        plan = PLANS.get(name)
        if plan is not None:
            plan = replace(plan, steps=steps or plan.steps)
        recipe.train(name, plan)
    if part in ("all", "assemble"):
        recipe.assemble(miniature_folder())
        console.result(model=str(miniature_folder()))


def world(*, out: Path = Path("runs/world"), clips: int = 3, frames: int = 24, seed: int = 0) -> None:
    """Write clips of the procedural world as mp4, with their captions.

    Example: `frameweave miniature world --clips 5 --out runs/world`.

    Parameters
    ----------
    out
        The folder to write to.
    clips
        How many clips.
    frames
        Frames per clip.
    seed
        Seed of the scenes; the same seed gives the same clips.
    """
    from frameweave.video.clip import Clip  # noqa: PLC0415 - torch must not slow --help
    from frameweave.world.clips import FPS, write_with_sound  # noqa: PLC0415
    from frameweave.world.grammar import phrase  # noqa: PLC0415
    from frameweave.world.render import render_clip  # noqa: PLC0415
    from frameweave.world.scene import sample_scenes  # noqa: PLC0415

    _check(clips, frames, least=1)
    scenes = sample_scenes(clips, seed=seed)
    for index in range(clips):
        path = out / f"{index:03d}.mp4"
        write_with_sound(Clip.of(render_clip(scenes[index], frames).frames, fps=FPS), path)
        console.result(clip=str(path), caption=phrase(scenes.words(index)))


def score(*, samples: int = 512, out: Path | None = None) -> None:
    """Measure the packaged model on held-out scenes against its bars.

    Example: `frameweave miniature score --samples 512 --out runs/score`.

    Parameters
    ----------
    samples
        Pictures to sample.
    out
        A folder for grids of samples and edits.
    """
    from frameweave.measuring.miniature_score import score as job  # noqa: PLC0415 - torch must not slow --help

    for row in job(samples, out, progress=console.progress()):
        console.result(**asdict(row))


def msrvtt(
    *, out: Path = Path("runs/msrvtt"), clips: int = 40, frames: int = 24, seed: int = 0, depth: bool = True
) -> None:
    """Write the procedural world as a small MSR-VTT of real mp4 files, with its annotations.

    Example: `frameweave miniature msrvtt --clips 40 --out runs/msrvtt`.

    Parameters
    ----------
    out
        The folder to write to.
    clips
        How many clips.
    frames
        Frames of each clip.
    seed
        Of everything that is drawn.
    depth
        Whether the exact depth is written beside each clip.
    """
    from frameweave.world.msrvtt_shaped import write_msrvtt_shaped  # noqa: PLC0415

    _check(clips, frames, least=2)
    folder = write_msrvtt_shaped(
        out, clips, seed=seed, frames=frames, depth=depth, progress=console.progress()
    )
    console.result(folder=str(folder))


def _check(clips: int, frames: int, *, least: int) -> None:
    if clips < 1 or frames < least:
        raise InputError(
            f"{clips} clips of {frames} frames, expected at least 1 clip of {least}",
            hint="leave --clips and --frames out for the defaults",
        )
