"""Strengths by timestep: reading, the paper's window as a special case, and the LoRA that follows them."""

import dataclasses

import pytest
import torch

from frameweave.adaptor.adaptor import Adaptor
from frameweave.adaptor.strengths import StrengthSchedule
from frameweave.errors import InputError
from frameweave.models.stable_diffusion import StableDiffusion
from tiny import prediction


@pytest.mark.parametrize(
    ("text", "t", "strength"),
    [
        ("0.9-1:2", 999, 2), ("0.9-1:2", 900, 2), ("0.9-1:2", 898, 0),
        ("0.3-0.6:1,0.9-1:0.5", 950, 0.5), ("0.3-0.6:1,0.9-1:0.5", 700, 0), ("0.3-0.6:1,0.9-1:0.5", 300, 1),
    ],
)  # fmt: skip
def test_each_timestep_has_its_strength(text: str, t: float, strength: float) -> None:
    assert StrengthSchedule.parse(text).at(t) == strength


@pytest.mark.parametrize(
    "text", ["", "0.9-1", "0.9:1", "x-1:1", "0.9-1:3", "0.9-1:-1", "1-0.9:1", "0.5-1:1,0.4-0.6:1"]
)
def test_what_makes_no_sense_is_told(text: str) -> None:
    with pytest.raises(InputError):
        StrengthSchedule.parse(text)


def test_the_lora_takes_each_strength_in_its_stretch(tiny: StableDiffusion, adaptor: Adaptor) -> None:
    at = {strength: {} for strength in (0.0, 0.5, 2.0)}
    for strength, found in at.items():
        with adaptor.in_unet(tiny.unet, adaptor.use(strength=StrengthSchedule.parse(f"0-1:{strength}"))):
            found |= {t: prediction(tiny.unet, t) for t in (950, 700, 100)}
    with adaptor.in_unet(
        tiny.unet, adaptor.use(strength=StrengthSchedule.parse("0.9-1:2,0.5-0.9:0.5"))
    ) as gate:
        for t, strength in ((700, 0.5), (950, 2.0), (100, 0.0), (950, 2.0), (700, 0.5)):
            assert torch.equal(prediction(tiny.unet, t), at[strength][t])
        with gate.shut():
            assert torch.equal(prediction(tiny.unet, 950), at[0.0][950])
        assert torch.equal(prediction(tiny.unet, 950), at[2.0][950])


def test_an_editors_own_schedule_is_taken_unless_a_strength_is_given(adaptor: Adaptor) -> None:
    tuned = dataclasses.replace(
        adaptor, card=dataclasses.replace(adaptor.card, strength_schedules={"tokenflow": "0.5-1:2"})
    )
    assert str(tuned.use("tokenflow").strengths) == "0.5-1:2"
    assert str(tuned.use("vidtome").strengths) == f"0.9-1:{tuned.card.strength:g}"
    assert str(tuned.use("tokenflow", strength=1.0).strengths) == "0.9-1:1"
    assert str(tuned.use("tokenflow", window=(0.2, 0.4)).strengths) == f"0.2-0.4:{tuned.card.strength:g}"
