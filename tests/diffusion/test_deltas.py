"""The update of an edit, against closed forms and a loop written out."""

import pytest
import torch
from torch import Tensor

from frameweave.diffusion.deltas import Levels, Rho, grown, sigma_at
from frameweave.diffusion.sampling import Resumed
from frameweave.diffusion.schedule import Schedule

SCHEDULE = Schedule(torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000).double() ** 2, 0), 0.99)


def test_levels_begin_at_a_sigma_and_end_at_none() -> None:
    visited = SCHEDULE.timesteps(25)
    levels = Levels.of(SCHEDULE, visited, 4.5)
    assert levels.t == tuple(visited[5:])
    assert levels.sigma[-1] == 0  # not that of the scheduler's final alpha_bar
    assert levels.sigma[0] == pytest.approx(((1 - SCHEDULE.at(761)) / SCHEDULE.at(761)) ** 0.5)


@pytest.mark.parametrize(("start", "count"), [(0, 0), (1e-9, 1), (1e9, 25)])
def test_the_start_decides_how_many_there_are(start: float, count: int) -> None:
    assert len(Levels.of(SCHEDULE, SCHEDULE.timesteps(25), start)) == count


@pytest.mark.parametrize(("rho", "share"), [("flow", 0.25), ("ddpm", 0.0625), ("consistency", 0.0)])
def test_rho(rho: Rho, share: float) -> None:
    levels = Levels((9, 1), (4, 1, 0), rho)
    assert float(levels.stepped(torch.tensor(3.0), torch.tensor(2.0), 0)) == 2 + share
    assert float(levels.stepped(torch.tensor(3.0), torch.tensor(2.0), 1)) == 2


@pytest.mark.parametrize("rho", ["flow", "ddpm", "consistency"])
def test_two_gaussians(rho: Rho) -> None:
    """Where each prompt's pictures are one point, the edit is the way between them, whatever rho is."""
    here, there = torch.tensor([1.0, -2.0]).double(), torch.tensor([3.0, 5.0]).double()
    levels = Levels.of(SCHEDULE, SCHEDULE.timesteps(7), 4.5, rho=rho)

    def changed(edit: Tensor, step: int) -> Tensor:
        t = levels.t[step]
        a, noise = SCHEDULE.at(t), torch.randn(2).double()

        def eps(x: Tensor, mean: Tensor) -> Tensor:
            return (x - a**0.5 * mean) / (1 - a) ** 0.5

        noisy = SCHEDULE.add_noise(here, noise, t)
        return eps(SCHEDULE.add_noise(here + edit, noise, t), there) - eps(noisy, here)

    edit = grown(changed, torch.zeros(2).double(), levels, here)
    assert torch.allclose(edit, there - here, atol=1e-12)


def test_it_goes_on_where_it_stopped_and_tells_of_each_step() -> None:
    levels = Levels.of(SCHEDULE, SCHEDULE.timesteps(5), 1e9)
    told: list[tuple[int, float, float]] = []

    def changed(edit: Tensor, step: int) -> Tensor:
        return torch.sin(edit + step)

    def settled(edit: Tensor, step: int) -> Tensor:
        return edit + step

    start = torch.zeros(1).double()
    by_hand = [start]
    for step in range(5):
        sigma, to = levels.sigma[step : step + 2]
        change = changed(by_hand[-1], step)
        by_hand.append(by_hand[-1] - (sigma - to) * change + step)  # FlowEdit: Euler's steps in sigma
    whole = grown(changed, start, levels, torch.ones(1), settled=settled)
    assert torch.allclose(whole, by_hand[-1], atol=1e-12)
    rest = grown(
        changed,
        by_hand[3],
        levels,
        torch.ones(1),
        settled=settled,
        resumed=Resumed(3, after=lambda done, edit, clean: told.append((done, float(edit), float(clean)))),
    )
    assert torch.allclose(rest, whole, atol=1e-12)
    assert [done for done, _, _ in told] == [1, 2]
    assert told[-1][1] == float(rest)
    assert told[-1][2] == pytest.approx(1 + float(rest) - 4)  # the last step goes all the way


def test_sigma() -> None:
    assert sigma_at(SCHEDULE, 761) == pytest.approx(4.34, abs=0.05)
