"""The adaptors that ship in the package."""

import pytest
import torch

from frameweave.adaptor.adaptor import load_adaptor
from frameweave.adaptor.packaged import PACKAGED, packaged_folder
from frameweave.editors.delta import Delta
from frameweave.editors.running import edit_clip
from frameweave.miniature.judge import packaged_judge
from frameweave.models.loading.load import load
from frameweave.models.seam import Model
from frameweave.video.clip import Clip
from frameweave.world.clips import stranger_clip
from frameweave.world.grammar import unknown_words
from frameweave.world.words import STRANGE_NOUNS


@pytest.mark.parametrize("name", PACKAGED)
def test_each_lies_in_the_package_and_says_where_it_helps(name: str) -> None:
    folder = packaged_folder(name)
    assert folder is not None and folder.is_dir()
    card = load_adaptor(name).card
    assert card.base == "miniature" and card.helps_in("tokenflow")
    assert packaged_folder(str(folder)) is None


def test_the_one_for_strangers_is_asked_first_and_names_its_words() -> None:
    card = load_adaptor(PACKAGED[0]).card
    assert set(STRANGE_NOUNS) <= set(card.words) == set(unknown_words(" ".join(card.words)))
    assert card.is_for(["a red rabbit in the snow"]) and not card.is_for(["a red car with a compressor, low"])


def test_with_it_an_edit_keeps_what_the_model_never_saw() -> None:
    """The true edit, and a judge that knows strangers, tell."""
    shown, model, adaptor = stranger_clip(), load("miniature"), load_adaptor("strangers")
    truth = shown.rendered(2, colour="yellow").frames

    def edited(model: Model) -> torch.Tensor:
        return edit_clip(
            Delta(steps=10),
            Clip.read(shown.path, frames=2),
            "a yellow rabbit in the snow",
            model,
            source_prompt=shown.caption,
            rng=torch.Generator().manual_seed(0),
        ).frames

    with adaptor.on(model, adaptor.use("delta")) as adapted:
        with_it = edited(adapted)
    without = edited(model)
    assert (with_it - truth).square().mean() < 0.6 * (without - truth).square().mean()
    seen = packaged_judge("stranger_judge").name(with_it)["noun"]
    rabbit = int(shown.scene.edited(noun="rabbit").noun[0])
    assert (seen == rabbit).all()
    assert not (packaged_judge("stranger_judge").name(without)["noun"] == rabbit).any()
