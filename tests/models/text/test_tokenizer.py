"""The tokenizer of a model: words of textual inversions with several vectors."""

from pathlib import Path

import pytest
from transformers import CLIPTextConfig, CLIPTokenizer

from frameweave.editors._parts.prompt_to_prompt import words
from frameweave.models.text.tokenizer import clip_tokenizer


@pytest.fixture
def with_cats(tiny_folder: Path, tmp_path: Path) -> CLIPTokenizer:
    """<cat> has three vectors, <dog> one; the names are those that diffusers gives them."""
    plain = CLIPTokenizer.from_pretrained(tiny_folder, subfolder="tokenizer")
    plain.add_tokens(["<cat>", "<cat>_1", "<cat>_2", "<dog>"])
    plain.save_pretrained(tmp_path / "tokenizer")
    config = CLIPTextConfig(vocab_size=len(plain), max_position_embeddings=plain.model_max_length)
    return clip_tokenizer(str(tmp_path), "tokenizer", config)


def ids(tokenizer: CLIPTokenizer, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False).input_ids


@pytest.mark.parametrize("text", ["<cat>", "<cat> <cat>_1 <cat>_2"])
def test_a_word_of_several_vectors_is_read_as_all_of_them(with_cats: CLIPTokenizer, text: str) -> None:
    first = with_cats.convert_tokens_to_ids("<cat>")
    assert ids(with_cats, text) == [first, first + 1, first + 2]
    assert ids(with_cats, f"{text} <dog>") == [first, first + 1, first + 2, first + 3]
    assert with_cats([text, "<dog>"], add_special_tokens=False).input_ids == [
        [first, first + 1, first + 2],
        [first + 3],
    ]


def test_editors_know_all_its_positions(with_cats: CLIPTokenizer) -> None:
    assert [len(word) for word in words(with_cats, "<cat> <dog>")] == [3, 1]


def test_others_are_the_librarys_own(tiny_folder: Path) -> None:
    config = CLIPTextConfig(vocab_size=100_000, max_position_embeddings=77)
    assert type(clip_tokenizer(str(tiny_folder), "tokenizer", config)) is CLIPTokenizer
