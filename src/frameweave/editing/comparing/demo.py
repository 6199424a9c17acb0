"""The demo: a bundled clip is edited by a few editors, without and with the adaptor; one page shows it."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from frameweave.adaptor.adaptor import load_adaptor
from frameweave.editing.adapting import adapted, use_of
from frameweave.editing.comparing.demo_page import Edit, flicker, write_page
from frameweave.editing.options import DemoOptions, EditOptions
from frameweave.editing.planning.beforehand import in_words, of_source
from frameweave.editing.planning.source import Source
from frameweave.editors import registry, running
from frameweave.models.loading.choice import MINIATURE
from frameweave.models.loading.load import load
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import SILENT, Job, Progress
from frameweave.runs.run import PlannedRun, Run
from frameweave.video.clip import Clip
from frameweave.world.clips import HeldOutClip, held_out_clips
from frameweave.world.grammar import phrase

PAGE = "report.html"
_SOURCE = "source.mp4"


@dataclass(frozen=True)
class Asked:
    """An editor, and what it changes in the scene, e.g. {"colour": "red"}."""

    editor: str
    change: dict[str, str]
    settings: dict[str, float] = field(default_factory=dict[str, float])
    """Of the editor, beside the steps."""

    @property
    def truth(self) -> str:
        """The file of the true edit."""
        return f"{'-'.join(self.change.values())}-true.mp4"

    def file(self, *, with_adaptor: bool) -> str:
        return f"{'-'.join(self.change.values())}-{self.editor}{'-adaptor' if with_adaptor else ''}.mp4"


EDITS = (
    Asked("delta", {"colour": "red"}, {"start_sigma": 2.5}),
    Asked("delta", {"style": "cartoon"}, {"start_sigma": 2.5}),
    Asked("framewise", {"colour": "red"}),
    Asked("vidtome", {"colour": "red"}),
)
"""Editors of different kinds and few edits, so that a demo stays short. `framewise` shows what flickers.

Colours and styles need no more noise than that: shapes are kept."""


def demo(options: DemoOptions, *, progress: Progress = SILENT) -> Path:
    """Make every one of `EDITS` of the first bundled clip, without and with the packaged adaptor.

    Each video is written as soon as it is finished, and not made again when a demo that was stopped goes on.
    Returns the page that shows them.
    """
    anew = options.overwrite
    plan = Run.planned(options.out, "demo", options, overwrite=anew, resume=not anew)
    if plan.finished is not None:
        progress.note("this demo is finished already; --overwrite makes it anew")
        return options.out / PAGE
    with plan.held():
        return _made(plan, options, progress)


def _made(plan: PlannedRun, options: DemoOptions, progress: Progress) -> Path:
    held_out, model = held_out_clips()[0], load(MINIATURE)
    work = _Work(held_out, Clip.read(held_out.path, frames=options.frames), model, options)
    run = plan.start()
    tasks = list(work.tasks())
    truths = {one.truth: one.change for one in EDITS}
    run.will_write(_SOURCE, *truths, *(one.file(with_adaptor=on) for one, on in tasks), PAGE)
    work.source.write(run.folder / _SOURCE)
    for name, change in truths.items():
        held_out.rendered(len(work.source), **change).write(run.folder / name)
    for name in (_SOURCE, *truths):
        run.wrote(name)
    left = [task for task in tasks if not run.whole(task[0].file(with_adaptor=task[1]))]
    parts = list(work.parts(left))
    whole = in_words(sum(seconds for _, seconds in parts))
    progress.note(
        f"{len(left)} edits of a bundled clip of {len(work.source)} frames; this takes about {whole}"
    )
    start = time.perf_counter()
    with Job(progress, "percent of the demo") as job:
        job.begin(parts)
        for number, (one, on) in enumerate(left, 1):
            with_it = " with the adaptor" if on else ""
            job.note(f"{number} of {len(left)}: {one.editor}{with_it}, {work.prompt(one)}")
            name = one.file(with_adaptor=on)
            work.edited(one, job, with_adaptor=on).write(run.folder / name)
            run.wrote(name)
            job.note(f"wrote {run.folder / name}")
    took = round(time.perf_counter() - start, 2)
    page = _page(run, work, tasks)
    run.wrote(PAGE)
    run.finish({"report": PAGE, "seconds": {"edits": took}})
    return page


@dataclass(frozen=True, eq=False)
class _Work:
    """What all edits of the demo have in common."""

    held_out: HeldOutClip
    source: Clip
    model: StableDiffusion
    options: DemoOptions

    def tasks(self) -> Iterator[tuple[Asked, bool]]:
        """Every edit without the adaptor, and with it where it acts."""
        adaptor = load_adaptor(MINIATURE)
        for one in EDITS:
            yield one, False
            if not use_of(adaptor, self._asked(one, on=True), one.editor, self.model.schedule.T).silent:
                yield one, True

    def prompt(self, one: Asked) -> str:
        return phrase(self.held_out.words | one.change)

    def parts(self, tasks: Sequence[tuple[Asked, bool]]) -> Iterator[tuple[str, float]]:
        """The loops of all edits with their seconds, which an adaptor hardly changes."""
        clip = Source(self.source.size, len(self.source))
        first = {one.editor: one for one, _ in tasks}
        known = {
            name: of_source(clip, [self.prompt(one)], self._asked(one, on=False), self.model)
            for name, one in first.items()
        }
        for one, _ in tasks:
            found = known[one.editor]
            yield from () if found is None else found.parts

    def edited(self, one: Asked, progress: Progress, *, with_adaptor: bool) -> Clip:
        """One edit."""
        asked = self._asked(one, on=with_adaptor)
        editor = registry.make(one.editor, {"steps": self.options.steps, **one.settings})
        with adapted(self.model, asked, one.editor, editor, SILENT) as model:
            return running.edit_clip(
                editor,
                self.source,
                self.prompt(one),
                model,
                source_prompt=self.held_out.caption,
                rng=torch.Generator().manual_seed(self.options.seed),
                progress=progress,
            )

    def _asked(self, one: Asked, *, on: bool) -> EditOptions:
        return EditOptions(
            editor=one.editor,
            steps=self.options.steps,
            source_prompt=self.held_out.caption,
            adaptor=MINIATURE if on else None,
            set=tuple(f"{name}={value}" for name, value in one.settings.items()),
        )


def _page(run: Run, work: _Work, tasks: Sequence[tuple[Asked, bool]]) -> Path:
    """The page of what was written."""

    def frames(name: str) -> Tensor:
        return Clip.read(run.folder / name).frames

    source, edits = work.source.frames, list[Edit]()
    for one in EDITS:
        names = {"": one.file(with_adaptor=False), " + adaptor": one.file(with_adaptor=True)}
        made = {f"{one.editor}{arm}": names[arm] for on, arm in enumerate(names) if (one, bool(on)) in tasks}
        made |= {"true edit": one.truth}
        flickers = {title: flicker(source, frames(name)) for title, name in made.items()}
        videos = {"source": _SOURCE, **made}
        edits.append(Edit(one.editor, work.prompt(one), work.held_out.caption, videos, flickers))
    return write_page(run.folder, PAGE, edits)
