"""What a rehearsal says is what the real edit takes: torch's own record of every allocation is the oracle."""

import gc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from frameweave.diffusion.inversion import Remembered
from frameweave.editing.footage import BATCH, Fit
from frameweave.editing.planning.rehearsal import Rehearsal
from frameweave.editors import registry, running
from frameweave.editors.base import Editor
from frameweave.models import depth
from frameweave.models.control.asked import DEPTH
from frameweave.models.loading.load import load
from frameweave.models.running.shapes import shapes_of
from frameweave.models.stable_diffusion import StableDiffusion

CPU = torch.device("cpu")
PROMPTS = {"prompt": "a red car in the snow", "source_prompt": "a blue car"}


def allocated(work: Callable[[], object]) -> int:
    """The most bytes that torch held at once beyond what it held before."""
    gc.disable()  # else what others left behind would be freed meanwhile
    try:
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
            work()
    finally:
        gc.enable()
    sizes = list[tuple[int, int]]()

    def look(events: list) -> None:
        for event in events:
            if event.tag.name == "Allocation":
                sizes.append((event.start_time_ns, event.extra_fields.alloc_size))
            look(event.children)

    look(record.profiler.kineto_results.experimental_event_tree())
    live = most = 0
    for _, size in sorted(sizes, key=lambda one: one[0]):
        live += size
        most = max(most, live)
    return most


@pytest.mark.slow
@pytest.mark.parametrize(("frames", "width", "height"), [(5, 64, 64), (3, 112, 64), (18, 64, 48)])
@pytest.mark.parametrize("name", registry.names())
def test_the_memory_of_edits_of_the_miniature(name: str, frames: int, width: int, height: int) -> None:
    model, near = load(device="cpu"), depth.load("miniature", device="cpu")
    assert near is not None
    check(registry.make(name, {"steps": 4, "guidance": 5.0}), model, near, frames, (width, height))


@pytest.mark.parametrize(
    ("name", "frames", "width", "height"),
    [*((name, 5, 48, 32) for name in registry.names()), ("framewise", 17, 32, 32)],
)
def test_the_memory_of_edits(
    name: str, frames: int, width: int, height: int, tiny: StableDiffusion, tiny_folder: Path
) -> None:
    near = depth.load(str(tiny_folder), device="cpu")
    assert near is not None
    check(registry.make(name, {"steps": 4, "guidance": 5.0}), tiny, near, frames, (width, height))


@pytest.mark.parametrize("settings", [{"pull": 0.5}, {"nearest": 1, "look": "anchors"}])
def test_frames_that_are_given(settings: dict[str, Any], tiny: StableDiffusion) -> None:
    """They are looked at in the rehearsal as in the edit."""
    editor = registry.make("anchored", {"steps": 4} | settings)
    calls = [
        Rehearsal(
            editor=editor,
            model=shapes_of(tiny),
            frames=9,
            fit=Fit.of((32, 32), 32, tiny.multiple),
            anchors=anchors,
            device=CPU,
            **PROMPTS,
        )
        .through()
        .calls.count
        for anchors in ((), (0, 8))
    ]
    assert calls[0] > 0 and calls[1] > 0


def check(
    editor: Editor,
    model: StableDiffusion,
    estimator: depth.DepthEstimator,
    frames: int,
    size: tuple[int, int],
) -> None:
    """Within 15 % of what the real edit allocates; an edit of four steps is rehearsed in three."""
    fit = Fit.of(size, max(size), model.multiple)
    near = estimator if editor.needs_depth else None
    told = Rehearsal(
        editor=editor,
        model=shapes_of(model),
        estimator=shapes_of(near),
        frames=frames,
        fit=fit,
        device=CPU,
        **PROMPTS,
    ).through()

    pictures = torch.rand(frames, 3, *fit.padded[::-1], generator=torch.Generator().manual_seed(1))
    given = dict[str, object](rng=torch.Generator().manual_seed(0), **PROMPTS)
    if near is not None:
        given["maps"] = {DEPTH: near.estimate(pictures)}
    kept = [running.request_of(editor, pictures, model, **given)]
    x = list[torch.Tensor]()
    batch = pictures[:BATCH].clone()
    rng = torch.Generator()
    read = allocated(lambda: kept.append(running.request_of(editor, batch, model, prompt="a car", rng=rng)))
    edit = allocated(lambda: x.append(editor.edit(replace(kept[0], inversions=Remembered()))))
    write = allocated(lambda: fit.undo(model.decode(x[0][:BATCH])))

    assert told.edit.device_bytes + told.trajectory_bytes == pytest.approx(edit, rel=0.15)
    motion = kept[0].motion  # which lies there while the result is written
    held = 0 if motion is None else motion.flow.nbytes + motion.weight.nbytes
    assert told.write.device_bytes == pytest.approx(write + held, rel=0.15)
    if near is None:
        assert told.read.device_bytes == pytest.approx(read + batch.nbytes, rel=0.15)
    assert told.edit.host_bytes == 0
