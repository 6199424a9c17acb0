"""How an adaptor is used: silent in inversion, its window as a share of steps, the frame its tokens see."""

import dataclasses
from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch import Tensor

from frameweave.adaptor.adaptor import Adaptor
from frameweave.adaptor.tokens import PrefixTokens
from frameweave.diffusion.inversion import invert
from frameweave.editors.framewise import Framewise
from frameweave.editors.running import edit_clip
from frameweave.errors import AdaptorMismatch, InputError
from frameweave.models.seam import Guides, Model
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.clip import Clip

TEXT = "a red car"


def seen(model: Model, frames: Tensor) -> Guides:
    return Guides(seen=model.seen(frames))


def inverted(adapted_model: Model, clip: Clip) -> Tensor:
    states = adapted_model.conditioning([TEXT], seen(adapted_model, clip.frames))
    x_0, schedule = adapted_model.encode(clip.frames), adapted_model.schedule
    return invert(lambda x, t: adapted_model.predict(x, t, states)[0], x_0, schedule, 20).noisiest


@pytest.mark.parametrize("tokens", [False, True])
def test_silent_in_inversion_is_the_plain_inversion_bit_for_bit(
    tiny: StableDiffusion, adaptor: Adaptor, clip: Clip, tokens: bool
) -> None:
    plain = inverted(tiny.inverse, clip)
    with adaptor.on(tiny, replace(adaptor.use(tokens=tokens), in_inversion=False)) as adapted_model:
        assert isinstance(adapted_model.inverse, Model)
        assert torch.equal(inverted(adapted_model.inverse, clip), plain)
        assert not torch.equal(inverted(adapted_model, clip), plain)  # and it still acts where it should
    with adaptor.on(tiny, adaptor.use(tokens=tokens)) as adapted_model:
        assert adapted_model.inverse is adapted_model
        assert not torch.equal(inverted(adapted_model.inverse, clip), plain)


def test_the_gate_opens_again_after_an_exception(tiny: StableDiffusion, adaptor: Adaptor, clip: Clip) -> None:
    states = tiny.conditioning([TEXT])
    x = torch.randn(1, 4, 16, 16)
    with adaptor.on(tiny, replace(adaptor.use(tokens=False), in_inversion=False)) as adapted_model:
        adapted = adapted_model.predict(x, 951, states)
        with pytest.raises(RuntimeError):
            adapted_model.inverse.predict(
                x, 951, states.with_texts(states.texts[..., :3])
            )  # too narrow for the UNet
        assert torch.equal(adapted_model.predict(x, 951, states), adapted)
    assert not torch.equal(tiny.predict(x, 951, states), adapted)


def test_the_baseline_inverts_with_the_inverse(tiny: StableDiffusion, adaptor: Adaptor, clip: Clip) -> None:
    editor = Framewise(steps=20, guidance=1.0, chunk_size=2)

    def edited(adapted_model: Model) -> Tensor:
        return edit_clip(
            editor, clip, TEXT, adapted_model, source_prompt="a car", rng=torch.Generator()
        ).frames

    with adaptor.on(tiny, replace(adaptor.use(tokens=False), in_inversion=False)) as adapted_model:
        alone = edited(adapted_model)
    with adaptor.on(tiny, adaptor.use(tokens=False)) as adapted_model:
        assert not torch.equal(edited(adapted_model), alone)


def changed(adapted_model: Model, tiny: StableDiffusion, plain: dict[int, Tensor]) -> list[int]:
    """The timesteps at which the adapted model differs from the plain one."""
    states = tiny.conditioning([TEXT])
    return [t for t in plain if not torch.equal(adapted_model.predict(noise(), t, states), plain[t])]


def noise() -> Tensor:
    return torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize(
    ("share_of", "expected"), [(None, []), (8, [876]), (5, [801]), (10, [901]), (20, [951, 901])]
)
def test_the_window_by_steps_holds_the_first_ones_whatever_their_values(
    tiny: StableDiffusion, adaptor: Adaptor, share_of: int | None, expected: list[int]
) -> None:
    states, timesteps = tiny.conditioning([TEXT]), tiny.schedule.timesteps(share_of or 8)
    plain = {t: tiny.predict(noise(), t, states) for t in timesteps}
    use = adaptor.use(tokens=False)
    use = use if share_of is None else use.by_share(timesteps)
    with adaptor.on(tiny, use) as adapted_model:
        assert changed(adapted_model, tiny, plain) == expected
    assert use.acts(timesteps) == (len(expected), None)


def test_the_tokens_follow_the_window_by_steps(tiny: StableDiffusion, adaptor: Adaptor) -> None:
    states = tiny.conditioning([TEXT])
    with adaptor.on(
        tiny, adaptor.use(strength=0.0, tokens=True).by_share(tiny.schedule.timesteps(8))
    ) as adapted_model:
        given = adapted_model.conditioning([TEXT])
        for t in tiny.schedule.timesteps(8):
            plain = tiny.predict(noise(), t, states)
            assert torch.equal(adapted_model.predict(noise(), t, given), plain) == (t != 876)


def test_the_first_frame_can_give_all_frames_their_tokens(
    tiny: StableDiffusion, adaptor: Adaptor, clip: Clip
) -> None:
    with adaptor.on(tiny, replace(adaptor.use(tokens=True), vision_frame="own")) as adapted_model:
        own = adapted_model.conditioning([TEXT], seen(adapted_model, clip.frames)).texts
        alone = adapted_model.conditioning([TEXT], seen(adapted_model, clip.frames[:1])).texts
    with adaptor.on(tiny, replace(adaptor.use(tokens=True), vision_frame="first")) as adapted_model:
        first = adapted_model.conditioning([TEXT], seen(adapted_model, clip.frames))
        bare = adapted_model.conditioning([TEXT]).texts
    torch.testing.assert_close(first.texts, alone, rtol=1e-4, atol=1e-5)
    assert torch.allclose(first.of(slice(2, 4)).texts[:, 0], own[:, 0], atol=1e-6)  # of any chunk of frames
    assert not torch.allclose(own[:, 3], own[:, 0], atol=1e-3)
    assert bare.shape[2] == 3 + tiny.conditioning([TEXT]).texts.shape[2]  # no source: shared tokens only


def test_without_a_frame_there_are_shared_tokens_only(
    tiny: StableDiffusion, adaptor: Adaptor, clip: Clip
) -> None:
    use = replace(adaptor.use(tokens=True), vision_frame="none")
    blind = replace(tiny, vision_tower=None)  # nothing needs to be seen
    with adaptor.on(blind, use) as adapted_model:
        assert adapted_model.seen(clip.frames) is None
        found = adapted_model.conditioning([TEXT], seen(adapted_model, clip.frames)).texts
    with adaptor.on(tiny, adaptor.use(tokens=True)) as adapted_model:
        assert torch.equal(found, adapted_model.conditioning([TEXT]).texts)
    assert use.effect() != adaptor.use(tokens=True).effect()
    silent = adaptor.use(tokens=False)
    assert replace(silent, vision_frame="none").effect() == silent.effect()


def test_tokens_of_another_width_are_refused_before_anything_is_seen(
    tiny: StableDiffusion, adaptor: Adaptor
) -> None:
    wide = PrefixTokens(3, 16, 20, stride=2, rng=torch.Generator())
    other = replace(adaptor, tokens=wide)
    with (
        pytest.raises(AdaptorMismatch, match="a vision tower of width 20 sees, the model's has width 12"),
        other.on(tiny, other.use(tokens=True)),
    ):
        pass
    with other.on(tiny, other.use(tokens=False)):
        pass


def test_active_counts_by_value_and_by_share(tiny: StableDiffusion, adaptor: Adaptor) -> None:
    low = dataclasses.replace(adaptor, card=dataclasses.replace(adaptor.card, low=0.7))
    timesteps = tiny.schedule.timesteps(10)
    assert low.use(tokens=True).acts(timesteps) == (3, 3)
    assert low.use(tokens=True).by_share(timesteps).acts(timesteps) == (
        3,
        3,
    )  # not 4, though (1 - 0.7) * 10 > 3


def test_one_long_sequence_leaves_no_guidance_and_is_cut_apart_outside_the_window(
    tiny: StableDiffusion, adaptor: Adaptor, clip: Clip
) -> None:
    literal = dataclasses.replace(adaptor, card=dataclasses.replace(adaptor.card, form="sequence"))
    prompts, x = ["", TEXT], torch.randn(5, 4, 16, 16)
    plain = tiny.conditioning(prompts)
    with literal.on(tiny, literal.use(strength=0.0, tokens=True)) as adapted_model:
        states = adapted_model.conditioning(prompts, seen(adapted_model, clip.frames))
        assert states.texts.shape[:3] == (2, 5, 12 + 2 * plain.texts.shape[2])
        uncond, cond = adapted_model.predict(x, 951, states)
        assert torch.allclose(uncond, cond, atol=1e-6)
        assert torch.allclose(adapted_model.predict(x, 500, states), tiny.predict(x, 500, plain), atol=1e-5)


def test_the_negative_branch_alone_may_go_without_tokens(tiny: StableDiffusion, adaptor: Adaptor) -> None:
    bare = dataclasses.replace(adaptor, card=dataclasses.replace(adaptor.card, in_uncond=False))
    texts = ["a house", "", TEXT]
    with (
        bare.on(tiny, bare.use(tokens=True)) as adapted_model,
        adaptor.on(tiny, adaptor.use(tokens=True)) as everywhere,
    ):
        states, all_ = (one.conditioning(texts, negative=(1,)).texts for one in (adapted_model, everywhere))
        prefix = states.shape[2] - tiny.conditioning(texts).texts.shape[2]
        assert torch.equal(states[[0, 2]], all_[[0, 2]])
        own = states[1, :, prefix : prefix + 1].expand(-1, prefix, -1)
        assert torch.equal(states[1, :, :prefix], own)
        assert torch.equal(adapted_model.conditioning(texts).texts, all_)  # nothing is negative


@pytest.mark.parametrize("reads", ["text", "tokens"])
def test_the_controlnet_reads_what_it_read_in_training(
    tiny: StableDiffusion, adaptor: Adaptor, reads: Literal["text", "tokens"]
) -> None:
    trained = dataclasses.replace(adaptor, card=dataclasses.replace(adaptor.card, controlnet_text=reads))
    text = tiny.conditioning([TEXT])
    x, depth = torch.randn(1, 4, 16, 16), torch.rand(1, 1, 32, 32)
    with trained.on(tiny, trained.use(tokens=True)) as adapted_model:
        given = adapted_model.conditioning([TEXT], Guides(maps={"depth": depth}))
        found = adapted_model.predict(x, 951, given)
        read = {"text": text.texts, "tokens": given.texts}
        steered = tiny.conditioning([TEXT], Guides(maps={"depth": depth}))
        by_hand = {
            what: tiny.predict(x, 951, steered.with_texts(given.texts, for_controlnet=own))
            for what, own in read.items()
        }
    assert torch.equal(found, by_hand[reads])
    assert not torch.equal(by_hand["text"], by_hand["tokens"])


def test_one_long_sequence_cannot_be_cut_for_other_branches(tiny: StableDiffusion, adaptor: Adaptor) -> None:
    long = dataclasses.replace(adaptor, card=dataclasses.replace(adaptor.card, form="sequence"))
    x = torch.randn(1, 4, 16, 16)
    with long.on(tiny, long.use(tokens=True)) as adapted_model:
        states = adapted_model.conditioning(["", TEXT])
        assert torch.isfinite(adapted_model.predict(x, 101, states)).all()  # outside the tokens' window
        with pytest.raises(InputError, match="2 texts in one sequence, and 1 branches are wanted"):
            adapted_model.predict(x, 101, states.branches(0))
