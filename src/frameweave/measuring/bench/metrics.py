"""Measuring an edited clip, over making it."""

import torch

from frameweave.editors import registry, running
from frameweave.measuring.bench.paired import Row, paired, row
from frameweave.measuring.experiments.items import world_items
from frameweave.measuring.experiments.measures import Backbones
from frameweave.measuring.experiments.pairs import pair_of
from frameweave.measuring.experiments.scoring import case_of
from frameweave.measuring.metrics.base import Looked, measured
from frameweave.models.stable_diffusion import StableDiffusion

_FASTEST = "text2video_zero"


def metrics_row(model: StableDiffusion, repeats: int, *, frames: int, steps: int) -> Row:
    """Every metric of one clip, whose source nothing has looked at before, over its fastest edit."""
    item = world_items("development", 1, frames)[0]
    editor = registry.make(_FASTEST, {"steps": steps})
    measures = Backbones(kind="miniature", world=True).measures()
    known = pair_of(item, model)

    def edit() -> None:
        running.edit_clip(
            editor,
            known.source,
            known.prompt,
            model,
            depth=known.depth,
            rng=torch.Generator().manual_seed(0),
        )

    fresh = iter([pair_of(item, model) for _ in range(repeats + 1)])

    def measure() -> None:
        pair = next(fresh)
        assert pair.truth is not None
        measured(case_of(Looked(pair.truth.frames.clone()), pair), measures.each)

    return row(
        f"all metrics of a {frames}-frame clip over its fastest edit",
        paired(measure, edit, repeats),
        "<= 0.10",
    )
