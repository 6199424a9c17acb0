"""Textual inversions: their vectors are what the text encoder reads, and nothing of them stays."""

from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from frameweave.errors import FrameweaveError, InputError, ModelFolderError
from frameweave.models.identity import fingerprint
from frameweave.models.loading.load import load
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.models.text.embedding_files import embedding_file
from frameweave.models.text.embeddings import embeddings
from frameweave.models.text.parts import laid_out
from style_loras import kohya, random_pairs, saved
from tiny import WIDTH
from tiny_xl import FIRST, SECOND


def _vectors(count: int, width: int = WIDTH, seed: int = 0) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def three(tmp_path: Path) -> tuple[str, Tensor]:
    """A1111's form, three vectors."""
    vectors = _vectors(3)
    return saved({"emb_params": vectors}, tmp_path / "EasyNegative.safetensors"), vectors


def _read(model: StableDiffusion, prompt: str) -> Tensor:
    return model.text.encode([prompt]).texts[0, 0]


@torch.no_grad()
def _by_hand(model: StableDiffusion, parts: list[str | Tensor]) -> Tensor:
    """The encoder run on a table of vectors that was put together by hand."""
    encoder, tokenizer = model.text.networks[0], model.tokenizer
    table = encoder.get_input_embeddings().weight  # pyright: ignore
    rows = [table[tokenizer.bos_token_id][None]]
    for part in parts:
        if isinstance(part, str):
            part = table[tokenizer(part, add_special_tokens=False).input_ids]  # noqa: PLW2901
        rows.append(part)
    count = sum(map(len, rows))
    rest = tokenizer.model_max_length - count - 1
    rows += [table[tokenizer.eos_token_id][None], table[tokenizer.pad_token_id].expand(rest, -1)]
    hook = encoder.get_input_embeddings().register_forward_hook(lambda *_: torch.cat(rows)[None])  # pyright: ignore
    try:
        ids = tokenizer("", padding="max_length", return_tensors="pt").input_ids
        return encoder(ids).last_hidden_state[0]
    finally:
        hook.remove()


@pytest.mark.parametrize(
    "word",
    ["EasyNegative", "easynegative", "<EasyNegative>", "<easynegative>", "embedding:EasyNegative"],
)
@pytest.mark.parametrize("text", ["a {} car", "{}", "{}, a car", "a car, {}"])
def test_a_word_is_read_as_its_vectors(
    tiny: StableDiffusion, three: tuple[str, Tensor], word: str, text: str
) -> None:
    before, after = text.split("{}")
    expected = _by_hand(tiny, [before, three[1], after])
    with embeddings(tiny, [three[0]]) as model:
        assert torch.allclose(_read(model, text.format(word)), expected, atol=1e-6)
        assert not torch.allclose(_read(tiny, text.format(word)), expected, atol=1e-2)


def test_weights_hold_for_all_of_its_vectors(tiny_folder: Path, three: tuple[str, Tensor]) -> None:
    model = load(str(tiny_folder), device="cpu", prompt_syntax="a1111", embedding=(three[0],))
    (laid,) = laid_out([model.tokenizer], ["a (easynegative:1.5) car"], "a1111")
    assert laid.weights is not None
    assert laid.weights[0, 0, :7].tolist() == [1, 1, 1.5, 1.5, 1.5, 1, 1]


def test_diffusers_reads_the_same(tiny: StableDiffusion, tiny_folder: Path, tmp_path: Path) -> None:
    vectors = _vectors(2)
    file = saved({"<cat>": vectors}, tmp_path / "learned_embeds.safetensors")
    pipeline = StableDiffusionPipeline.from_pretrained(tiny_folder)
    pipeline.load_textual_inversion(file)
    expected, _ = pipeline.encode_prompt("a <cat> on a car", "cpu", 1, False)
    with embeddings(tiny, [file]) as model:
        assert torch.allclose(_read(model, "a <cat> on a car"), expected[0], atol=1e-6)
        assert torch.equal(_read(model, "a cat on a car"), _read(model, "a <cat> on a car"))


def test_nothing_of_it_stays(tiny: StableDiffusion, three: tuple[str, Tensor]) -> None:
    encoder, tokenizer = tiny.text.networks[0], tiny.tokenizer
    plain, print_before, words = _read(tiny, "EasyNegative"), fingerprint(encoder), len(tokenizer)
    with pytest.raises(RuntimeError, match="stop"), embeddings(tiny, [three[0]]) as model:
        assert fingerprint(encoder) == print_before and model.tokenizer is not tokenizer
        assert torch.equal(_read(tiny, "EasyNegative"), plain)  # the plain model beside it
        raise RuntimeError("stop")
    assert torch.equal(_read(tiny, "EasyNegative"), plain)
    assert fingerprint(encoder) == print_before and len(tokenizer) == words
    hooks = [module for module in encoder.modules() if module._forward_hooks or module._forward_pre_hooks]
    assert not hooks


def test_several_words(tiny: StableDiffusion, three: tuple[str, Tensor], tmp_path: Path) -> None:
    """Also where one begins with the other, and in a block within a block."""
    other = _vectors(1, seed=2)
    file = saved({"emb_params": other}, tmp_path / "a.safetensors")
    expected = _by_hand(tiny, ["a", other, three[1], "car"])
    text = "a easy, easynegative car".replace(",", "")
    with embeddings(tiny, [three[0], f"easy={file}"]) as model:
        assert torch.allclose(_read(model, text), expected, atol=1e-6)
    with embeddings(tiny, [three[0]]) as outer, embeddings(outer, [f"<easy>={file}"]) as model:
        assert torch.allclose(_read(model, text), expected, atol=1e-6)


def test_a_word_within_a_word_is_none(tiny: StableDiffusion, tmp_path: Path) -> None:
    file = saved({"emb_params": _vectors(1)}, tmp_path / "car.safetensors")
    with embeddings(tiny, [file]) as model:
        for text in ("a cart", "a race-car", "a scar", "<car"):
            assert torch.equal(_read(model, text), _read(tiny, text))
        assert not torch.equal(_read(model, "a car."), _read(tiny, "a car."))


@pytest.mark.parametrize("names", [("clip_l", "clip_g"), ("text_encoders_0", "text_encoders_1")])
def test_sdxl(tiny_xl: StableDiffusion, tmp_path: Path, names: tuple[str, str]) -> None:
    first, second = _vectors(2, FIRST), _vectors(2, SECOND, 1)
    file = saved({names[0]: first, names[1]: second}, tmp_path / "neg.safetensors")
    plain = tiny_xl.text.encode(["a neg car"])
    with embeddings(tiny_xl, [file]) as model:
        found = model.text.encode(["a neg car"])
        usual = model.text.encode(["a red car"])
    assert not torch.allclose(found.texts, plain.texts) and not torch.allclose(found.pooled, plain.pooled)
    again = tiny_xl.text.encode(["a red car"])
    assert torch.equal(usual.texts, again.texts) and torch.equal(usual.pooled, again.pooled)
    with embeddings(tiny_xl, [file]) as model:
        for encoder, vectors in zip(tiny_xl.text.networks, (first, second), strict=True):
            seen: list[Tensor] = []
            table = encoder.get_input_embeddings()  # pyright: ignore
            hook = table.register_forward_hook(lambda *told, seen=seen: seen.append(told[2]))
            model.text.encode(["a neg car"])
            hook.remove()
            assert torch.equal(seen[0][0, 2:4], vectors)


def test_sdxls_pooled_text_is_read_at_the_end(tiny_xl: StableDiffusion, tmp_path: Path) -> None:
    """Older settings look for the end at the largest token: none of ours may be taken for it."""
    file = saved({"clip_l": _vectors(1, FIRST), "clip_g": _vectors(1, SECOND)}, tmp_path / "neg.safetensors")
    ids: list[Tensor] = []
    encoder = tiny_xl.text.networks[1]
    with embeddings(tiny_xl, [file]) as model:
        hook = encoder.get_input_embeddings().register_forward_pre_hook(lambda _, args: ids.append(args[0]))  # pyright: ignore
        model.text.encode(["a neg car"])
        hook.remove()
    assert int(ids[0].max()) < len(tiny_xl.tokenizer)


@pytest.mark.parametrize(
    ("name", "tensors", "word"),
    [
        ("a.safetensors", {"emb_params": (2, 4)}, "a"),
        ("a.safetensors", {"<dog-toy>": (4,)}, "dog-toy"),
        ("a.safetensors", {"*": (1, 4)}, "a"),
        ("ng_deepnegative_v1_75t.safetensors", {"emb_params": (1, 4)}, "ng_deepnegative_v1_75t"),
        ("learned_embeds.safetensors", {"emb_params": (1, 4)}, "folder"),
        ("a.safetensors", {"string_to_param.*": (1, 4)}, "a"),
    ],
)
def test_which_word(tmp_path: Path, name: str, tensors: dict[str, tuple[int, ...]], word: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    file = saved({key: torch.ones(shape) for key, shape in tensors.items()}, folder / name)
    assert embedding_file(file).word == word
    assert embedding_file(str(folder)).word == word
    assert embedding_file(f"neg={file}").word == embedding_file(f"<neg>={file}").word == "neg"


OTHERS = [
    ({"emb_params": torch.ones(1, 768)}, "for Stable Diffusion 1.x, the model is one of models with text 16"),
    ({"emb_params": torch.ones(1, 1024)}, "for Stable Diffusion 2.x"),
    ({"clip_l": torch.ones(1, 768), "clip_g": torch.ones(1, 1280)}, "for SDXL"),
    ({"clip_l": torch.ones(1, 16), "clip_g": torch.ones(2, 16)}, "1 and 2 vectors for the two text encoders"),
    ({"clip_l": torch.ones(1, 16), "t5xxl": torch.ones(2, 16)}, "Stable Diffusion 3"),
    ({"emb_params": torch.ones(31, 16)}, "31 vectors, the text encoder reads"),
    ({"emb_params": torch.ones(1, 2, 16)}, r"is \(1, 2, 16\), expected vectors"),
    ({"emb_params": torch.tensor(1.0)}, r"is \(\), expected vectors"),
    ({"a": torch.ones(1, 16), "b": torch.ones(1, 16)}, "2 tensors .*of one word"),
    ({"emb_params": torch.full((1, 16), torch.nan)}, "no numbers"),
    ({"model.diffusion_model.out.2.weight": torch.ones(2)}, "a checkpoint.*--model"),
]


@pytest.mark.parametrize(("tensors", "told"), OTHERS)
def test_what_is_none_of_this_model(
    tiny: StableDiffusion, tmp_path: Path, tensors: dict[str, Tensor], told: str
) -> None:
    file = saved(tensors, tmp_path / "a.safetensors")
    with pytest.raises(ModelFolderError, match=told), embeddings(tiny, [file]):
        pass


def test_a_lora_and_pickles(tiny: StableDiffusion, tmp_path: Path) -> None:
    lora = saved(kohya(random_pairs(tiny.unet, endings=("to_q",))), tmp_path / "a.safetensors")
    with pytest.raises(ModelFolderError, match="a LoRA.*--lora"):
        embedding_file(lora)
    for name in ("easynegative.pt", "learned_embeds.bin"):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(ModelFolderError, match="pickle"):
            embedding_file(str(tmp_path / name))


def test_an_sdxl_model_takes_none_of_another(tiny_xl: StableDiffusion, three: tuple[str, Tensor]) -> None:
    with pytest.raises(ModelFolderError, match="the model is one of models with text 32 and 48 wide"):
        embeddings(tiny_xl, [three[0]]).__enter__()


@pytest.mark.parametrize(
    "text", ["=a.safetensors", "neg=", "", "(neg)=a.safetensors", "<=a.safetensors", "-=a"]
)
def test_words_that_are_none(text: str) -> None:
    with pytest.raises(FrameweaveError):
        embedding_file(text)


def test_a_word_that_is_a_sign_of_prompts_is_none() -> None:
    with pytest.raises(InputError, match="'BREAK' cannot stand in a prompt as a word"):
        embedding_file("BREAK=a.safetensors")


def test_a_word_is_given_once(tiny: StableDiffusion, three: tuple[str, Tensor]) -> None:
    with pytest.raises(FrameweaveError, match="is taken"), embeddings(tiny, [three[0], three[0]]):
        pass
    with embeddings(tiny, [three[0]]) as model, pytest.raises(FrameweaveError, match="is taken"):
        embeddings(model, [three[0]]).__enter__()
