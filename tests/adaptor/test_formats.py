"""The LoRA in other programs' layouts: names by hand, and a stock pipeline that loads each file."""

import dataclasses
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from frameweave.adaptor.adaptor import FILE, Adaptor, load_adaptor
from frameweave.adaptor.card import Card
from frameweave.adaptor.formats import (
    DIFFUSERS_FILE,
    KOHYA_FILE,
    SD1,
    SD2,
    diffusers_layout,
    kohya_header,
    kohya_layout,
    kohya_name,
    layer_name,
    modelspec,
    read_layout,
    write_tensors,
)
from frameweave.errors import ModelFolderError
from frameweave.models.stable_diffusion import StableDiffusion
from tiny import new_adaptor, prediction

LAYER = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0"
KOHYA = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_out_0"


@pytest.fixture(params=[(4, 4.0), (4, 10.0), (2, 1.0)], ids=lambda p: f"rank {p[0]} alpha {p[1]:g}")
def any_adaptor(tiny: StableDiffusion, request: pytest.FixtureRequest) -> Adaptor:
    rank, alpha = request.param
    return new_adaptor(tiny, rank=rank, alpha=alpha)


@pytest.mark.parametrize("file", [DIFFUSERS_FILE, KOHYA_FILE])
def test_a_stock_pipeline_loads_what_was_saved(
    any_adaptor: Adaptor, tiny: StableDiffusion, tiny_folder: Path, tmp_path: Path, file: str
) -> None:
    any_adaptor.save(tmp_path)
    pipeline = StableDiffusionPipeline.from_pretrained(tiny_folder)
    plain = prediction(pipeline.unet, 950)
    pipeline.load_lora_weights(tmp_path, weight_name=file, adapter_name="ours")
    pipeline.set_adapters(["ours"], [0.5])
    with any_adaptor.in_unet(tiny.unet, any_adaptor.use(strength=0.5)):
        ours = prediction(tiny.unet, 950)
    assert float((prediction(pipeline.unet, 950) - ours).abs().max()) < 1e-5
    assert float((plain - ours).abs().max()) > 1e-2


def test_a_folder_alone_is_enough_for_a_stock_pipeline(
    adaptor: Adaptor, tiny_folder: Path, tmp_path: Path
) -> None:
    adaptor.save(tmp_path)
    pipeline = StableDiffusionPipeline.from_pretrained(tiny_folder)
    pipeline.load_lora_weights(tmp_path)
    assert len(pipeline.get_active_adapters()) == 1


@pytest.mark.parametrize("file", [DIFFUSERS_FILE, KOHYA_FILE])
def test_both_layouts_are_read_back(any_adaptor: Adaptor, tmp_path: Path, file: str) -> None:
    any_adaptor.save(tmp_path)
    back, card = read_layout(tmp_path / file), any_adaptor.card
    assert back.keys() == any_adaptor.lora.keys()
    for name, weight in any_adaptor.lora.items():
        folded = weight * (card.alpha / card.rank) if "lora_B" in name else weight
        assert torch.allclose(back[name], folded, rtol=1e-6, atol=0)


def pair(rank: int = 4) -> dict[str, torch.Tensor]:
    return {f"{LAYER}.lora_A.weight": torch.ones(rank, 3), f"{LAYER}.lora_B.weight": torch.ones(5, rank)}


def test_names_shapes_and_alpha_by_hand() -> None:
    card = Card(base="x", architecture=SD1, layers=".*", rank=4, alpha=2.0)
    diffusers = diffusers_layout(pair(), card)
    assert {key: (tuple(w.shape), float(w.max())) for key, w in diffusers.items()} == {
        f"unet.{LAYER}.lora_A.weight": ((4, 3), 1.0),
        f"unet.{LAYER}.lora_B.weight": ((5, 4), 0.5),
    }
    kohya = kohya_layout(pair(), card)
    assert {key: (tuple(w.shape), float(w.max())) for key, w in kohya.items()} == {
        f"{KOHYA}.lora_down.weight": ((4, 3), 1.0),
        f"{KOHYA}.lora_up.weight": ((5, 4), 1.0),
        f"{KOHYA}.alpha": ((), 2.0),
    }
    assert {w.dtype for w in (*diffusers.values(), *kohya.values())} == {torch.float32}


def test_headers_say_how_the_lora_is_meant(adaptor: Adaptor, tmp_path: Path) -> None:
    sd1 = dataclasses.replace(adaptor.card, architecture=SD1, base="sd15")
    assert kohya_header(sd1) | modelspec(sd1) == {
        "ss_network_module": "networks.lora",
        "ss_network_dim": "4",
        "ss_network_alpha": "4",
        "ss_base_model_version": "sd_v1",
        "ss_v2": "False",
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "stable-diffusion-v1/lora",
        "modelspec.implementation": "diffusers",
        "modelspec.title": "Frameweave temporal LoRA",
        "modelspec.timestep_range": "900,999",
        "modelspec.usage_hint": "strength 0.5, at timesteps 900 to 999 of 1000 only",
    }
    adaptor.save(tmp_path)
    headers: dict[str, dict[str, str]] = {}
    for file in (DIFFUSERS_FILE, KOHYA_FILE):
        with safe_open(tmp_path / file, "pt") as opened:
            headers[file] = opened.metadata()
        assert headers[file]["modelspec.timestep_range"] == "900,999"
        assert "lora_adapter_metadata" not in headers[file]
    assert "ss_base_model_version" not in headers[KOHYA_FILE]  # the tiny model is no SD 1.x
    assert headers[KOHYA_FILE]["modelspec.architecture"] == "unet-8-16-x-16/lora"
    other = dataclasses.replace(adaptor.card, low=0.5, high=0.8)
    assert modelspec(other)["modelspec.timestep_range"] == "500,799"
    assert "at timesteps 500 to 799 of 1000 only" in modelspec(other)["modelspec.usage_hint"]


@pytest.mark.parametrize(
    ("prediction", "architecture", "said"),
    [
        ("v_prediction", "stable-diffusion-v2-768-v/lora", "v"),
        ("epsilon", "stable-diffusion-v2-512/lora", "epsilon"),
        (None, "stable-diffusion-v2-512/lora", None),
    ],
)
def test_adaptors_of_stable_diffusion_2_say_so(
    prediction: str | None, architecture: str, said: str | None
) -> None:
    header = kohya_header(Card(base="x", architecture=SD2, layers=".*", prediction=prediction))
    assert header["ss_v2"] == "True"  # the word by which A1111 tells it from version 1
    assert header["ss_base_model_version"] == "sd_v2"
    assert header["modelspec.architecture"] == architecture
    assert header.get("modelspec.prediction_type") == said


def test_tensors_are_written_as_the_library_reads_them(tmp_path: Path) -> None:
    tensors = {"b": torch.randn(3, 2), "a": torch.tensor(2.0), "c": torch.arange(5)}
    write_tensors(tensors, tmp_path / "x.safetensors", {"z": "last", "format": "pt"})
    back = load_file(tmp_path / "x.safetensors")
    assert back.keys() == tensors.keys() and all(torch.equal(back[key], tensors[key]) for key in tensors)
    with safe_open(tmp_path / "x.safetensors", "pt") as opened:
        assert opened.metadata() == {"z": "last", "format": "pt"}


def test_every_layer_of_stable_diffusion_has_its_name_back() -> None:
    with torch.device("meta"):
        unet = UNet2DConditionModel(cross_attention_dim=768)
    layers = [n for n, m in unet.named_modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d))]
    assert len(layers) > 250
    assert [layer_name(kohya_name(layer)) for layer in layers] == layers


def test_an_adaptor_of_tokens_alone_has_one_file(adaptor: Adaptor, tmp_path: Path) -> None:
    dataclasses.replace(adaptor, lora={}).save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_all_files_come_atomically(adaptor: Adaptor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adaptor.save(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert before.keys() == {FILE, DIFFUSERS_FILE, KOHYA_FILE}

    def full(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("frameweave.adaptor.formats.write_tensors", full)
    with pytest.raises(OSError, match="No space"):
        adaptor.save(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_bad_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match=r"kohya.safetensors: not there"):
        read_layout(tmp_path / KOHYA_FILE)
    with pytest.raises(ModelFolderError, match=r"lora.pt: a pickle"):
        read_layout(tmp_path / "lora.pt")
    (tmp_path / KOHYA_FILE).write_bytes(b"torn")
    with pytest.raises(ModelFolderError, match=r"kohya.safetensors: damaged"):
        read_layout(tmp_path / KOHYA_FILE)
    save_file({"lora_te_text_model.lora_down.weight": torch.ones(2)}, tmp_path / KOHYA_FILE)
    with pytest.raises(ModelFolderError, match=r"holds lora_te_.*, expected names like unet\."):
        read_layout(tmp_path / KOHYA_FILE)


def test_a_layout_without_alpha_has_scale_one(tmp_path: Path) -> None:
    kohya = kohya_layout(pair(), Card(base="x", architecture=SD1, layers=".*", rank=4, alpha=2.0))
    del kohya[f"{KOHYA}.alpha"]
    save_file(kohya, tmp_path / "a.safetensors")
    assert float(read_layout(tmp_path / "a.safetensors")[f"{LAYER}.lora_B.weight"].max()) == 1


def test_another_programs_file_is_no_adaptor(adaptor: Adaptor, tmp_path: Path) -> None:
    adaptor.save(tmp_path)
    with pytest.raises(ModelFolderError, match="no adaptor"):
        load_adaptor(str(tmp_path / KOHYA_FILE))
    assert load_file(tmp_path / KOHYA_FILE)
