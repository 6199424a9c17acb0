"""The words that the rules know; those of the Miniature are the Miniature's own."""

import re

import pytest

from frameweave.data.captions.rules import Rules
from frameweave.data.captions.vocabulary import MINIATURE, VOCABULARIES, Vocabulary
from frameweave.data.captions.wording import plural
from frameweave.world import grammar
from frameweave.world.scene import ATTRIBUTES, sample_scenes
from frameweave.world.words import PLACES, STYLED


def test_the_miniatures_words_are_those_of_its_grammar() -> None:
    assert MINIATURE.things == (ATTRIBUTES["noun"],)
    assert MINIATURE.colours == ATTRIBUTES["colour"]
    assert MINIATURE.places == PLACES
    assert {"plain": ("{}", *MINIATURE.unstyled), **MINIATURE.styles} == STYLED


def test_prompts_from_the_miniatures_captions_have_its_words_only() -> None:
    known = set(re.findall(r"\w+", " ".join(grammar.corpus()).lower()))
    captions = grammar.captions(sample_scenes(60, seed=4), seed=4)
    for caption in captions:
        made = Rules(MINIATURE).prompts([caption], clip="a")
        assert {edit.kind for edit in made} >= {"object", "background", "style"}
        assert all(set(re.findall(r"\w+", edit.prompt)) <= known for edit in made)


@pytest.mark.parametrize("vocabulary", VOCABULARIES.values(), ids=VOCABULARIES)
def test_no_word_has_two_meanings(vocabulary: Vocabulary) -> None:
    families = [*vocabulary.things, *vocabulary.people]
    words = [word for family in families for entry in family for word in entry.split()]
    assert len(words) == len(set(words))
    plurals = {plural(word) for word in words} - {word for word in words if plural(word) == word}
    assert not plurals & set(words)
    assert all(len(family) > 1 for family in families)
    assert all(word == word.lower() for word in words)


@pytest.mark.parametrize("vocabulary", VOCABULARIES.values(), ids=VOCABULARIES)
def test_every_style_is_named_in_its_sentences(vocabulary: Vocabulary) -> None:
    for name, sentences in vocabulary.styles.items():
        assert all(sentence.count("{}") == 1 and name in sentence for sentence in sentences)
    assert all(sentence.count("{}") == 1 for sentence in vocabulary.unstyled)
