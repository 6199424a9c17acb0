"""Where VidToMe's published program does otherwise: each point as we do it, and as it does."""

from collections.abc import Mapping

from torch import Tensor

from frameweave.editors._parts.vidtome_draws import Choices, published_draws
from frameweave.editors.request import EditRequest


class Rules:
    """As we do it."""

    loose_first = True
    """Whether tokens of earlier levels of merging stand before the frames of the next."""

    def draws(self, choices: Choices, request: EditRequest) -> Mapping[str, Tensor]:
        """What is replayed."""
        return request.draws

    def source_prompt(self, request: EditRequest) -> str:
        """Under which prompt the source stream goes along."""
        return request.source_prompt


class Published(Rules):
    """As the published program does it."""

    loose_first = False  # so its next level but one looks for frames at the wrong place

    def draws(self, choices: Choices, request: EditRequest) -> Mapping[str, Tensor]:
        drawn = published_draws(choices, len(request), request.rng.initial_seed())
        return drawn | dict(request.draws)

    def source_prompt(self, request: EditRequest) -> str:
        return ""


OURS, PUBLISHED = Rules(), Published()
