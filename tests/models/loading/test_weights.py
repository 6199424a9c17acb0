"""Every tensor of every network comes from its file, or the error names those that do not."""

import json
import logging
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import DPTForDepthEstimation
from transformers.utils import logging as transformers_logging

from frameweave.errors import ModelFolderError
from frameweave.models import depth
from frameweave.models.loading.load import load
from frameweave.models.loading.weights import network

Change = Callable[[dict[str, Tensor]], dict[str, Tensor]]
PARTS = ("vae", "unet", "text_encoder", "controlnet", "clip", "depth_estimator")


@pytest.fixture
def copy(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


def _changed(folder: Path, change: Change) -> None:
    (file,) = folder.glob("*.safetensors")
    save_file(change(load_file(file)), file, metadata={"format": "pt"})


def _loaded(folder: Path) -> None:
    load(str(folder), device="cpu")
    depth.load(str(folder), device="cpu")


@pytest.mark.parametrize("verbosity", [logging.DEBUG, logging.CRITICAL])
@pytest.mark.parametrize("part", PARTS)
def test_a_missing_tensor_is_named(copy: Path, part: str, verbosity: int) -> None:
    name = sorted(load_file(next((copy / part).glob("*.safetensors"))))[-1]
    _changed(copy / part, lambda tensors: {key: value for key, value in tensors.items() if key != name})
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity(verbosity)
    try:
        with pytest.raises(ModelFolderError, match=rf"{part}: .*1 tensors? missing \(.*{_end(name)}\)"):
            _loaded(copy)
        assert transformers_logging.get_verbosity() == verbosity
    finally:
        transformers_logging.set_verbosity(before)


@pytest.mark.parametrize("part", PARTS)
def test_tensors_under_other_names_are_named(copy: Path, part: str) -> None:
    _changed(copy / part, lambda tensors: {f"net.{key}": value for key, value in tensors.items()})
    with pytest.raises(ModelFolderError, match=rf"{part}: .*and \d+ more\).* not of a .*net\."):
        _loaded(copy)


@pytest.mark.parametrize("part", PARTS)
def test_a_tensor_that_nobody_asks_for_is_named(copy: Path, part: str) -> None:
    _changed(copy / part, lambda tensors: tensors | {"head.weight": torch.zeros(3)})
    with pytest.raises(ModelFolderError, match=rf"{part}: .*1 tensors? not of a \w+ \(head.weight\)"):
        _loaded(copy)


@pytest.mark.parametrize("part", PARTS)
def test_a_tensor_of_another_shape_is_named(copy: Path, part: str) -> None:
    name, tensor = sorted(load_file(next((copy / part).glob("*.safetensors"))).items())[0]
    shape = re.escape(f"({len(tensor) + 1}")
    _changed(copy / part, lambda tensors: tensors | {name: torch.zeros(len(tensor) + 1, *tensor.shape[1:])})
    with pytest.raises(ModelFolderError, match=rf"{part}: .*of another shape \(.*{_end(name)} {shape}"):
        _loaded(copy)


@pytest.mark.parametrize("part", PARTS)
def test_a_cut_file_is_named(copy: Path, part: str) -> None:
    (file,) = (copy / part).glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(ModelFolderError, match=rf"{part}/{file.name}: damaged"):
        _loaded(copy)


def test_whole_numbers_are_no_weights(copy: Path) -> None:
    _changed(copy / "unet", lambda tensors: {key: value.to(torch.int8) for key, value in tensors.items()})
    with pytest.raises(ModelFolderError, match=r"model\.safetensors: \d+ tensors of whole numbers"):
        _loaded(copy)


def test_bfloat16_is_no_whole_number(copy: Path) -> None:
    for part in ("unet", "vae", "text_encoder"):
        _changed(copy / part, lambda tensors: {key: value.bfloat16() for key, value in tensors.items()})
    _loaded(copy)


@pytest.mark.parametrize("prefix", ["transformer.text_model.", "text_model.text_model.", "cond_stage_model."])
def test_text_encoders_of_other_programs_are_refused(copy: Path, prefix: str) -> None:
    """Never random: a name that has no place is an error, however near it comes."""

    def renamed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return {prefix + key.removeprefix("text_model."): value for key, value in tensors.items()}

    _changed(copy / "text_encoder", renamed)
    with pytest.raises(ModelFolderError, match=r"text_encoder: cannot be loaded: \d+ tensors missing"):
        _loaded(copy)


@pytest.mark.parametrize("prefix", ["", "text_model."])
def test_both_namings_of_a_text_encoder_are_the_same(copy: Path, prefix: str) -> None:
    """Transformers changed its own names: older files have a prefix that newer ones lack."""
    ids = torch.arange(6)[None]
    expected = load(str(copy), device="cpu").text.networks[0](ids).last_hidden_state

    def renamed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return {prefix + key.removeprefix("text_model."): value for key, value in tensors.items()}

    _changed(copy / "text_encoder", renamed)
    found = load(str(copy), device="cpu").text.networks[0](ids).last_hidden_state
    assert torch.equal(found, expected)


def test_tensors_that_change_nothing_may_be_there_or_not(copy: Path) -> None:
    """Positions are counted anew; of a whole CLIP model the other tower is left aside."""
    more = {
        "text_model.embeddings.position_ids": torch.arange(32)[None],
        "vision_model.x": torch.zeros(1),
        "visual_projection.weight": torch.zeros(1),
        "text_projection.weight": torch.zeros(1),
        "logit_scale": torch.zeros(1),
    }
    _changed(copy / "text_encoder", lambda tensors: tensors | more)
    _changed(
        copy / "depth_estimator",
        lambda tensors: {
            key: value for key, value in tensors.items() if ".layers.0.residual_layer1." not in key
        },
    )
    _loaded(copy)


def test_the_first_layer_of_a_dpt_adds_nothing(copy: Path) -> None:
    """So published files that lack its residual weights give the same depth, whatever fills their place."""
    estimator = DPTForDepthEstimation.from_pretrained(copy / "depth_estimator").eval()
    frames = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        expected = estimator(frames).predicted_depth
        for weight in estimator.neck.fusion_stage.layers[0].residual_layer1.parameters():
            weight.fill_(float("nan"))
        assert torch.equal(estimator(frames).predicted_depth, expected)


def test_loading_says_nothing_itself(capfd: pytest.CaptureFixture[str]) -> None:
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_warning()
    try:
        load(device="cpu")
        assert transformers_logging.is_progress_bar_enabled()
    finally:
        transformers_logging.set_verbosity(before)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("content", ["[]", "null", "[" * 100_000, "\udcff"])
@pytest.mark.parametrize(
    "file",
    [
        "model_index.json",
        "scheduler/scheduler_config.json",
        "unet/config.json",
        "text_encoder/config.json",
        "clip/config.json",
        "tokenizer/tokenizer_config.json",
    ],
)
def test_settings_of_another_form_are_named(copy: Path, file: str, content: str) -> None:
    (copy / file).write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ModelFolderError, match=rf"{file}: (a JSON \w+, expected|cannot be read as JSON)"):
        _loaded(copy)


@pytest.mark.parametrize("value", [None, "64", [-1]])
@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("unet/config.json", "sample_size"),
        ("unet/config.json", "block_out_channels"),
        ("unet/config.json", "cross_attention_dim"),
        ("unet/config.json", "down_block_types"),
        ("vae/config.json", "scaling_factor"),
        ("vae/config.json", "latent_channels"),
        ("text_encoder/config.json", "hidden_size"),
        ("text_encoder/config.json", "max_position_embeddings"),
        ("clip/config.json", "image_size"),
        ("tokenizer/tokenizer_config.json", "model_max_length"),
        ("scheduler/scheduler_config.json", "beta_start"),
        ("scheduler/scheduler_config.json", "timestep_spacing"),
        ("scheduler/scheduler_config.json", "num_train_timesteps"),
        ("controlnet/config.json", "conditioning_embedding_out_channels"),
        ("depth_estimator/config.json", "neck_hidden_sizes"),
    ],
)
def test_a_value_of_another_kind_is_an_error_or_the_default(
    copy: Path, file: str, name: str, value: object
) -> None:
    """Whatever the libraries make of it: never a traceback of theirs."""
    said = json.loads((copy / file).read_text())
    (copy / file).write_text(json.dumps(said | {name: value}))
    try:
        _loaded(copy)
    except ModelFolderError as error:
        assert str(copy) in str(error) or "scheduler" in str(error)


def test_a_network_says_what_failed_in_the_caller_s_words(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match="no tower to be had.*take another"):
        network(
            DPTForDepthEstimation.from_pretrained,
            str(tmp_path),
            failing="no tower to be had",
            hint="take another",
        )


def _end(name: str) -> str:
    """The part of a tensor's name that stays whatever transformers calls what is before it."""
    return re.escape(".".join(name.split(".")[-2:]))
