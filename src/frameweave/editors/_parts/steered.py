"""What steers an edit by an editor that has a switch for ControlNets."""

from typing import Protocol, runtime_checkable

from frameweave.editors.request import EditRequest
from frameweave.models.seam import Guides


@runtime_checkable
class Steered(Protocol):
    """An editor's settings of that switch."""

    @property
    def controlnet(self) -> bool: ...

    @property
    def controlnet_scale(self) -> float: ...


def guides_of(editor: Steered, request: EditRequest) -> Guides:
    """The request's own guides, with what ControlNets steer by where the switch is on.

    Raises what `EditRequest.depth_guides` raises.
    """
    if not editor.controlnet:
        return request.guides
    return request.depth_guides("controlnet", editor.controlnet_scale)
