"""Which words belong together: recorded maps, and cases worked out by hand."""

import pytest
import torch
import torch.nn.functional as F

from frameweave.editors._parts.prompt_to_prompt import (
    Loan,
    Wording,
    aligned,
    replaced,
    sequence,
    word_map,
    words,
)
from frameweave.editors._published.vid2vid_zero import (
    PublishedWording,
    published_positions,
    replaced_as_published,
)
from frameweave.models.attention import Site
from frameweave.models.stable_diffusion import StableDiffusion
from golden_cases import Case


@pytest.mark.parametrize("wording", [Wording(), PublishedWording()])
def test_the_recorded_maps(golden: StableDiffusion, wording: Wording) -> None:
    case = Case.load("vid2vid_zero/case_a")
    source = case.settings["source_prompt"]
    replace, refine = (
        word_map(golden.tokenizer, source, prompt, wording=wording) for prompt in case.settings["prompts"]
    )
    assert torch.equal(replace.taken.double(), case["edit0.mapper"])
    assert not replace.aligned and not replace.own.any()
    mapper, alpha = case["edit1.mapper"], case["edit1.token_alpha"]
    assert refine.aligned and torch.equal(1 - refine.own.double(), alpha)
    assert torch.equal(refine.taken.argmax(0)[alpha == 1], mapper[alpha == 1])
    assert torch.equal(refine.taken.sum(0).double(), alpha)


def test_the_edit_takes_the_sources_self_attention_in_small_layers_and_first_steps(
    tiny: StableDiffusion,
) -> None:
    """Of three branches of two frames the second is the source, the third the edit."""
    pairing = word_map(tiny.tokenizer, "a red car", "a blue car")
    loan = Loan(pairing, 2, like=torch.ones(1), text_steps=0, self_steps=3)
    loan.branch, site = 1, Site("layer")

    def taken(tokens: int, step: int) -> list[bool]:
        """For each frame, whether it looks where the source looks, and whether where it would by itself."""
        loan.step, x = step, torch.randn(6, tokens, 4)
        y = loan.self_attention(x, F.scaled_dot_product_attention, site)
        plain = F.scaled_dot_product_attention(x, x, x)
        lent = F.scaled_dot_product_attention(x[2:4], x[2:4], x[4:])
        assert torch.equal(y[:4], plain[:4])
        return [torch.equal(y[4:], lent), torch.equal(y[4:], plain[4:])]

    assert taken(256, step=2) == [True, False]
    assert taken(256, step=3) == [False, True]
    assert taken(257, step=0) == [False, True]
    loan.branch = None
    assert taken(16, step=0) == [False, True]


def test_words_are_tokenized_as_the_whole_prompt_is(tiny: StableDiffusion) -> None:
    for prompt in ("a red car", "Tomorrow's red, unforeseeable cars.", "  two   spaces ", "", "snow " * 100):
        ids = tiny.tokenizer(prompt, truncation=True, max_length=tiny.tokenizer.model_max_length).input_ids
        assert sequence(tiny.tokenizer, words(tiny.tokenizer, prompt)) == list(ids)


def test_equal_prompts_take_everything_as_it_is(tiny: StableDiffusion) -> None:
    for wording in (Wording(), PublishedWording()):
        pairing = word_map(tiny.tokenizer, "a red car", "a red car", wording=wording)
        assert torch.equal(pairing.taken, torch.eye(len(pairing.own)))


def test_one_token_becomes_two() -> None:
    taken = replaced([[5], [6]], [[7, 8], [6]], 6)
    expected = torch.zeros(6, 6)
    expected[0, 0] = 1
    expected[1, 1:3] = 0.5
    for i, j in ((2, 3), (3, 4), (4, 5)):  # the word after it, the end, the padding
        expected[i, j] = 1
    assert torch.equal(taken, expected)
    assert torch.equal(taken.sum(1)[:5], torch.ones(5))


def test_one_token_becomes_two_as_published() -> None:
    taken = replaced_as_published([([1], [1, 2])], 6)
    assert taken[1].tolist() == [0, 0.5, 0.5, 0, 0, 0]
    assert taken[3:, 3:].equal(torch.eye(3)) and not taken[2].any()


def test_two_tokens_become_one_as_published() -> None:
    """The walk over both prompts ends with the longer one: the last column gets nothing."""
    taken = replaced_as_published([([2, 3], [2]), ([5], [4])], 8)
    assert taken[:, 2].tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    assert taken[4, 3] == 1 and taken[5, 4] == 1
    assert [row.nonzero().flatten().tolist() for row in taken[6:]] == [[6], []]
    assert taken[5].tolist() == [0, 0, 0, 0, 1, 1, 0, 0]


def test_words_lie_between_single_spaces_as_published(tiny: StableDiffusion) -> None:
    a, red, _car = (len(word) for word in words(tiny.tokenizer, "a red car"))
    found = published_positions(tiny.tokenizer, "a red car ")
    assert found[0] == list(range(1, 1 + a)) and found[1] == list(range(1 + a, 1 + a + red))
    assert len(found) == 4 and found[3] == []
    doubled = published_positions(tiny.tokenizer, "a  red car")
    assert doubled[1] == [1 + a]  # the empty word takes the next one's token
    assert word_map(tiny.tokenizer, "a red car ", "a blue car", wording=PublishedWording()).aligned
    assert not word_map(tiny.tokenizer, "a red car ", "a blue car").aligned


def test_case_tells_words_apart_as_published(tiny: StableDiffusion) -> None:
    edited = "a hippopotamus is red"
    apart, alike = (
        word_map(tiny.tokenizer, source, edited, wording=PublishedWording()).taken
        for source in ("a car IS red", "a car is red")
    )
    old, new = ([len(word) for word in words(tiny.tokenizer, prompt)] for prompt in ("a car is red", edited))
    row, column = 1 + sum(old[:2]), 1 + sum(new[:2])
    assert row < column
    assert apart[row, column] > 0 and alike[row, column] == 0  # an unchanged one has its own place
    assert alike[column, column] == 1


def test_two_changed_words_of_other_lengths() -> None:
    taken = replaced([[1], [2], [3]], [[4, 5], [2], [6, 7, 8]], 10)
    assert taken[2, 3] == 1 and taken[1, 1:3].tolist() == [0.5, 0.5]
    assert torch.allclose(taken[3, 4:7], torch.full((3,), 1 / 3))
    assert taken[4, 7] == 1


def test_inserted_words_keep_their_own_attention() -> None:
    assert aligned([0, 1, 2, 9], [0, 5, 1, 6, 7, 2, 9], 9) == [0, -1, 1, -1, -1, 2, 3, 7, 8]


def test_left_out_words_are_passed_by() -> None:
    old, new = [0, 5, 1, 6, 2, 9], [0, 1, 2, 9]
    assert aligned(old, new, 8) == [0, 2, 4, 5, 6, 7, 7, 7]
    assert aligned(old, new, 8, padded_in_place=True) == [0, 2, 4, 5, 4, 5, 6, 7]


def test_a_changed_word_is_new() -> None:
    assert aligned([0, 1, 2, 9], [0, 1, 3, 4, 9], 6) == [0, 1, -1, -1, 3, 5]


def test_without_a_source_prompt_all_words_are_new(tiny: StableDiffusion) -> None:
    pairing = word_map(tiny.tokenizer, "", "red")
    assert pairing.own[1] == 1 and pairing.own.sum() == 1


def test_emphasis_weighs_a_words_tokens(tiny: StableDiffusion) -> None:
    plain = word_map(tiny.tokenizer, "a red car", "a fast red car")
    strong = word_map(tiny.tokenizer, "a red car", "a fast red car", emphasis="car:2,fast:0.5")
    lengths = [len(word) for word in words(tiny.tokenizer, "a fast red car")]
    fast, car = 1 + lengths[0], 1 + sum(lengths[:3])
    factor = torch.ones(len(plain.own))
    factor[fast : fast + lengths[1]] = 0.5
    factor[car : car + lengths[3]] = 2
    assert torch.equal(strong.taken, plain.taken * factor)
    assert torch.equal(strong.own, plain.own * factor)


def test_tokens_before_the_text_are_shared(tiny: StableDiffusion) -> None:
    pairing = word_map(tiny.tokenizer, "a red car", "a fast red car")
    longer = pairing.after(3)
    assert torch.equal(longer.taken[3:, 3:], pairing.taken)
    assert torch.equal(longer.taken[:3, :3], torch.eye(3))
    assert torch.equal(longer.own[3:], pairing.own) and not longer.own[:3].any()
