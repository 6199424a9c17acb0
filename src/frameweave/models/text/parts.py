"""Prompts as a text tower reads them: parts of its own length, with a weight for each token."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import CLIPTokenizer

from frameweave.models.seam import Said
from frameweave.models.text.syntax import Piece, check, parts, spoken
from frameweave.models.text.tokenizer import unseen

_BEFORE_A_COMMA = 20  # a part ends at a comma where one is among so many last tokens, as in the web UI
_TELLS = 0.01  # share of the mean size of states below which their mean is rounding

Ids = list[int]
Weights = list[float]


@dataclass(frozen=True, eq=False)
class LaidOut:
    """Prompts in parts, equally many of each; a tower reads every part as a text of its own."""

    ids: Int[Tensor, "prompts parts L"]
    weights: Float[Tensor, "prompts parts L"] | None
    """None where all are 1."""
    cut: tuple[str, ...]
    """The end of each prompt that is left out; empty where all of it is there."""

    @property
    def flat(self) -> Int[Tensor, "all L"]:
        """What a tower reads: all parts of the first prompt, then of the second."""
        return self.ids.flatten(0, 1)

    def joined(self, states: Float[Tensor, "all L D"]) -> Float[Tensor, "prompts 1 PL D"]:
        """What the tower said, weighted, the parts of a prompt one after the other."""
        if self.weights is not None:
            own = self.weights.flatten(0, 1).to(states.dtype)
            states = weighted(states, own.to(states.device))
        return states.unflatten(0, self.ids.shape[:2]).flatten(1, 2)[:, None]

    def of_first_parts(self, pooled: Float[Tensor, "all P"]) -> Float[Tensor, "prompts P"]:
        """What stands for a whole prompt: that of its first part, as in the web UI and ComfyUI."""
        return pooled[:: self.ids.shape[1]]


def laid_out(tokenizers: Sequence[CLIPTokenizer], prompts: Sequence[str], syntax: str) -> tuple[LaidOut, ...]:
    """The prompts by each tokenizer, with as many parts as the longest of them has in any.

    Prompts without syntax that fit are laid out as the tokenizer itself does it. Read as they are written
    ("plain"), they have one part. Raises `InputError` for syntax that cannot be used.
    """
    read = [[_tokens(tokenizer, prompt, syntax) for prompt in prompts] for tokenizer in tokenizers]
    count = max(len(runs) for own in read for runs in own)
    found: list[LaidOut] = []
    for tokenizer, own in zip(tokenizers, read, strict=True):
        filled = [runs + [([], [])] * (count - len(runs)) for runs in own]
        weights = [[_padded(weight, tokenizer) for _, weight in runs] for runs in filled]
        ids = torch.tensor([[_whole(tokenizer, run) for run, _ in runs] for runs in filled])
        plain = all(weight == 1 for runs in weights for row in runs for weight in row)
        cut = [unseen(tokenizer, prompt) if syntax == "plain" else "" for prompt in prompts]
        found.append(LaidOut(ids, None if plain else torch.tensor(weights, dtype=torch.float64), tuple(cut)))
    return tuple(found)


def said(tokenizers: Sequence[CLIPTokenizer], prompts: Sequence[str], syntax: str) -> tuple[Said, ...]:
    """What each prompt says, and where it stands by the first tokenizer. Raises what `laid_out` does."""
    tokenizer = tokenizers[0]
    length = laid_out(tokenizers, prompts, syntax)[0].ids.shape[1] * tokenizer.model_max_length
    found: list[Said] = []
    for prompt in prompts:
        runs = _tokens(tokenizer, prompt, syntax)
        starts = range(1, length, tokenizer.model_max_length)
        places = [start + k for start, (ids, _) in zip(starts, runs, strict=False) for k in range(len(ids))]
        text = spoken(prompt, syntax)
        if syntax != "plain" and len(_ids(tokenizer, text)) != len(places):  # weights within a word
            text = " ".join(piece.text for part in parts(prompt) for piece in part)
        same = syntax == "plain" or (text == prompt and len(runs) == 1)
        found.append(Said(text, tuple(places), length, "" if same else f"|{len(runs)} parts|{syntax}"))
    return tuple(found)


def weighted(states: Float[Tensor, "*n L D"], weights: Float[Tensor, "*n L"]) -> Float[Tensor, "*n L D"]:
    """The states of each token times its weight, then each text as a whole so that its mean is as before.

    That is the web UI's way. Where the mean is next to nothing, or would change its sign, it says nothing of
    the states' size, and they stay as they are multiplied.

    >>> weighted(torch.tensor([[[1.0, 3.0], [2.0, 2.0]]]), torch.tensor([[1.0, 2.0]])).mean().item()
    2.0
    """
    product = states * weights[..., None]
    size, before, after = (
        x.to(torch.promote_types(x.dtype, torch.float32)).mean((-2, -1), keepdim=True)
        for x in (states.abs(), states, product)
    )
    tells = (torch.minimum(before.abs(), after.abs()) > _TELLS * size) & (before * after > 0)
    return product * torch.where(tells, before / after, 1).to(product)


def _tokens(tokenizer: CLIPTokenizer, prompt: str, syntax: str) -> list[tuple[Ids, Weights]]:
    """The tokens of each part and their weights, without begin and end."""
    longest = tokenizer.model_max_length - 2
    if syntax == "plain":
        ids = _ids(tokenizer, prompt)[:longest]
        return [(ids, [1.0] * len(ids))]
    check(prompt)
    runs: list[tuple[Ids, Weights]] = []
    for part in parts(prompt):
        ids, weights = _of_pieces(tokenizer, part)
        ends = [0, *_ends(tokenizer, ids, longest)]
        runs += [(ids[start:end], weights[start:end]) for start, end in pairwise(ends)]
    return runs if runs[-1][0] or len(runs) == 1 else runs[:-1]


def _of_pieces(tokenizer: CLIPTokenizer, pieces: Sequence[Piece]) -> tuple[Ids, Weights]:
    read = [(_ids(tokenizer, piece.text), piece.weight) for piece in pieces]
    return [token for ids, _ in read for token in ids], [weight for ids, weight in read for _ in ids]


def _ends(tokenizer: CLIPTokenizer, ids: Ids, longest: int) -> Iterator[int]:
    """Where parts of at most so many tokens end: at a comma near by, and never within an embedding."""
    start, comma, inner = 0, _ids(tokenizer, ","), _later_vectors(tokenizer)
    while len(ids) - start > longest:
        end = start + longest
        commas = [k for k in range(max(start, end - _BEFORE_A_COMMA), end) if [ids[k]] == comma]
        if commas and [ids[end]] != comma:
            end = commas[-1] + 1
        whole = next((k for k in range(end, start, -1) if ids[k] not in inner), end)
        yield (start := whole)
    yield len(ids)


def _later_vectors(tokenizer: CLIPTokenizer) -> set[int]:
    """The tokens of embeddings with several vectors, all but the first of each."""
    added = tokenizer.get_added_vocab()
    names = ((re.sub(r"_[0-9]+$", "", name), name, token) for name, token in added.items())
    return {token for first, name, token in names if first != name and first in added}


def _ids(tokenizer: CLIPTokenizer, text: str) -> Ids:
    return list(tokenizer(text, add_special_tokens=False, verbose=False).input_ids)


def _whole(tokenizer: CLIPTokenizer, ids: Ids) -> Ids:
    """With begin and end, and filled up to the tokenizer's length."""
    begin, end, fill = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    rest = tokenizer.model_max_length - 2 - len(ids)
    return [begin, *ids, end, *[fill] * rest]  # pyright: ignore[reportReturnType]


def _padded(weights: Weights, tokenizer: CLIPTokenizer) -> Weights:
    return [1.0, *weights, *[1.0] * (tokenizer.model_max_length - 1 - len(weights))]
