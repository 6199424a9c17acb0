"""Loading: each kind of broken folder gets its own message."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel

from frameweave.errors import InputError, ModelFolderError
from frameweave.models.loading.device import dtype_name, torch_dtype
from frameweave.models.loading.load import load
from frameweave.models.loading.weights import network


@pytest.fixture
def copy(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


def test_a_missing_part(copy: Path) -> None:
    shutil.rmtree(copy / "vae")
    with pytest.raises(ModelFolderError, match="no vae folder in it"):
        load(str(copy))


def test_torn_weights_name_the_file(copy: Path) -> None:
    file = copy / "unet" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ModelFolderError, match=r"unet/diffusion_pytorch_model\.safetensors: damaged"):
        load(str(copy))


def test_weights_that_do_not_fit_their_config(copy: Path) -> None:
    config = copy / "unet" / "config.json"
    config.write_text(config.read_text().replace('"cross_attention_dim": 16', '"cross_attention_dim": 32'))
    with pytest.raises(ModelFolderError, match="unet: cannot be loaded"):
        load(str(copy))


@pytest.mark.parametrize("suffix", [".bin", ".ckpt"])
def test_pickles_in_a_folder_are_refused_unopened(copy: Path, suffix: str) -> None:
    folder = copy / "vae"
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    (folder / f"diffusion_pytorch_model{suffix}").write_bytes(b"cos\nsystem\n(S'touch hacked'\ntR.")
    with pytest.raises(ModelFolderError, match="pickle"):
        load(str(copy))
    assert not Path("hacked").exists()


def test_a_pickle_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.ckpt").write_bytes(b"x")
    with pytest.raises(ModelFolderError, match="pickle"):
        load(str(tmp_path / "model.ckpt"))


def test_an_unknown_name() -> None:
    with pytest.raises(ModelFolderError, match="no such folder, and not a hub id"):
        load("miniatur")
    with pytest.raises(ModelFolderError, match="no such file, and not a hub id"):
        load("absent.safetensors")


def test_a_hub_id_offline_says_so() -> None:
    with pytest.raises(ModelFolderError, match="no-such-owner/no-such-model"):
        load("no-such-owner/no-such-model")


@pytest.mark.parametrize(
    ("unit", "precision"),
    [("avx2", "fp32"), ("avx512_f", "fp32"), ("avx512_bf16", "bf16"), ("amx_bf16", "bf16")],
)
def test_auto_is_half_where_the_processor_computes_in_it(
    monkeypatch: pytest.MonkeyPatch, unit: str, precision: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {unit: True})
    assert dtype_name(torch_dtype("auto", torch.device("cpu"))) == precision


@pytest.mark.parametrize(("native", "precision"), [(True, "bf16"), (False, "fp16")])
def test_auto_on_a_gpu_is_half_of_some_kind(
    monkeypatch: pytest.MonkeyPatch, native: bool, precision: str
) -> None:
    def supported(*, including_emulation: bool = True) -> bool:
        return native or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert dtype_name(torch_dtype("auto", torch.device("cuda"))) == precision


def test_an_unknown_dtype_and_device() -> None:
    with pytest.raises(InputError, match="choose from auto, fp32, fp16, bf16"):
        load(dtype="int8")
    with pytest.raises(InputError, match="device 'tpu' is not available on this machine"):
        load(device="tpu")


def test_a_tokenizer_without_its_files(copy: Path) -> None:
    for path in (copy / "tokenizer").iterdir():
        path.unlink()
    with pytest.raises(ModelFolderError, match="tokenizer: .*copy"):
        load(str(copy))


def test_a_tokenizer_of_another_model(copy: Path) -> None:
    config = copy / "tokenizer" / "tokenizer_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"model_max_length": 512}))
    with pytest.raises(ModelFolderError, match="texts of up to 512 tokens, the text encoder takes"):
        load(str(copy))


def test_a_tokenizer_that_says_no_length_takes_the_encoders(copy: Path) -> None:
    config = copy / "tokenizer" / "tokenizer_config.json"
    said = json.loads(config.read_text())
    longest = said.pop("model_max_length")
    config.write_text(json.dumps(said))
    model = load(str(copy), device="cpu")
    assert (
        model.tokenizer.model_max_length == longest == model.text.networks[0].config.max_position_embeddings
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"class_embed_type": "timestep"}, "class_embed_type 'timestep'"),
        ({"num_class_embeds": 3}, "num_class_embeds 3"),
        ({"out_channels": 8}, "8 output channels, expected 4"),
    ],
)
def test_unets_that_need_or_give_more_are_refused_by_name(
    copy: Path, changes: dict[str, object], told: str
) -> None:
    _unet(copy, **changes)
    with pytest.raises(ModelFolderError, match=told):
        load(str(copy), device="cpu")


def test_latents_of_another_family_are_refused(copy: Path) -> None:
    config = copy / "vae" / "config.json"
    said = json.loads(config.read_text())
    for name, value in {"shift_factor": 0.1, "latents_mean": [0.0] * 4, "scaling_factor": 1e400}.items():
        config.write_text(json.dumps(said | {name: value}))
        with pytest.raises(ModelFolderError, match=f"vae.*{name}"):
            load(str(copy), device="cpu")


@pytest.mark.parametrize("length", [1, 2, -5, "77"])
def test_a_tokenizer_that_leaves_no_room_for_words(copy: Path, length: object) -> None:
    config = copy / "tokenizer" / "tokenizer_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"model_max_length": length}))
    with pytest.raises(ModelFolderError, match="tokenizer"):
        load(str(copy), device="cpu")


def _scheduler(folder: Path, **changed: object) -> None:
    config = folder / "scheduler" / "scheduler_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | changed))


def test_what_the_scheduler_says_of_predictions(copy: Path) -> None:
    for kind in ("epsilon", "v_prediction", "sample"):
        _scheduler(copy, prediction_type=kind)
        assert load(str(copy), device="cpu").prediction == kind
    _scheduler(copy, prediction_type="flow_prediction")
    with pytest.raises(ModelFolderError, match="prediction_type 'flow_prediction'"):
        load(str(copy), device="cpu")


def test_half_precision_is_refused_where_a_sampler_starts_without_signal(copy: Path) -> None:
    _scheduler(copy, prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing")
    with pytest.raises(ModelFolderError, match="too near 0 for half precision.*--dtype fp32"):
        load(str(copy), device="cpu", dtype="fp16")
    assert load(str(copy), device="cpu").schedule.timesteps(2) == [999, 499]
    assert load(str(copy), device="cpu", dtype="auto").precision == torch.float32


def test_a_scheduler_that_does_not_say_its_betas(copy: Path) -> None:
    (copy / "scheduler" / "scheduler_config.json").write_text("{}")
    with pytest.raises(ModelFolderError, match="without beta_start, beta_end, beta_schedule"):
        load(str(copy))


def test_weights_of_half_precision_only(copy: Path) -> None:
    whole = load(str(copy), device="cpu")
    for part in ("vae", "unet", "text_encoder"):
        for file in (copy / part).glob("*.safetensors"):
            file.rename(file.with_suffix(".fp16.safetensors"))
    half = load(str(copy), device="cpu")
    for mine, theirs in zip(half.unet.parameters(), whole.unet.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_hub_repository_may_hold_half_precision_only(monkeypatch: pytest.MonkeyPatch, copy: Path) -> None:
    """Of a name that is no folder the usual files are asked for first, then those of half precision."""
    asked: list[str | None] = []

    def from_pretrained(source: str, *, subfolder: str, variant: str | None, **others: Any) -> Any:
        asked.append(variant)
        if variant is None:
            raise OSError(f"{source}: no file named diffusion_pytorch_model.safetensors")
        told = {"missing_keys": [], "unexpected_keys": [], "mismatched_keys": []}
        return AutoencoderKL.from_config(AutoencoderKL.load_config(copy / subfolder)), told

    monkeypatch.setattr(AutoencoderKL, "from_pretrained", from_pretrained)
    assert network(AutoencoderKL.from_pretrained, "owner/name", "vae")
    assert asked == [None, "fp16"]


def _unet(folder: Path, **changed: Any) -> None:
    """Another UNet in the place of the folder's."""
    config = UNet2DConditionModel.load_config(folder / "unet")
    UNet2DConditionModel.from_config(config, **changed).save_pretrained(folder / "unet")


def test_networks_that_do_not_belong_together_are_told(copy: Path, tmp_path: Path) -> None:
    _unet(copy, cross_attention_dim=24)
    with pytest.raises(
        ModelFolderError,
        match=r"reads text embeddings 24 wide and nothing else, the text encoder's are 16 wide",
    ):
        load(str(copy), device="cpu")
    of_another = UNet2DConditionModel.from_pretrained(copy / "unet")
    ControlNetModel.from_unet(of_another, conditioning_embedding_out_channels=(4, 8)).save_pretrained(
        tmp_path / "c"
    )
    _unet(copy, cross_attention_dim=16, in_channels=9)
    with pytest.raises(ModelFolderError, match="9 input channels, expected 4, or 8"):
        load(str(copy), device="cpu")
    _unet(copy, cross_attention_dim=16, in_channels=4)
    with pytest.raises(
        ModelFolderError, match="the ControlNet reads text embeddings 24 wide, the model's are 16 wide"
    ):
        load(str(copy), device="cpu", controlnet=str(tmp_path / "c"))


def test_models_of_other_families_are_told(copy: Path) -> None:
    sizes = {"addition_time_embed_dim": 2, "projection_class_embeddings_input_dim": 12 + 16}
    _unet(copy, addition_embed_type="text_time", **sizes)
    with pytest.raises(ModelFolderError, match="no text_encoder_2 folder in it"):
        load(str(copy), device="cpu")
    _unet(copy, addition_embed_type="text", addition_embed_type_num_heads=2)
    with pytest.raises(ModelFolderError, match="and text, the text encoder's are 16"):
        load(str(copy), device="cpu")


def test_settings_for_a_folder_are_refused(copy: Path) -> None:
    with pytest.raises(InputError, match=r"config sd1.5 with the model .*leave --model-config out"):
        load(str(copy), config="sd1.5")
