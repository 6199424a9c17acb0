"""Where vid2vid-zero's published program does otherwise: each point as we do it, and as it does.

How words are told apart and paired stands beside our way in `_prompt_to_prompt`.
"""

from frameweave.editors.request import EditRequest
from frameweave.errors import InputError

_STEPS = 50  # of the published program, always


class Rules:
    """As we do it."""

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


class Published(Rules):
    """As the published program does it."""

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


OURS, PUBLISHED = Rules(), Published()
