"""Where vid2vid-zero's published program does otherwise: each point as we do it, and as it does."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import CLIPTokenizer

from frameweave.editors._parts.prompt_to_prompt import Wording
from frameweave.editors.request import EditRequest
from frameweave.errors import InputError

_STEPS = 50  # of the published program, always


class Rules:
    """As we do it."""

    wording = Wording()
    named_blocks_only = False
    """Whether a network without the named block has no dense layers there."""

    def asked(self, request: EditRequest) -> EditRequest:
        """The request, on the timesteps that are to be visited."""
        return request

    def check_steps(self, steps: int, inverted: int, *, null_text: bool) -> None:
        """Raise `InputError` for steps of edit and inversion that do not go together."""
        if inverted != steps:
            raise InputError(
                f"inversion_steps is {inverted}, expected as many as the edit's {steps}",
                hint="leave it out, or set as_published too",
            )

    def start(self, negative_prompt: str, *, null_text: bool) -> str:
        """The prompt of the unguided branch."""
        return negative_prompt

    def refine(self, cross: float, self_attention: float) -> float:
        """For which share of the steps longer or shorter prompts take the source's text attention."""
        return cross

    def context_length(self, frames: int, length: int) -> int:
        """How many frames are edited together."""
        return min(length, frames)

    def rate(self, i: int, steps: int) -> float:
        """The learning rate at step i over that at the first."""
        return 1 - i / (2 * steps)

    def enough(self, i: int, steps: int) -> float:
        """The loss that ends the updates at step i."""
        return 1e-5 + i * 2e-5 * (_STEPS / steps)


class PublishedWording(Wording):
    """Words lie between single spaces. What follows a changed word is paired by its position."""

    padded_in_place = True

    def spoken(self, prompt: str) -> list[str]:
        return prompt.split(" ")

    def replaced(
        self, tokenizer: CLIPTokenizer, source: str, edited: str, limit: int
    ) -> Float[Tensor, "L L"]:
        """From the positions of each pair of unlike words, as far as both have any."""
        spoken = zip(self.spoken(source), self.spoken(edited), strict=True)
        placed = zip(*(published_positions(tokenizer, prompt) for prompt in (source, edited)), strict=True)
        changed = [p for (one, other), p in zip(spoken, placed, strict=True) if one != other and all(p)]
        return replaced_as_published(changed, limit)


class Published(Rules):
    """As the published program does it."""

    wording = PublishedWording()
    named_blocks_only = True

    def asked(self, request: EditRequest) -> EditRequest:
        return request.spaced_as_published()

    def check_steps(self, steps: int, inverted: int, *, null_text: bool) -> None:
        if null_text and not steps <= inverted <= _STEPS:
            raise InputError(
                f"{steps} steps and {inverted} of the inversion with a null text, expected as published "
                f"at most as many steps as the inversion has, and at most {_STEPS} of the inversion",
                hint="take fewer steps, or leave as_published or null_text out",
            )

    def start(self, negative_prompt: str, *, null_text: bool) -> str:
        return "" if null_text else negative_prompt

    def refine(self, cross: float, self_attention: float) -> float:
        return self_attention

    def context_length(self, frames: int, length: int) -> int:
        return frames

    def rate(self, i: int, steps: int) -> float:
        return super().rate(i, _STEPS)

    def enough(self, i: int, steps: int) -> float:
        return super().enough(i, _STEPS)


def replaced_as_published(changed: Sequence[tuple[list[int], list[int]]], limit: int) -> Float[Tensor, "L L"]:
    """`replaced` from the positions of the changed words in both prompts; it ends where either prompt does.

    What follows the last changed word is paired by its position in the edited prompt.

    >>> replaced_as_published([([1, 2], [1])], 4).tolist()
    [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    """
    taken = torch.zeros(limit, limit)
    i = j = 0
    for before, after in changed:
        for k in range(min(before[0] - i, limit - max(i, j))):
            taken[i + k, j + k] = 1
        j += before[0] - i
        block = torch.eye(len(before)) if len(before) == len(after) else torch.tensor(1 / len(after))
        rows, columns = (torch.tensor(positions) for positions in (before, after))
        taken[rows[:, None], columns] = block
        i, j = before[-1] + 1, j + len(after)
    for k in range(limit - max(i, j)):
        taken[j + k, j + k] = 1
    return taken


def published_positions(tokenizer: CLIPTokenizer, prompt: str) -> list[list[int]]:
    """The positions of the tokens of each word between single spaces, by the lengths of decoded tokens."""
    spoken = prompt.split(" ")
    found: list[list[int]] = [[] for _ in spoken]
    word = length = 0
    ids = tokenizer(prompt, add_special_tokens=False).input_ids[: tokenizer.model_max_length - 2]
    for position, token in enumerate(ids, 1):
        found[word].append(position)
        length += len(str(tokenizer.decode([token])).strip())
        if length >= len(spoken[word]) and word + 1 < len(spoken):
            word, length = word + 1, 0
    return found


OURS, PUBLISHED = Rules(), Published()
