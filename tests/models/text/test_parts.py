"""Long and weighted prompts. The reference goes part by part and token by token, in float64 by NumPy."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import CLIPTokenizer

from frameweave.errors import InputError
from frameweave.models.loading.load import load
from frameweave.models.text.encoder import ClipText
from frameweave.models.text.parts import laid_out, weighted
from frameweave.models.text.reading import Reading
from frameweave.models.text.two_towers import TwoTowers

WORDS = ("star", "heart", "car", "fish", "tree", "house", "boat", "duck", "cactus", "elephant", "snow", "sky")


@pytest.fixture(scope="module")
def text(tiny_folder: Path) -> ClipText:
    """In float64, with a last norm whose states have a mean, as those of trained models."""
    text = load(str(tiny_folder), device="cpu", dtype="fp64", prompt_syntax="a1111").text
    assert isinstance(text, ClipText)
    norm = text.encoder.final_layer_norm
    with torch.no_grad():
        norm.bias.copy_(torch.linspace(-0.2, 0.6, len(norm.bias)))
    return text


@pytest.fixture(scope="module")
def towers(tiny_xl_folder: Path) -> TwoTowers:
    towers = load(str(tiny_xl_folder), device="cpu", dtype="fp64", prompt_syntax="a1111").text
    assert isinstance(towers, TwoTowers)
    for tower in towers.networks:  # so that their states have a mean
        for name, weight in tower.named_parameters():
            if "position_embedding" in name:
                weight.data.add_(0.1)
    return towers


def ids(tokenizer: CLIPTokenizer, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False).input_ids)


def reference(text: ClipText, parts: Sequence[Sequence[tuple[str, float]]]) -> np.ndarray:
    """Words with their weights, a list for each part."""
    rows = []
    for part in parts:
        tokens, weights = row(text.tokenizer, part)
        with torch.no_grad():
            states = text.encoder(tokens).last_hidden_state[0].numpy()
        product = states * weights[:, None]
        rows.append(product * (states.sum() / product.sum()))
    return np.concatenate(rows)


def encoded(text: ClipText, *prompts: str) -> torch.Tensor:
    with torch.no_grad():
        return text.encode(prompts).texts[:, 0]


def plain(words: Sequence[str]) -> list[tuple[str, float]]:
    return [(word, 1.0) for word in words]


def test_weights_are_those_of_the_reference(text: ClipText) -> None:
    found = encoded(text, "a (red:1.4) car [in the] (\\(snow\\):0.3)")[0]
    parts = [("a", 1.0), ("red", 1.4), ("car", 1), ("in the", 1 / 1.1), ("(snow)", 0.3)]
    assert np.abs(found.numpy() - reference(text, [parts])).max() < 1e-12


def test_long_prompts_are_read_in_parts(text: ClipText) -> None:
    longest = text.tokenizer.model_max_length - 2
    words = list(WORDS * 5)[: longest + 7]
    found = encoded(text, " ".join(words))[0]
    expected = reference(text, [plain(words[:longest]), plain(words[longest:])])
    assert np.abs(found.numpy() - expected).max() < 1e-12


def test_breaks_begin_a_part_and_shorter_prompts_are_filled_up(text: ClipText) -> None:
    long, short = encoded(text, "a red car BREAK the (snow:1.5)", "a duck")
    expected = reference(text, [plain(["a red car"]), [("the", 1), ("snow", 1.5)]])
    assert np.abs(long.numpy() - expected).max() < 1e-12
    assert np.abs(short.numpy() - reference(text, [plain(["a duck"]), []])).max() < 1e-12


@pytest.mark.parametrize("behind", [1, 19, 20, 21])
def test_a_part_ends_at_a_comma_near_its_end(text: ClipText, behind: int) -> None:
    """The web UI looks at the last 20 tokens; a comma that begins the next part is none of them."""
    longest = text.tokenizer.model_max_length - 2
    words = list(WORDS * 5)[: longest + 3]
    words[longest - behind] = ","
    cut = longest if behind > 20 else longest - behind + 1
    (given,) = laid_out([text.tokenizer], [" ".join(words)], "a1111")
    ends = [row.index(text.tokenizer.eos_token_id) - 1 for row in given.ids[0].tolist()]
    assert ends == [cut, len(words) - cut]
    words[longest] = ","
    (given,) = laid_out([text.tokenizer], [" ".join(words)], "a1111")
    assert given.ids[0, 0].tolist().index(text.tokenizer.eos_token_id) - 1 == longest


def test_nothing_is_left_out(text: ClipText) -> None:
    prompt = " ".join(WORDS * 9)
    assert text.encode([prompt]).cut == ("",)
    (given,) = laid_out([text.tokenizer], [prompt], "a1111")
    special = {text.tokenizer.bos_token_id, text.tokenizer.eos_token_id}
    assert [token for token in given.flat.flatten().tolist() if token not in special] == ids(
        text.tokenizer, prompt
    )


@pytest.mark.parametrize(
    "prompt", ["", "a red car in the snow", "  two  spaces,\n a line: 1.2", "é 雪 {x}", " ".join(WORDS[:14])]
)
def test_prompts_without_syntax_are_read_as_the_tokenizer_does(text: ClipText, prompt: str) -> None:
    length = text.tokenizer.model_max_length
    usual = text.tokenizer(
        ["", prompt], padding="max_length", truncation=True, max_length=length, return_tensors="pt"
    ).input_ids
    with torch.no_grad():
        expected = text.encoder(usual).last_hidden_state
    for syntax in ("a1111", "plain"):
        (given,) = laid_out([text.tokenizer], ["", prompt], syntax)
        assert given.weights is None
        assert torch.equal(given.flat, usual)
    assert torch.equal(encoded(text, "", prompt), expected)


def test_plain_reads_what_is_written_and_cuts(text: ClipText) -> None:
    written = text.as_written()
    assert torch.equal(encoded(written, "a (red:1.5) car"), encoded(text, "a \\(red:1.5\\) car"))
    found = written.encode([" ".join(WORDS * 3)])
    assert found.texts.shape[2] == text.tokenizer.model_max_length
    assert found.cut[0].endswith("sky")


def test_where_the_mean_says_nothing_it_changes_nothing() -> None:
    states, weights = torch.randn(2, 5, 8), torch.tensor([[1.0, 2, 1, 1, 1], [1, 1, 1, 1, 1]])
    centred = states - states.mean((1, 2), keepdim=True)
    assert torch.equal(weighted(centred, weights), centred * weights[..., None])
    assert torch.equal(weighted(states + 1, weights)[1], (states + 1)[1])  # all weights 1: bit for bit
    turned = torch.tensor([[[1.0, 1.0], [-0.5, -0.5]]])  # the mean would change its sign
    assert torch.equal(weighted(turned, torch.tensor([[1.0, 4.0]])), turned * torch.tensor([[[1.0], [4.0]]]))


def test_vectors_of_an_embedding_stay_together(text: ClipText, tiny_folder: Path) -> None:
    tokenizer = CLIPTokenizer.from_pretrained(tiny_folder, subfolder="tokenizer")
    tokenizer.add_tokens(["<cat>", "<cat>_1", "<cat>_2"])
    longest = tokenizer.model_max_length - 2
    before = (WORDS * 3)[: longest - 2]
    prompt = " ".join([*before, "<cat> <cat>_1 <cat>_2 duck"])
    (given,) = laid_out([tokenizer], [prompt], "a1111")
    first = tokenizer.convert_tokens_to_ids("<cat>")
    assert given.ids[0, 1].tolist()[1:4] == [first, first + 1, first + 2]


FIRST_PARTS = ("a red car", "a duck")


def row(tokenizer: CLIPTokenizer, part: Sequence[tuple[str, float]]) -> tuple[torch.Tensor, np.ndarray]:
    """The tokens of one part and their weights, with begin, end and padding."""
    read = [(token, weight) for word, weight in part for token in ids(tokenizer, word)]
    length = tokenizer.model_max_length
    assert len(read) <= length - 2
    tokens = [tokenizer.bos_token_id, *(token for token, _ in read), tokenizer.eos_token_id]
    weights = np.ones(length)
    weights[1 : 1 + len(read)] = [weight for _, weight in read]
    return torch.tensor([tokens + [tokenizer.pad_token_id] * (length - len(tokens))]), weights


class TestTwoTowers:
    """SDXL: each tower by its own tokenizer, padding and mean; the pooled text of the first part."""

    def test_both_are_those_of_the_reference(self, towers: TwoTowers) -> None:
        with torch.no_grad():
            found = towers.encode(["a (red:1.4) car BREAK snow", "a duck"])
        both = ((towers.encoder, towers.tokenizer), (towers.encoder_2, towers.tokenizer_2))
        expected = []
        for tower, tokenizer in both:
            rows = []
            for part in ([("a", 1), ("red", 1.4), ("car", 1)], [("snow", 1)]):
                ids, weights = row(tokenizer, part)
                with torch.no_grad():
                    states = tower(ids, output_hidden_states=True).hidden_states[-2][0].numpy()
                product = states * weights[:, None]
                rows.append(product * (states.mean() / product.mean()))
            expected.append(np.concatenate(rows))
        assert np.abs(found.texts[0, 0].numpy() - np.concatenate(expected, 1)).max() < 1e-12
        with torch.no_grad():
            pooled = [towers.encoder_2(row(towers.tokenizer_2, [(p, 1)])[0]).text_embeds for p in FIRST_PARTS]
        assert found.pooled is not None
        assert torch.allclose(found.pooled, torch.cat(pooled), atol=1e-12)

    def test_an_empty_negative_prompt_is_zeros_in_every_part(self, towers: TwoTowers) -> None:
        found = towers.encode(["", "a BREAK b"], negative=[0])
        assert found.texts.shape[2] == 2 * towers.tokenizer.model_max_length
        assert not found.texts[0].any() and found.texts[1].any()

    def test_clip_skip_counts_from_the_layer_it_was_trained_with(self, towers: TwoTowers) -> None:
        skipping = TwoTowers(
            encoder=towers.encoder,
            tokenizer=towers.tokenizer,
            encoder_2=towers.encoder_2,
            tokenizer_2=towers.tokenizer_2,
            reading=Reading(clip_skip=2),
        )
        ids = [row(tokenizer, [("a car", 1)])[0] for tokenizer in (towers.tokenizer, towers.tokenizer_2)]
        with torch.no_grad():
            found = skipping.encode(["a car"])
            read = (towers.encoder, towers.encoder_2)
            states = [one(i, output_hidden_states=True) for one, i in zip(read, ids, strict=True)]
        assert torch.equal(found.texts[0], torch.cat([one.hidden_states[-3] for one in states], -1))
        assert found.pooled is not None
        assert torch.equal(found.pooled, states[1].text_embeds)


class TestClipSkip:
    """A1111 counts from 1; the library's own pipelines from 0."""

    def test_earlier_layers_go_through_the_last_norm(self, text: ClipText) -> None:
        skipping = replace(text, reading=Reading(clip_skip=2))
        seen: list[torch.Tensor] = []
        layer = text.encoder.encoder.layers[-2]
        handle = layer.register_forward_hook(lambda _m, _i, out: seen.append(out))
        try:
            found = encoded(skipping, "a red car")
        finally:
            handle.remove()
        with torch.no_grad():
            expected = text.encoder.final_layer_norm(seen[0][0] if isinstance(seen[0], tuple) else seen[0])
        assert torch.equal(found, expected)
        assert not torch.equal(found, encoded(text, "a red car"))

    @pytest.mark.parametrize("number", [0, 3, -1])
    def test_layers_that_are_not_there(self, text: ClipText, number: int) -> None:
        with pytest.raises(InputError, match=f"clip_skip is {number}, the text encoder has 2 layers"):
            replace(text, reading=Reading(clip_skip=number))

    def test_it_is_told_when_the_model_is_loaded(self, tiny_folder: Path) -> None:
        with pytest.raises(InputError, match="has 2 layers"):
            load(str(tiny_folder), device="cpu", clip_skip=12)
        with pytest.raises(InputError, match="unknown prompt syntax 'a111', .* did you mean a1111"):
            load(str(tiny_folder), device="cpu", prompt_syntax="a111")


@pytest.mark.parametrize(
    ("prompt", "apart"),
    [("a red car", False), ("a (red) car", True), ("a BREAK b", True), (" ".join(WORDS * 3), True)],
)
def test_an_inversion_is_told_from_that_of_the_plain_prompt(prompt: str, apart: bool, text: ClipText) -> None:
    assert bool(text.said([prompt])[0].apart) == apart
    assert text.as_written().said([prompt])[0].apart == ""
