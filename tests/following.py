"""An editor that follows motion: it gives the source back, averaged along it, and notes what it was given."""

from typing import ClassVar

import pytest

from frameweave.editors import registry
from frameweave.editors.base import Editor
from frameweave.editors.request import EditRequest
from frameweave.models.seam import Latents
from frameweave.runs.settings import Count
from frameweave.video.motion.motion import Motion


class Following(Editor):
    """Averages the source along its motion."""

    given: ClassVar[list[Motion]] = []
    steps: Count = 2
    """Not used."""
    guidance: float = 1.0
    """Not used."""
    reach: Count = 1
    """Neighbours to each side."""

    @property
    def motion_radius(self) -> int:
        return self.reach

    @property
    def inverts(self) -> bool:
        return False

    def edit(self, request: EditRequest) -> Latents:
        assert request.motion is not None
        self.given.append(request.motion)
        return request.motion.averaged(request.x_0)


def installed(monkeypatch: pytest.MonkeyPatch, *, alone: bool = False) -> list[Motion]:
    """Make it an editor by the name of following; gives the list of the motions that it will have had."""
    monkeypatch.setattr(registry, "_plugins", lambda: {"following": Following})
    if alone:
        monkeypatch.setattr(registry, "own_names", list)
    Following.given.clear()
    return Following.given
