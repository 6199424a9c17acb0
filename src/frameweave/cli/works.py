"""What commands call whose library functions are asked for otherwise than by inputs and settings.

Each imports its library when it is called: torch must not slow `--help`.
"""

from __future__ import annotations

import os
import webbrowser
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frameweave.cli import console
from frameweave.data.options import CaptionSourceOptions, PrepareOptions
from frameweave.editing.model_options import ModelOptions
from frameweave.editing.options import DemoOptions, EditOptions
from frameweave.errors import InputError
from frameweave.measuring.options import ReportOptions
from frameweave.miniature.options import PartOptions
from frameweave.progress import SILENT, Job, Progress
from frameweave.runs.settings import Settings
from frameweave.study.options import StudyServeOptions
from frameweave.training.options import TrainOptions
from frameweave.training.personal_options import PersonalOptions

if TYPE_CHECKING:
    from frameweave.models.stable_diffusion import StableDiffusion

_TOKEN = "FRAMEWEAVE_ADMIN_TOKEN"
_SHORTEST = 12


def edit(video: Path, prompts: Sequence[str], options: EditOptions, *, progress: Progress) -> Any:
    if options.compare:
        from frameweave.editing.comparing.compare import compare

        if len(prompts) > 1:
            raise InputError("--compare takes one prompt", hint="compare them one by one")
        return compare(video, prompts[0], options, progress=progress)
    from frameweave.editing.edit import edit as edit_video
    from frameweave.editing.planning.beforehand import beforehand
    from frameweave.editing.setup import load_model

    if len(prompts) > 1:
        progress.note(f"{len(prompts)} prompts, one result each")
    if progress is SILENT:
        return edit_video(video, prompts, options)
    with Job(progress, "percent of the edit") as job:

        def load(asked: ModelOptions) -> StableDiffusion:
            model = load_model(asked)
            if (found := beforehand(video, prompts, options, model)) is not None:
                progress.note(f"this edit takes {found.told}")
                if not console.machine():  # programs are told of every loop by its name
                    job.begin(found.parts)
            return model

        return edit_video(video, prompts, options, load=load, progress=job)


def demo(options: DemoOptions, *, progress: Progress) -> Any:
    from frameweave.editing.comparing.demo import demo as made

    page = made(options.replaced(open=False), progress=progress)
    if options.open:
        webbrowser.open(page.absolute().as_uri())
    return page


def train(options: TrainOptions, *, progress: Progress) -> Any:
    from frameweave.training.train import train as train_stages

    try:
        return options.out, train_stages(options.stages, options, progress=progress)
    except KeyboardInterrupt:
        progress.note("stopped; call the same command again to go on")
        raise


def train_personal(clip: Path, options: PersonalOptions, *, progress: Progress) -> Any:
    return train(options.replaced(data=str(clip)).placed, progress=progress)


def report(runs: Sequence[Path], options: ReportOptions, *, progress: Progress) -> Any:
    from frameweave.measuring.report.report import report as draw

    return draw(runs, options.out, options.baseline, primary=options.primary, progress=progress)


def serve(folder: Path, options: StudyServeOptions, *, progress: Progress) -> Any:
    from frameweave.study.server.serve import serve as serve_study

    admin = os.environ.get(_TOKEN)
    if admin is not None and len(admin) < _SHORTEST:
        raise InputError(f"{_TOKEN} has {len(admin)} letters, expected at least {_SHORTEST}")
    return serve_study(folder, options, admin=admin, progress=progress)


def prepare(source: str, options: PrepareOptions, *, progress: Progress) -> Any:
    from frameweave.data import prepare as preparing

    if options.dry_run:
        return preparing.planned_figures(source, options)
    return preparing.prepare(source, options, progress=progress)


def caption(source: str, options: CaptionSourceOptions, *, progress: Progress) -> Any:
    from frameweave.data.caption import caption as write_prompts
    from frameweave.data.sources.detect import chosen_clips

    return write_prompts(chosen_clips(source, options), options, progress=progress)


def check(folder: Path, options: Settings, *, progress: Progress) -> Any:
    from frameweave.data.checking import check as check_folder

    return folder, check_folder(folder, progress=progress)


def miniature_train(part: str, options: PartOptions, *, progress: Progress) -> Any:
    import torch

    from frameweave.miniature.recipe import PLANS, Recipe
    from frameweave.models.loading.choice import miniature_folder

    if options.threads is not None:
        torch.set_num_threads(options.threads)
    recipe = Recipe(options.folder, progress=progress)
    for name in list(PLANS) if part == "all" else [] if part == "assemble" else [part]:
        planned = PLANS.get(name)
        if planned is not None:
            planned = replace(planned, steps=options.steps or planned.steps)
        recipe.train(name, planned)
    if part not in ("all", "assemble"):
        return None
    recipe.assemble(miniature_folder())
    return {"model": miniature_folder()}
