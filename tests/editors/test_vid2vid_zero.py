"""vid2vid-zero against numbers recorded from the authors' program, and on a tiny random model."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from frameweave.diffusion.inversion import Trajectory
from frameweave.diffusion.sampling import ddim_step
from frameweave.editors.base import Source
from frameweave.editors.vid2vid_zero import Vid2VidZero
from frameweave.errors import InputError
from frameweave.model.backbone import StableDiffusion
from frameweave.model.loading import load

GOLDEN = Path(__file__).parents[1] / "golden"
STEPS = 10


@dataclass(frozen=True, eq=False)
class Case:
    model: StableDiffusion
    tensors: dict[str, torch.Tensor]
    source_prompt: str
    prompts: list[str]

    def latents(self, edit: int) -> torch.Tensor:
        """levels, 2 (source, edit), F C h w"""
        recorded = self.tensors["edit0.latents"]
        if edit == 0:
            return recorded
        return torch.stack([recorded[:, 0], self.tensors["edit1.latents"]], 1)

    def states(self, edit: int) -> torch.Tensor:
        return self.model.condition(["", self.source_prompt, self.prompts[edit]]).states

    @property
    def source(self) -> Source:
        return Source(x_0=self.tensors["source_latents"], prompt=self.source_prompt)

    @property
    def trajectory(self) -> Trajectory:
        return Trajectory(self.tensors["timesteps"].tolist()[::-1], self.tensors["inversion_latents"])


@pytest.fixture(scope="module")
def case() -> Case:
    model = load(str(GOLDEN / "tiny_sd"), dtype="fp64", device="cpu")
    tensors = load_file(GOLDEN / "vid2vid_zero" / "case_a.safetensors")
    tensors = {key: value.double() if value.is_floating_point() else value for key, value in tensors.items()}
    settings = json.loads((GOLDEN / "vid2vid_zero" / "case_a.json").read_text())
    return Case(model, tensors, settings["source_prompt"], settings["prompts"])


PUBLISHED = Vid2VidZero(steps=STEPS, as_published=True)


def far(result: torch.Tensor, expected: torch.Tensor) -> float:
    """The greatest difference as a share of the greatest magnitude."""
    return float((result - expected).abs().max() / expected.abs().max())


def test_inversion(case: Case) -> None:
    trajectory = PUBLISHED.invert(case.source, case.model)
    assert trajectory.timesteps == case.tensors["timesteps"].tolist()[::-1]
    assert far(trajectory.latents, case.tensors["inversion_latents"]) < 1e-5


def test_null_text(case: Case) -> None:
    null = PUBLISHED.optimise(case.states(0), case.trajectory, case.model)
    expected = case.tensors["null_embeddings"]
    assert float((null.embeddings[:, 0] - expected).abs().max()) < 3e-4  # sign steps near zero gradients
    losses = torch.tensor(null.losses, dtype=torch.float64)
    print(far(losses, case.tensors["null_losses"]), float((null.embeddings[:, 0] - expected).abs().max()))
    assert far(losses, case.tensors["null_losses"]) < 1e-4


@pytest.mark.parametrize("edit", [0, 1])
def test_every_step(case: Case, edit: int) -> None:
    pairing = PUBLISHED.pairing(case.model, case.source_prompt, case.prompts[edit])
    schedule, recorded = case.model.schedule, case.latents(edit)
    null = case.tensors["null_embeddings"][:, None]
    with PUBLISHED.editing(case.states(edit), null, pairing, case.model, recorded.shape[2]) as eps:
        for i, t in enumerate(schedule.timesteps(STEPS)):
            noise = eps(recorded[i], i, t)
            result = ddim_step(recorded[i], noise, schedule.at(t), schedule.at(schedule.before(t, STEPS)))
            print(i, t, far(result, recorded[i + 1]))
            assert far(result, recorded[i + 1]) < 1e-5, i


@pytest.mark.parametrize("edit", [0, 1])
def test_end_to_end(case: Case, edit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = case.tensors[f"edit{edit}.final_latents_f64"]
    result = PUBLISHED.edit(case.source, case.prompts[edit], case.model, rng=torch.Generator())
    print(expected.shape, "end", far(result, expected[1] if expected.dim() == 5 else expected))
