"""PickScore on a small CLIP model against that model's own output, and what happens where none is named."""

from pathlib import Path

import pytest
import torch

from frameweave.errors import InputError, ModelFolderError
from frameweave.measuring.experiments.measures import Backbones
from frameweave.measuring.metrics.backbones.clip import hub_clip
from frameweave.measuring.metrics.base import Case, Looked, measured
from frameweave.measuring.metrics.pick_score import pick_score_metric
from frameweave.measuring.options import EvaluateOptions, TuneOptions
from frameweave.measuring.tune import tune


def test_it_is_the_models_own_logit(published_folder: Path) -> None:
    model = hub_clip(str(published_folder / "clip"))
    frames = torch.rand(3, 3, 32, 32)
    given = model.tokenizer(["a red car"], padding="max_length", max_length=16, return_tensors="pt")
    with torch.no_grad():
        logits = model.model(**given, pixel_values=model.prepared(frames)).logits_per_image
    score = pick_score_metric(model).measure(Case(edited=Looked(frames), prompt="a red car"))
    assert score == pytest.approx(float(logits.mean()), abs=1e-3)


def test_a_named_model_is_measured_and_none_is_no_column(published_folder: Path) -> None:
    named = EvaluateOptions(pick_model=str(published_folder / "clip"))
    names = [one.name for one in Backbones.asked(named).measures().each]
    assert "pick_score" in names and "dino_structure" not in names
    assert "pick_score" not in [one.name for one in Backbones.asked(EvaluateOptions()).measures().each]


def test_published_networks_without_it_give_the_reason(published_folder: Path) -> None:
    options = EvaluateOptions(
        backbones="real", weights=published_folder, clip_model=str(published_folder / "clip")
    )
    measures = Backbones.asked(options).measures()
    lacking = [one for one in measures.each if one.lacks]
    scores = measured(Case(edited=Looked(torch.rand(2, 3, 32, 32)), prompt="a car"), lacking)
    assert {score.metric: score.reason.split(",")[0] for score in scores} == {
        "pick_score": "needs a network: name one with --pick-model",
        "dino_structure": "needs a network: name one with --dino-model",
    }


def test_asked_for_by_name_or_missing_it_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pick_score needs a network.*--pick-model"):
        tune("miniature", None, TuneOptions(metrics=("pick_score",), out=tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelFolderError, match="no CLIP model") as error:
        Backbones.asked(EvaluateOptions(pick_model=str(tmp_path / "empty"))).measures()
    assert "--pick-model" in error.value.hint
    with pytest.raises(ModelFolderError, match="no such folder"):
        Backbones.asked(EvaluateOptions(dino_model="nowhere")).measures()
