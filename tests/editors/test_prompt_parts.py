"""Prompts with weights and in parts, compared word by word."""

from dataclasses import replace

import pytest
import torch

from frameweave.editors import registry
from frameweave.editors._parts.prompt_parts import map_of
from frameweave.editors._parts.prompt_to_prompt import word_map
from frameweave.editors.running import edit_clip
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.models.text.encoder import ClipText
from frameweave.models.text.reading import Reading
from frameweave.video.clip import Clip
from networks import assert_same, networks
from tiny import new_adaptor


@pytest.fixture
def reading(tiny: StableDiffusion) -> StableDiffusion:
    """The same weights, reading syntax."""
    assert isinstance(tiny.text, ClipText)
    return replace(tiny, text=replace(tiny.text, reading=Reading(syntax="a1111")))


def test_weights_are_no_words(reading: StableDiffusion) -> None:
    found = map_of(reading, ("", "a red car", "a (blue:1.3) [car]"), emphasis="blue:2")
    expected = word_map(reading.tokenizer, "a red car", "a blue car", emphasis="blue:2")
    assert torch.equal(found.taken, expected.taken) and torch.equal(found.own, expected.own)


@pytest.mark.parametrize("negative", ["", "night BREAK snow BREAK sand"])
def test_words_of_later_parts_take_from_their_words(negative: str, reading: StableDiffusion) -> None:
    length = reading.tokenizer.model_max_length
    found = map_of(reading, (negative, "a red car BREAK in the snow", "a blue car BREAK in the sand"))
    parts = len(negative.split("BREAK")) if negative else 2
    assert found.taken.shape == (parts * length, parts * length) and not found.own.any()
    assert torch.equal(found.taken, torch.eye(parts * length))


def test_a_word_that_moved_to_another_part(reading: StableDiffusion) -> None:
    length = reading.tokenizer.model_max_length
    source, edited = "a red car in the snow", "a red car BREAK in the blue snow"
    found = map_of(reading, ("", source, edited))
    in_second = [length + 1 + k for k in range(4)]  # in the blue snow
    assert found.aligned
    for column, row in ((1, 1), (3, 3), (in_second[0], 4), (in_second[1], 5), (in_second[3], 6)):
        assert found.taken[:, column].nonzero().flatten().tolist() == [row]
    assert found.own.nonzero().flatten().tolist() == [in_second[2]]
    assert torch.equal(found.taken.sum(0) + found.own, torch.ones(2 * length))


def test_long_prompts_lose_nothing(reading: StableDiffusion) -> None:
    long = " ".join(["a red car in the snow"] * 8)
    found = map_of(reading, ("", long, f"{long} at night"))
    assert torch.equal(found.taken.sum(0) + found.own, torch.ones(len(found.own)))
    assert found.own.count_nonzero() == 2
    edited = edit_clip(
        registry.make("vid2vid_zero", {"steps": 2}),
        Clip.of(torch.rand(2, 3, 16, 16)),
        f"{long} at (night:1.3)",
        reading,
        source_prompt=long,
        rng=torch.Generator().manual_seed(0),
    )
    assert torch.isfinite(edited.frames).all()


LONG = "a (red:1.4) car in the [snow], " * 6


@pytest.mark.parametrize("kind", ["tiny", "tiny_xl"])
@pytest.mark.parametrize("name", registry.names())
def test_every_editor_takes_them_with_an_adaptors_tokens_too(
    name: str, kind: str, request: pytest.FixtureRequest
) -> None:
    plain = request.getfixturevalue(kind)
    model = replace(plain, text=replace(plain.text, reading=Reading(syntax="a1111")))
    before, own = networks(model), new_adaptor(model)

    def made(source_prompt: str, tokens: bool) -> torch.Tensor:
        use = own.use(strength=1.0, tokens=tokens).by_share(model.schedule.timesteps(3))
        with own.on(model, use) as adapted:
            return edit_clip(
                registry.make(name, {"steps": 3, "guidance": 3.0}),
                Clip.of(torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))),
                f"{LONG} BREAK at night",
                adapted,
                source_prompt=source_prompt,
                negative_prompt="(blurry:1.2)",
                depth=torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(1)),
                rng=torch.Generator().manual_seed(0),
            ).frames

    results = [made(LONG, False), made(LONG, True), made("a (blue) car", True)]
    assert all(torch.isfinite(result).all() for result in results)
    assert not torch.equal(results[0], results[1])
    assert_same(before, networks(model))
