"""Arms: read from the command line, and what they do to a model."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pydantic import TypeAdapter

from frameweave.adaptor.adaptor import load_adaptor
from frameweave.errors import InputError
from frameweave.measuring.experiments.arms import Arm, arms_as_used, parsed_arm
from frameweave.models.loading.load import load


def test_reading() -> None:
    assert parsed_arm("with=miniature") == Arm(name="with", adaptor="miniature")
    assert parsed_arm("a=f/g@1.5,plain-inversion") == Arm(
        name="a", adaptor="f/g", strength=1.5, in_inversion=False
    )
    assert [parsed_arm(f"a=b{how}").tokens for how in ("", ",tokens", ",no-tokens")] == [None, True, False]
    assert parsed_arm("a=b,tokens,vision=none") == Arm(
        name="a", adaptor="b", tokens=True, vision_frame="none"
    )
    assert parsed_arm("a=none,steady") == Arm(name="a", steady=1.0)
    assert parsed_arm("a=b@1,steady=0.5") == Arm(name="a", adaptor="b", strength=1.0, steady=0.5)
    arm = parsed_arm("a=b,window=0.5-1,tokens,steady")
    travelling = TypeAdapter(Arm)
    assert travelling.validate_json(travelling.dump_json(arm)) == arm and arm.window == (0.5, 1.0)


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
        ("a=b,tokens,vision=last", "vision=last, expected one of own, first, none"),
        ("a=b,window=0.9-0.5", "0 <= low < high <= 1"),
        ("a=b,steady=2", "steady=2, expected a number above 0, up to 1"),
        ("a=b,steady=0", "above 0"),
        ("a=b,steady=nan", "above 0"),
        ("a=none", "neither an adaptor nor steady"),
        ("a=none@0.5,steady", "no adaptor that acts so"),
        ("a=none,tokens,steady", "no adaptor that acts so"),
    ],
)
def test_what_cannot_be_read(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parsed_arm(text)


def test_arms_of_equal_effect() -> None:
    plain, silent = Arm(name="without"), Arm(name="x", adaptor="miniature", in_inversion=False)
    assert plain.effect("tokenflow") == Arm(name="also without").effect("tokenflow")
    assert plain.effect("vid2vid_zero") != silent.effect("vid2vid_zero")  # null texts differ
    assert plain.effect("tokenflow") == {} != Arm(name="steadied", steady=1.0).effect("tokenflow")
    one, other = (Arm(name=name, adaptor="miniature") for name in "ab")
    assert one.effect("framewise") == other.effect("framewise") != plain.effect("framewise")
    as_it_is = Arm(name="c", adaptor="miniature", strength=load_adaptor("miniature").card.strength)
    assert as_it_is.effect("framewise") == one.effect("framewise")
    for change in (
        {"strength": 0.1},
        {"window": (0.5, 1.0)},
        {"tokens": True},
        {"schedule": "0.9-1:1"},
        {"in_inversion": False},
    ):
        assert replace(one, **change).effect("framewise") != one.effect("framewise")
    assert replace(one, tokens=False).effect("framewise") == one.effect("framewise")
    ways = [replace(one, tokens=True, **how) for how in ({"strength": 0.0}, {"schedule": "0-1:0"})]
    assert ways[0].effect("framewise") == ways[1].effect("framewise")


def test_an_adaptor_for_each_clip() -> None:
    own = parsed_arm("own=runs/{clip}/adaptor@1,plain-inversion")
    assert own.of("003", 0) == parsed_arm("own=runs/003/adaptor@1,plain-inversion")
    shared = Arm(name="shared", adaptor="miniature")
    assert arms_as_used([own, shared], ["a", "b"], seeds=2) == [own.of("a", 0), own.of("b", 0), shared]


def test_an_adaptor_for_each_seed() -> None:
    ours = parsed_arm("ours=runs/ours-{seed}/adaptor@1")
    assert arms_as_used([ours], ["a", "b"], seeds=2) == [
        parsed_arm(f"ours=runs/ours-{seed}/adaptor@1") for seed in range(2)
    ]


def test_what_is_chosen_for_an_editor_acts_there_only(tmp_path: Path) -> None:
    whole = load_adaptor("miniature")
    bare = replace(whole.card, strength_schedules={}, tokens_for=[])
    chosen = replace(bare, strength_schedules={"tokenflow": "0-1:0"}, tokens_for=["tokenflow"])
    for name, card in (("bare", bare), ("chosen", chosen)):
        replace(whole, card=card).save(tmp_path / name)
    before, after = (Arm(name="x", adaptor=str(tmp_path / name)) for name in ("bare", "chosen"))
    assert before.effect("vidtome") == after.effect("vidtome")
    by_hand = replace(before, strength=0.0, tokens=True)
    assert before.effect("tokenflow") != after.effect("tokenflow") == by_hand.effect("tokenflow")
    in_window = replace(after, window=(0.5, 1.0))  # of which a sweep makes all editors' alike
    assert in_window.effect("tokenflow") == in_window.effect("vidtome")
    model = load()
    with after.on(model, "tokenflow") as one:
        states = one.conditioning(["a red car"])
        assert states.texts.shape[2] > 32  # text after tokens
        x = torch.randn(1, 1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
        found = one.predict(x, 950, states)
    with by_hand.on(model, "tokenflow") as other:
        assert torch.equal(other.conditioning(["a red car"]).texts, states.texts)
        assert torch.equal(other.predict(x, 950, states), found)
    with replace(after, tokens=False).on(model, "tokenflow") as plain:
        assert plain.conditioning(["a red car"]).texts.shape[2] == 32


def test_the_window_of_an_arm_replaces_the_adaptors() -> None:
    model = load()
    x = torch.randn(1, 1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    states = model.conditioning(["a red car"])
    low, high = model.predict(x, 300, states), model.predict(x, 950, states)
    with Arm(name="w", adaptor="miniature", window=(0.2, 0.5)).on(model, "tokenflow") as adapted:
        assert not torch.equal(adapted.predict(x, 300, states), low)
        assert torch.equal(adapted.predict(x, 950, states), high)
    with Arm(name="plain").on(model, "tokenflow") as adapted_model:
        assert adapted_model is model
    assert torch.equal(model.predict(x, 300, states), low)


def test_a_strength_schedule_is_read_and_stands_alone() -> None:
    assert parsed_arm("a=miniature,schedule=0.9-1:2+0.5-0.9:1").schedule == "0.9-1:2,0.5-0.9:1"
    with pytest.raises(InputError, match="beside"):
        parsed_arm("a=miniature@1,schedule=0.9-1:2")
    with pytest.raises(InputError, match="injection is called schedule now"):
        parsed_arm("a=miniature,injection=0.9-1:2")


def test_arms_of_earlier_cells_are_read() -> None:
    earlier = '{"name": "a", "adaptor": "b", "injection": "0.9-1:2"}'
    assert TypeAdapter(Arm).validate_json(earlier) == Arm(name="a", adaptor="b", schedule="0.9-1:2")


@pytest.mark.parametrize("twice", ["tokens,no-tokens", "window=0.6-1,window=0.8-1", "steady,steady=0.5"])
def test_what_an_arm_says_twice_is_refused(twice: str) -> None:
    with pytest.raises(InputError, match="is said 2 times"):
        parsed_arm(f"x=miniature,{twice}")
