"""Which words of the edited prompt take the attention of which words of the source prompt.

Hertz et al. (2022, arXiv 2208.01626). Prompts with equally many words are compared word by word
("replace"); others are aligned token by token ("refine"), where only new tokens keep their own
attention.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import CLIPTokenizer

from frameweave.errors import InputError
from frameweave.models.attention import Attend, Site, Tokens, own
from frameweave.models.cross_attention import Borrowed

_SMALL = 16 * 16  # queries up to which a layer takes the source's self-attention

Words = list[list[int]]
"""The token ids of each space-separated word."""


@dataclass(frozen=True, eq=False)
class WordMap:
    """The edited prompt's map is P_source @ taken + P_own * own, over the tokenizer's positions."""

    taken: Float[Tensor, "L L"]
    """Rows are positions of the source prompt, columns of the edited one."""
    own: Float[Tensor, " L"]
    """1 where a position of the edited prompt has nothing to take."""
    aligned: bool
    """Whether the prompts differ in their number of words ("refine")."""

    def after(self, prefix: int) -> "WordMap":
        """For texts that start with `prefix` tokens which both prompts share."""
        taken = torch.block_diag(torch.eye(prefix, dtype=self.taken.dtype), self.taken)
        return WordMap(taken, torch.cat([self.own.new_zeros(prefix), self.own]), self.aligned)


class Loan:
    """What the edit borrows of the source's attention in its first steps.

    Of the text attention, by the number of text tokens: an adaptor puts its own before the text.
    """

    def __init__(
        self, pairing: WordMap, frames: int, *, like: Tensor, text_steps: int, self_steps: int = 0
    ) -> None:
        self.branch: int | None = None
        """Where in the batch the source's guided branch is, the edit's comes next; None: nothing is taken."""
        self.step = 0
        self._pairing, self._frames, self._like = pairing, frames, like
        self._text_steps, self._self_steps = text_steps, self_steps
        self._maps: dict[int, tuple[Tensor, Tensor | None]] = {}

    def __call__(self, tokens: int) -> Borrowed | None:
        if self.branch is None or self.step >= self._text_steps:
            return None
        if tokens not in self._maps:
            paired = self._pairing.after(tokens - len(self._pairing.own))
            own = paired.own.to(self._like) if paired.own.any() else None
            self._maps[tokens] = paired.taken.to(self._like), own
        return Borrowed(*self._parties(self.branch), *self._maps[tokens])

    def self_attention(self, x: Tokens, attend: Attend, site: Site) -> Tokens:
        """The rule for frames that look at themselves: in small layers the edit's as the source's do."""
        y = own(x, attend, site)
        if self.branch is None or self.step >= self._self_steps or x.shape[1] > _SMALL:
            return y
        lender, borrower = self._parties(self.branch)
        y[borrower] = attend(x[lender], x[lender], x[borrower])
        return y

    def _parties(self, branch: int) -> tuple[slice, slice]:
        """The frames of source and edit in the batch."""
        start, frames = branch * self._frames, self._frames
        return slice(start, start + frames), slice(start + frames, start + 2 * frames)


class Wording:
    """How the words of two prompts are told apart and paired."""

    padded_in_place = False
    """Whether padding takes from its own position, where a longer source still has words."""

    def spoken(self, prompt: str) -> list[str]:
        return prompt.split()

    def replaced(
        self, tokenizer: CLIPTokenizer, source: str, edited: str, limit: int
    ) -> Float[Tensor, "L L"]:
        """What prompts of equally many words take."""
        return replaced(words(tokenizer, source), words(tokenizer, edited), limit)


def word_map(
    tokenizer: CLIPTokenizer,
    source: str,
    edited: str,
    *,
    emphasis: str = "",
    wording: Wording | None = None,
    limit: int | None = None,
) -> WordMap:
    """Compare two prompts. The map is of as many tokens as the tokenizer takes, or of `limit`.

    `emphasis` multiplies the attention to words of the edited prompt: "red:2,snow:0.5".

    Raises `InputError` for an emphasis that cannot be read or names a word that is not there.
    """
    limit, wording = limit or tokenizer.model_max_length, wording or Wording()
    old, new = words(tokenizer, source), words(tokenizer, edited)
    alike = len(wording.spoken(source)) == len(wording.spoken(edited))
    if alike:
        own = torch.zeros(limit)
        taken = wording.replaced(tokenizer, source, edited, limit)
    else:
        ids = sequence(tokenizer, old, limit), sequence(tokenizer, new, limit)
        origin = aligned(*ids, limit, padded_in_place=wording.padded_in_place)
        own = torch.tensor([float(index < 0) for index in origin])
        taken = torch.zeros(limit, limit)
        for position, index in enumerate(origin):
            if index >= 0:
                taken[index, position] = 1
    weights = _weights(edited, new, limit, emphasis)
    return WordMap(taken * weights, own * weights, not alike)


def controlled_steps(share: float, steps: int) -> int:
    """For how many first steps the source's maps are used.

    >>> controlled_steps(0.8, 50), controlled_steps(0.4, 50), controlled_steps(1.0, 50)
    (40, 20, 50)
    """
    return min(steps, int(share * (steps + 1)))


def words(tokenizer: CLIPTokenizer, prompt: str) -> Words:
    """CLIP's tokens never cross a space, so each word can be asked for alone."""
    return [list(tokenizer(word, add_special_tokens=False).input_ids) for word in prompt.split()]


def sequence(tokenizer: CLIPTokenizer, text: Words, limit: int | None = None) -> list[int]:
    """Start, all tokens, end; cut to the tokenizer's limit or this one."""
    start, end = int(tokenizer.bos_token_id), int(tokenizer.eos_token_id)  # pyright: ignore
    inner = [token for word in text for token in word]
    return [start, *inner[: (limit or tokenizer.model_max_length) - 2], end]


def replaced(old: Words, new: Words, limit: int) -> Float[Tensor, "L L"]:
    """Word k takes from word k: token from token, or all from all when their numbers differ.

    What follows a word of another length is paired by order.

    >>> replaced([[5], [6]], [[7, 8], [6]], 4).tolist()[1]
    [0.0, 0.5, 0.5, 0.0]
    """
    taken = torch.zeros(limit, limit)
    taken[0, 0] = 1
    i = j = 1
    for before, after in zip(old, new, strict=True):
        if len(before) == len(after):
            for k in range(min(len(after), limit - max(i, j))):
                taken[i + k, j + k] = 1
        else:
            taken[i : i + len(before), j : j + len(after)] = 1 / len(after)
        i, j = i + len(before), j + len(after)
    for k in range(limit - j):
        taken[min(i + k, limit - 1), j + k] = 1
    return taken


def aligned(
    old: Sequence[int], new: Sequence[int], limit: int, *, padded_in_place: bool = False
) -> list[int]:
    """For each position of the edited prompt the source's position that it takes from, or -1.

    A global alignment (Needleman and Wunsch, 1970) of token ids: gap 0, match 1, mismatch -1; ties
    prefer a new token, then a left-out one. Padding takes from the source's padding, or from its own
    position (`Wording.padded_in_place`).

    >>> aligned([0, 5, 6, 9], [0, 5, 7, 6, 9], 6)
    [0, 1, -1, 2, 3, 5]
    """
    rows, columns = len(old), len(new)
    best = [[0] * (columns + 1) for _ in range(rows + 1)]
    for i in range(1, rows + 1):
        for j in range(1, columns + 1):
            match = 1 if old[i - 1] == new[j - 1] else -1
            best[i][j] = max(best[i][j - 1], best[i - 1][j], best[i - 1][j - 1] + match)
    origin: list[int] = []
    i, j = rows, columns
    while j > 0:
        if i == 0 or best[i][j] == best[i][j - 1]:
            origin.append(-1)
            j -= 1
        elif best[i][j] == best[i - 1][j]:
            i -= 1
        else:
            origin.append(i - 1)
            i, j = i - 1, j - 1
    origin.reverse()
    shift = 0 if padded_in_place else max(0, rows - columns)
    return origin + [min(position + shift, limit - 1) for position in range(columns, limit)]


def _weights(prompt: str, text: Words, limit: int, emphasis: str) -> Float[Tensor, " L"]:
    weights = torch.ones(limit)
    spoken = [word.strip(".,;:!?\"'").lower() for word in prompt.split()]
    for item in filter(None, emphasis.split(",")):
        word, _, number = item.partition(":")
        try:
            factor = float(number)
        except ValueError:
            factor = math.nan
        if not math.isfinite(factor):
            raise InputError(f"emphasis {item!r}, expected word:number", hint="for example red:2,snow:0.5")
        if word.strip().lower() not in spoken:
            raise InputError.unknown("word to emphasise", word.strip(), sorted(set(spoken)))
        position = 1
        for name, tokens in zip(spoken, text, strict=True):
            if name == word.strip().lower():
                weights[position : position + len(tokens)] = factor
            position += len(tokens)
    return weights
