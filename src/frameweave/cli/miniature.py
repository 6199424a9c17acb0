"""frameweave miniature: train, score and look at the packaged model."""

from dataclasses import replace
from pathlib import Path

from frameweave.cli import console


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
    from frameweave.model.loading import miniature_folder  # noqa: PLC0415

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
    from frameweave.clip import Clip  # noqa: PLC0415 - torch must not slow --help
    from frameweave.miniature.clips import FPS, write_with_sound  # noqa: PLC0415
    from frameweave.miniature.grammar import phrase  # noqa: PLC0415
    from frameweave.miniature.scene import sample_scenes  # noqa: PLC0415
    from frameweave.miniature.world import render_clip  # noqa: PLC0415

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
    from frameweave.experiments.miniature_score import score as job  # noqa: PLC0415 - torch must not slow --help

    for row in job(samples, out, progress=console.progress()):
        console.result(**row)


def effect(
    adaptor: str = "miniature",
    /,
    *,
    clips: int = 64,
    tokens: bool = False,
    strength: float | None = None,
) -> None:
    """Measure what an adaptor changes on held-out clips: the same seeds with and without it.

    Example: `frameweave miniature effect runs/train/adaptor --clips 64`.

    Parameters
    ----------
    adaptor
        The packaged "miniature", or a folder that `frameweave train` wrote.
    clips
        How many clips to edit with each editor.
    tokens
        Whether the adaptor's prompt tokens act too.
    strength
        How strongly the LoRA acts; default: as the adaptor says.
    """
    from frameweave.experiments.adaptor_effect import effect as job  # noqa: PLC0415 - torch must not slow --help
    from frameweave.model.adaptor import load_adaptor  # noqa: PLC0415

    loaded = load_adaptor(adaptor)
    for row in job(loaded, clips=clips, tokens=tokens, strength=strength, progress=console.progress()):
        console.result(**row)
