"""SDXL at its full size, on the meta device: every shape is right, and no weight is held."""

import pytest
import torch

from frameweave.adaptor.adaptor import architecture
from frameweave.adaptor.formats import KINDS
from frameweave.adaptor.lora import added_lora, pattern
from frameweave.adaptor.tokens import PrefixTokens, concat_tokens
from frameweave.editing.footage import Fit
from frameweave.models.attention import overridden, own, self_attentions
from frameweave.models.control.controlnet import Seen, embedded, new_controlnet, residuals
from frameweave.models.features import collected, decoder_layers
from frameweave.models.loading.fit import check_fit
from frameweave.models.stable_diffusion import StableDiffusion
from full_size import sdxl


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusion:
    return sdxl(tmp_path_factory.mktemp("sdxl"))


def latents(model: StableDiffusion, frames: int = 2, height: int = 96, width: int = 168) -> torch.Tensor:
    return torch.empty(frames, model.channels, height, width, device="meta")


def test_it_is_sdxl(model: StableDiffusion) -> None:
    check_fit("sdxl", model)
    assert sum(weight.numel() for weight in model.unet.parameters()) == 2_567_463_684
    assert (model.native, model.multiple, model.vae_factor, model.is_xl) == (1024, 64, 8, True)
    assert (model.text.width, model.text.pooled_width) == (2048, 1280)
    assert KINDS[architecture(model.unet)] == "SDXL"
    assert Fit.for_model(model, (1920, 1080), None).padded == (1344, 768)


def test_it_predicts_frames_that_are_not_square(model: StableDiffusion) -> None:
    given = model.conditioning(["", "a red car"], negative=(0,))
    assert given.texts.shape == (2, 1, 77, 2048)
    assert given.pooled is not None
    assert given.pooled.shape == (2, 1, 1280)
    with overridden(model.unet, own):
        assert model.predict(latents(model), 501, given).shape == (2, 2, 4, 96, 168)


def test_a_lora_and_tokens_are_of_its_size(model: StableDiffusion) -> None:
    with torch.device("meta"):
        for blocks, transformers in (("down", 2 * 2 + 2 * 10), ("all", 24 + 10 + 3 * 10 + 3 * 2)):
            with added_lora(model.unet, rank=4, alpha=4, layers=pattern(blocks)) as lora:
                assert len(lora.weights()) == transformers * 2 * 4 * 2
                assert len(self_attentions(model.unet)) == 70
                assert len(decoder_layers(model.unet)) == 35
    tokens = PrefixTokens(4, model.text.width, 768, stride=2, rng=torch.Generator()).to("meta")
    given = model.conditioning(["a red car"])
    joined = concat_tokens(tokens(torch.empty(2, 50, 768, device="meta")), given.texts)
    assert joined.shape == (1, 2, 4 + 26 + 77, 2048)
    names = decoder_layers(model.unet)
    with collected(model.unet, names) as features:
        assert model.predict(latents(model), 951, given.with_texts(joined)).shape == (1, 2, 4, 96, 168)
        assert {tuple(feature.shape) for feature in features.take()} == {
            (2, 24 * 42, 1280),
            (2, 48 * 84, 640),
        }


def test_a_controlnet_is_made_from_it(model: StableDiffusion) -> None:
    with torch.device("meta"):
        controlnet = new_controlnet(model.unet, model.vae_factor, seed=0)
        given = model.conditioning(["a red car"])
        features = embedded(controlnet, torch.empty(1, 1, 768, 1344))
    assert features.shape == (1, 320, 96, 168)
    text = given.texts[0]
    seen = Seen(latents(model, 1), 501, text, given.added(1, (768, 1344)))
    assert [tuple(part.shape[1:]) for part in residuals(controlnet, seen, features)] == [
        *[(320, 96, 168)] * 3,
        (320, 48, 84),
        *[(640, 48, 84)] * 2,
        (640, 24, 42),
        *[(1280, 24, 42)] * 3,
    ]
