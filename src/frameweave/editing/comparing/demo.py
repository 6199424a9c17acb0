"""The demo: bundled clips are edited by a few editors, without and with an adaptor; one page shows it."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from frameweave.adaptor.options import AUTO
from frameweave.editing.adapting import adapted, settled
from frameweave.editing.comparing.demo_page import Edit, flicker, write_page
from frameweave.editing.options import DemoOptions, EditOptions
from frameweave.editing.planning.beforehand import Beforehand, in_words, of_source
from frameweave.editing.planning.source import Source
from frameweave.editors import registry, running
from frameweave.models.loading.choice import MINIATURE
from frameweave.models.loading.load import load
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import SILENT, Job, Progress
from frameweave.runs.run import PlannedRun, Run
from frameweave.video.clip import Clip
from frameweave.world.clips import HeldOutClip, held_out_clips, stranger_clip
from frameweave.world.grammar import phrase

PAGE = "report.html"


@dataclass(frozen=True)
class Asked:
    """An editor, and what it changes in the scene, e.g. {"colour": "red"}."""

    editor: str
    change: dict[str, str]
    settings: dict[str, float] = field(default_factory=dict[str, float])
    """Of the editor, beside the steps."""
    strange: bool = False
    """Whether the clip shows what the Miniature never saw."""

    @property
    def clip(self) -> HeldOutClip:
        """What is edited."""
        return stranger_clip() if self.strange else held_out_clips()[0]

    @property
    def prompt(self) -> str:
        return phrase(self.clip.words | self.change)

    @property
    def source(self) -> str:
        """The file of the clip."""
        return f"{self._begins}source.mp4"

    @property
    def truth(self) -> str:
        """The file of the true edit."""
        return f"{self._begins}{'-'.join(self.change.values())}-true.mp4"

    def file(self, *, with_adaptor: bool) -> str:
        arm = "-adaptor" if with_adaptor else ""
        return f"{self._begins}{'-'.join(self.change.values())}-{self.editor}{arm}.mp4"

    @property
    def _begins(self) -> str:
        return "stranger-" if self.strange else ""


EDITS = (
    Asked("delta", {"colour": "red"}, {"start_sigma": 2.5}),
    Asked("delta", {"style": "cartoon"}, {"start_sigma": 2.5}),
    Asked("framewise", {"colour": "red"}),
    Asked("vidtome", {"colour": "red"}),
    Asked("delta", {"style": "cartoon"}, strange=True),
    Asked("framewise", {"style": "cartoon"}, strange=True),
)
"""Editors of different kinds and few edits, so that a demo stays short. `framewise` shows what flickers, the
strange clip what an adaptor is for.

Colours and styles of what the model knows need no more noise than that: shapes are kept."""


def demo(options: DemoOptions, *, progress: Progress = SILENT) -> Path:
    """Make every one of `EDITS`, without an adaptor and with the packaged one that `auto` takes.

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
    work = _Work(load(MINIATURE), options)
    run = plan.start()
    tasks = list(work.tasks())
    known = {file: work.source(one) for file, one in {one.source: one for one in EDITS}.items()}
    truths = {one.truth: one for one in EDITS}  # several editors make the same edit
    known |= {file: one.clip.rendered(len(known[one.source]), **one.change) for file, one in truths.items()}
    run.will_write(*known, *(one.file(with_adaptor=on) for one, on in tasks), PAGE)
    for name, clip in known.items():
        clip.write(run.folder / name)
        run.wrote(name)
    left = [task for task in tasks if not run.whole(task[0].file(with_adaptor=task[1]))]
    parts = list(work.parts(left))
    whole = in_words(sum(seconds for _, seconds in parts))
    progress.note(f"{len(left)} edits of bundled clips of {options.frames} frames; this takes about {whole}")
    start = time.perf_counter()
    with Job(progress, "percent of the demo") as job:
        job.begin(parts)
        for number, (one, on) in enumerate(left, 1):
            with_it = " with the adaptor" if on else ""
            job.note(f"{number} of {len(left)}: {one.editor}{with_it}, {one.prompt}")
            name = one.file(with_adaptor=on)
            work.edited(one, job, with_adaptor=on).write(run.folder / name)
            run.wrote(name)
            job.note(f"wrote {run.folder / name}")
    took = round(time.perf_counter() - start, 2)
    page = _page(run, tasks)
    run.wrote(PAGE)
    run.finish({"report": PAGE, "seconds": {"edits": took}})
    return page


@dataclass(frozen=True, eq=False)
class _Work:
    """What all edits of the demo have in common."""

    model: StableDiffusion
    options: DemoOptions

    def tasks(self) -> Iterator[tuple[Asked, bool]]:
        """Every edit without an adaptor, and with one where `auto` takes one."""
        for one in EDITS:
            yield one, False
            if self._asked(one, on=True).adaptor is not None:
                yield one, True

    def source(self, one: Asked) -> Clip:
        """The frames that are edited."""
        return Clip.read(one.clip.path, frames=self.options.frames)

    def parts(self, tasks: Sequence[tuple[Asked, bool]]) -> Iterator[tuple[str, float]]:
        """The loops of all edits with their seconds, which an adaptor hardly changes."""
        first = {one.editor: one for one, _ in tasks}
        known = dict[str, Beforehand | None]()
        for name, one in first.items():
            source = self.source(one)
            clip, asked = Source(source.size, len(source)), self._asked(one, on=False)
            known[name] = of_source(clip, [one.prompt], asked, self.model)
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
                self.source(one),
                one.prompt,
                model,
                source_prompt=one.clip.caption,
                rng=torch.Generator().manual_seed(self.options.seed),
                progress=progress,
            )

    def _asked(self, one: Asked, *, on: bool) -> EditOptions:
        asked = EditOptions(
            editor=one.editor,
            steps=self.options.steps,
            source_prompt=one.clip.caption,
            adaptor=AUTO if on else None,
            set=tuple(f"{name}={value}" for name, value in one.settings.items()),
        )
        return settled(asked, [one.prompt, one.clip.caption])


def _page(run: Run, tasks: Sequence[tuple[Asked, bool]]) -> Path:
    """The page of what was written."""

    def frames(name: str) -> Tensor:
        return Clip.read(run.folder / name).frames

    edits = list[Edit]()
    for one in EDITS:
        source = frames(one.source)
        names = {"": one.file(with_adaptor=False), " + adaptor": one.file(with_adaptor=True)}
        made = {f"{one.editor}{arm}": names[arm] for on, arm in enumerate(names) if (one, bool(on)) in tasks}
        made |= {"true edit": one.truth}
        flickers = {title: flicker(source, frames(name)) for title, name in made.items()}
        videos = {"source": one.source, **made}
        edits.append(Edit(one.editor, one.prompt, one.clip.caption, videos, flickers, one.strange))
    return write_page(run.folder, PAGE, edits)
