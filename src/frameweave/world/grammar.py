"""Captions of the Miniature's world, and the tokenizer made from them.

A scene has many paraphrases: templates, synonyms of the backgrounds, optional motion. The style
is always named (no word means plain), colour and background are now and then left out, so that
shorter prompts work too.
"""

import itertools
import re
from functools import cache
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from frameweave.world.scene import ATTRIBUTES, MOTIONS, Scenes
from frameweave.world.words import MOVING, PLACES, STRANGE_LOOKS, STRANGE_PLACES, STYLED

MAX_TOKENS = 32
_WORD = re.compile(r"\w+")
_PLACES, _STYLED = PLACES | STRANGE_PLACES, STYLED | STRANGE_LOOKS
_START, _END = "<|startoftext|>", "<|endoftext|>"


def phrase(words: dict[str, str]) -> str:
    """The plainest caption of the attributes.

    >>> phrase({"noun": "duck", "colour": "red", "background": "snow", "style": "cartoon"})
    'a cartoon of a red duck in the snow'
    """
    thing = f"{_article(words['colour'])} {words['noun']}"
    return _STYLED[words["style"]][0].format(f"{thing} {_PLACES[words['background']][0]}")


def _article(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def caption(scenes: Scenes, index: int, rng: np.random.Generator, *, complete: bool = False) -> str:
    """One random paraphrase; `complete` never leaves out colour or background."""
    words = scenes.words(index)

    def pick(options: tuple[str, ...]) -> str:
        return options[rng.integers(len(options))]

    keep_colour = complete or rng.random() > 0.05
    keep_place = complete or rng.random() > 0.05
    coloured = f"{words['colour']} {words['noun']}" if keep_colour else words["noun"]
    article = "the" if rng.random() < 0.2 else _article(coloured).split()[0]
    moving = pick(MOVING[MOTIONS[int(scenes.motion[index])]]) if rng.random() < 0.3 else ""
    place = pick(_PLACES[words["background"]]) if keep_place else ""
    return pick(_STYLED[words["style"]]).format(" ".join(filter(None, (article, coloured, moving, place))))


def captions(scenes: Scenes, seed: int | tuple[int, ...], *, complete: bool = False) -> list[str]:
    """A random paraphrase per scene; a pure function of its arguments."""
    rng = np.random.default_rng(seed)
    return [caption(scenes, index, rng, complete=complete) for index in range(len(scenes))]


def corpus() -> list[str]:
    """Every home word of the grammar, in every order of style and place."""
    sentences = [
        styled.format(f"{article} {colour} {noun} {moving} {place}")
        for noun, colour in itertools.product(ATTRIBUTES["noun"], ATTRIBUTES["colour"])
        for article, moving, place, styled in zip(
            itertools.cycle(("a", "an", "the")),
            itertools.chain(*MOVING.values()),
            itertools.cycle(itertools.chain(*PLACES.values())),
            itertools.cycle(itertools.chain(*STYLED.values())),
            strict=False,
        )
    ]
    return sentences + [text.format("") for text in itertools.chain(*PLACES.values(), *STYLED.values())]


@cache
def _words() -> frozenset[str]:
    return frozenset(word for sentence in corpus() for word in _WORD.findall(sentence.lower()))


def unknown_words(text: str) -> list[str]:
    """The words of a text that no caption of the world has, in their order, each once.

    >>> unknown_words("A watercolor of a Red car, in the snow: a car!")
    ['watercolor']
    """
    return list(dict.fromkeys(word for word in _WORD.findall(text.lower()) if word not in _words()))


def train_tokenizer(folder: Path) -> CLIPTokenizer:
    """A CLIP tokenizer whose merges make one token of each word; other words fall to letters."""
    byte_pairs = Tokenizer(models.BPE(unk_token=_END, end_of_word_suffix="</w>"))
    byte_pairs.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    byte_pairs.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(" ", behavior="removed"),
            pre_tokenizers.Punctuation(),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    byte_pairs.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=4096,
        min_frequency=2,
        initial_alphabet=alphabet + [f"{letter}</w>" for letter in alphabet],
        end_of_word_suffix="</w>",
        special_tokens=[_START, _END],
        show_progress=False,
    )
    byte_pairs.train_from_iterator(corpus() * 2, trainer)
    folder.mkdir(parents=True, exist_ok=True)
    byte_pairs.model.save(str(folder))  # vocab.json and merges.txt, for readers of every age
    tokenizer = CLIPTokenizer(
        vocab=str(folder / "vocab.json"),
        merges=str(folder / "merges.txt"),
        unk_token=_END,
        bos_token=_START,
        eos_token=_END,
        pad_token=_END,
        model_max_length=MAX_TOKENS,
    )
    tokenizer.save_pretrained(folder)
    return tokenizer
