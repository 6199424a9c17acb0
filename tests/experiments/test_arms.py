"""Arms: read from the command line, and what they do to a model."""

import pytest
import torch

from frameweave.errors import InputError
from frameweave.experiments.arms import Arm, parsed_arm
from frameweave.model.loading import load


def test_reading() -> None:
    assert parsed_arm("with=miniature") == Arm(name="with", adaptor="miniature")
    assert parsed_arm("a=f/g@1.5,plain-inversion") == Arm(
        name="a", adaptor="f/g", strength=1.5, in_inversion=False
    )
    arm = parsed_arm("a=b,window=0.5-1,tokens")
    assert Arm.from_dict(arm.as_dict()) == arm and arm.window == (0.5, 1.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("miniature", "name=adaptor"),
        ("=miniature", "name=adaptor"),
        ("a=b@strong", "expected a number"),
        ("a=b@", "name=adaptor"),
        ("a=b@5", r"strength 5.* 0 to 2"),
        ("a=b@nan", "strength nan"),
        ("a=b,window=0.5", "expected a number"),
        ("a=b,token", "tokens"),
        ("a=b,window=0.9-0.5", "0 <= low < high <= 1"),
    ],
)
def test_what_cannot_be_read(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parsed_arm(text)


def test_arms_that_invert_alike() -> None:
    plain, silent = Arm(name="without"), Arm(name="x", adaptor="miniature", in_inversion=False)
    assert plain.inverts_as("tokenflow") == Arm(name="also without").inverts_as("tokenflow")
    assert plain.inverts_as("vid2vid_zero") != silent.inverts_as("vid2vid_zero")  # null texts differ
    one, other = (Arm(name=name, adaptor="miniature") for name in "ab")
    assert one.inverts_as("tokenflow") == other.inverts_as("tokenflow") != plain.inverts_as("tokenflow")
    assert Arm(name="c", adaptor="miniature", strength=0.1).inverts_as("tokenflow") != one.inverts_as(
        "tokenflow"
    )


def test_the_window_of_an_arm_replaces_the_adaptors() -> None:
    model = load()
    x = torch.randn(1, 1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    states = model.condition(["a red car"]).states
    low, high = model.eps(x, 300, states), model.eps(x, 950, states)
    with Arm(name="w", adaptor="miniature", window=(0.2, 0.5)).on(model, "tokenflow") as adapted:
        assert not torch.equal(adapted.eps(x, 300, states), low)
        assert torch.equal(adapted.eps(x, 950, states), high)
    with Arm(name="plain").on(model, "tokenflow") as backbone:
        assert backbone is model
    assert torch.equal(model.eps(x, 300, states), low)


def test_an_injection_is_read_and_stands_alone() -> None:
    assert parsed_arm("a=miniature,injection=0.9-1:2+0.5-0.9:1").injection == "0.9-1:2,0.5-0.9:1"
    with pytest.raises(InputError, match="beside"):
        parsed_arm("a=miniature@1,injection=0.9-1:2")
