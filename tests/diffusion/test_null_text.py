"""Null-text optimisation with noise predictions in closed form: how often what is asked, what comes out."""

import pytest
import torch

from frameweave.diffusion.inversion import Trajectory, invert
from frameweave.diffusion.null_text import NullText, TextEps, optimise
from frameweave.diffusion.schedule import Schedule
from frameweave.errors import InputError
from tests_shared import SD

SCHEDULE = Schedule.from_config(SD)
STEPS, L, D = 5, 3, 4
UNCOND = torch.zeros(1, L, D)
COND = torch.full((1, L, D), 0.3)


class Model:
    """Noise that depends on the text alone, so that inversion is exact; counts what it is asked."""

    def __init__(self) -> None:
        self.plain, self.with_gradient = 0, 0

    def __call__(self, x: torch.Tensor, t: int, text: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled():
            self.with_gradient += 1
        else:
            self.plain += 1
        return text.mean().expand_as(x)


def trajectory() -> Trajectory:
    x_0 = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    return invert(lambda x, t: Model()(x, t, UNCOND), x_0, SCHEDULE, STEPS)


def found(
    model: TextEps,
    *,
    inner_steps: int,
    rate: float = 0.01,
    enough: float = 0.0,
    texts: tuple[torch.Tensor, torch.Tensor] = (UNCOND, COND),
    source: Trajectory | None = None,
) -> NullText:
    uncond, cond = texts
    return optimise(
        model,
        lambda x, t: model(x, t, cond),
        uncond,
        source or trajectory(),
        schedule=SCHEDULE,
        steps=STEPS,
        guidance=3.0,
        inner_steps=inner_steps,
        rate=lambda i: rate,
        enough=lambda i: enough,
    )


def test_each_level_asks_for_the_guided_branch_once() -> None:
    model = Model()
    null = found(model, inner_steps=4)
    assert (model.plain, model.with_gradient) == (2 * STEPS, 4 * STEPS)
    assert null.embeddings.shape == (STEPS, 1, L, D)
    assert null.latents.shape == (STEPS, 2, 4, 3, 3)
    assert [len(losses) for losses in null.losses] == [4] * STEPS


def test_one_update_is_a_step_of_the_rate_along_the_sign() -> None:
    null = found(Model(), inner_steps=1)
    first = null.embeddings[0]
    assert torch.allclose(first.abs(), torch.full_like(first, 0.01), rtol=1e-4)
    moves = (null.embeddings[1:] - null.embeddings[:-1]).abs()
    assert torch.allclose(moves, torch.full_like(moves, 0.01), rtol=1e-3)


def test_many_updates_undo_guidance() -> None:
    """The unguided noise that makes guidance harmless: u + 3 (c - u) = 0, so u = 1.5 c."""
    null = found(Model(), inner_steps=400)
    means = null.embeddings.mean((1, 2, 3))
    assert torch.allclose(means, torch.full_like(means, 0.45), atol=0.01)
    once = found(Model(), inner_steps=1)
    far, near = (float((one.latents[-1] - trajectory().x_0).abs().max()) for one in (once, null))
    assert near < far / 20


def test_a_small_loss_ends_the_updates_of_a_level() -> None:
    null = found(Model(), inner_steps=400, enough=1e-3)
    for losses in null.losses:
        assert losses[-1] < 1e-3 and all(loss >= 1e-3 for loss in losses[:-1])


def test_text_of_each_frame_and_low_precision() -> None:
    texts = UNCOND.expand(2, -1, -1).bfloat16(), COND.expand(2, -1, -1).bfloat16()
    source = trajectory()
    low = Trajectory(source.timesteps, source.latents.bfloat16())
    null = found(Model(), inner_steps=2, texts=texts, source=low)
    assert null.embeddings.shape == (STEPS, 2, L, D) and null.embeddings.dtype == torch.bfloat16
    assert torch.isfinite(null.latents).all()


def test_half_precision_moves_the_text_as_single_precision_does() -> None:
    """Over many values, as of a real clip: the mean's gradient to each is less than fp16 can hold."""
    x_0 = torch.randn(1, 4, 256, 256, generator=torch.Generator().manual_seed(0))
    ramp = torch.linspace(0.5, 1, D)

    def eps(x: torch.Tensor, t: int, text: torch.Tensor) -> torch.Tensor:
        return ((text * ramp.to(text)).mean() / 64).expand_as(x) * x.sign()

    def moved(dtype: torch.dtype) -> torch.Tensor:
        source = invert(lambda x, t: torch.zeros_like(x), x_0, SCHEDULE, STEPS)
        low = Trajectory(source.timesteps, source.latents.to(dtype))
        texts = UNCOND.to(dtype), COND.to(dtype)
        return found(eps, inner_steps=1, texts=texts, source=low).embeddings.float()

    assert moved(torch.float32).abs().max() > 0.005
    assert torch.allclose(moved(torch.float16), moved(torch.float32), atol=2e-4)


def test_a_loss_that_is_no_number_is_explained() -> None:
    broken = Trajectory(trajectory().timesteps, torch.full_like(trajectory().latents, torch.nan))
    with pytest.raises(InputError, match="loss of nan"):
        found(Model(), inner_steps=1, source=broken)
