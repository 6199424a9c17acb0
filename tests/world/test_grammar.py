"""Captions name what is shown, and the tokenizer keeps every word whole."""

from itertools import pairwise
from pathlib import Path

from transformers import CLIPTokenizer

from frameweave.world.grammar import MAX_TOKENS, captions, corpus, train_tokenizer
from frameweave.world.scene import sample_scenes

HINTS = {
    "grass": ("grass", "meadow"),
    "sky": ("sky", "clouds"),
    "sand": ("sand", "desert"),
    "snow": ("snow",),
    "bricks": ("brick",),
    "stripes": ("stripe",),
    "checkers": ("checker",),
}


def test_complete_captions_name_every_attribute() -> None:
    scenes = sample_scenes(300, seed=1)
    for index, text in enumerate(captions(scenes, 2, complete=True)):
        words = scenes.words(index)
        assert f"{words['colour']} {words['noun']}" in text
        assert any(hint in text for hint in HINTS[words["background"]])
        styles = {style for style in ("pixel art", "cartoon", "night", "pencil sketch") if style in text}
        assert styles == ({words["style"]} if words["style"] != "plain" else set())


def test_articles() -> None:
    texts = captions(sample_scenes(500, seed=3), 4)
    for text in texts:
        tokens = text.replace(",", "").split()
        for article, word in pairwise(tokens):
            if article in ("a", "an"):
                assert (article == "an") == (word[0] in "aeiou"), text


def test_captions_are_a_pure_function_and_have_many_forms() -> None:
    scenes = sample_scenes(100, seed=1)
    assert captions(scenes, 2) == captions(scenes, 2) != captions(scenes, 3)


def test_tokenizer(tmp_path: Path) -> None:
    train_tokenizer(tmp_path)
    tokenizer = CLIPTokenizer.from_pretrained(tmp_path)
    words = {word.strip(",") for sentence in corpus() for word in sentence.split()} - {""}
    for word in words:
        assert len(tokenizer(word).input_ids) == 3, word
    ids = {tokenizer(word).input_ids[1] for word in words}
    assert len(ids) == len(words)
    text = "a red duck in the snow"
    assert tokenizer.decode(tokenizer(text.upper()).input_ids, skip_special_tokens=True).strip() == text
    padded = tokenizer(text, padding="max_length").input_ids
    assert len(padded) == MAX_TOKENS
    assert {(path.name) for path in tmp_path.iterdir()} >= {"vocab.json", "merges.txt", "tokenizer.json"}


def test_captions_fit_the_text_tower(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(tmp_path)
    longest = max(len(tokenizer(text).input_ids) for text in captions(sample_scenes(2000, seed=9), 1))
    assert longest <= MAX_TOKENS
