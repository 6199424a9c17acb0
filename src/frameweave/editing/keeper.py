"""What a long edit leaves behind while it works: where to go on after a kill, and previews."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from frameweave.editing.previews import OnSteps, three_of
from frameweave.models.seam import Model
from frameweave.runs.atomic import staged
from frameweave.video.pictures import save_picture

UNFINISHED = "unfinished.safetensors"
PREVIEWS = ("preview-[0-9][0-9][0-9].png", "preview-[0-9][0-9][0-9][0-9].png")
"""Files in a run folder; of previews the patterns of their names."""


@dataclass(eq=False)
class StepKeeper:
    """Saves latents and the generator's state now and then, and a preview every so many steps."""

    file: Path
    """A safetensors file; what it belongs to is told by `about`."""
    about: str
    model: Model
    seconds: float = 30.0
    preview_every: int = 0
    on_steps: OnSteps = ()
    """Are told of each step."""
    _saved: float = field(default_factory=time.monotonic)

    def earlier(self, rng: torch.Generator) -> tuple[int, Tensor] | None:
        if not self.file.is_file():
            return None
        try:
            with safe_open(self.file, "pt") as opened:
                table = opened.metadata() or {}
                if table.get("about") != self.about:
                    return None
                # a copy lies at an aligned address as in the killed run: last bits depend on that
                x, state = opened.get_tensor("x").clone(), opened.get_tensor("rng")
        except (SafetensorError, OSError):  # it is written anew soon
            return None
        rng.set_state(state)
        return int(json.loads(table["done"])), x

    def after(self, done: int, x: Tensor, expected: Tensor, rng: torch.Generator) -> None:
        if time.monotonic() - self._saved >= self.seconds:
            tensors = {"x": x.detach().cpu().contiguous(), "rng": rng.get_state()}
            with staged(self.file) as stage:
                save_file(tensors, stage, {"about": self.about, "done": json.dumps(done)})
            self._saved = time.monotonic()
        for on_step in self.on_steps:
            on_step(done, expected)
        if self.preview_every and done % self.preview_every == 0:
            alone = [self.model.decode(x_0)[0] for x_0 in three_of(expected).split(1)]  # they are no clip
            strip = torch.cat(alone, dim=2)
            save_picture(strip, self.file.with_name(f"preview-{done:03}.png"))

    def done(self) -> None:
        """The edit is finished: nothing to go on with."""
        self.file.unlink(missing_ok=True)
