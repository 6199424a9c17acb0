"""TokenFlow's rule: key frames attend to one another, other frames gather from them.

The batch of every UNet call is [source | uncond | cond], each with the frames of the call.
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from frameweave.diffusion.similarity import most_similar
from frameweave.editors._parts.injection import STREAMS
from frameweave.editors._published.tokenflow import Neighbours
from frameweave.models.attention import Attend, Site, Tokens


@dataclass
class Propagation:
    """What the key frames' pass leaves for the other frames, layer by layer."""

    injectable: frozenset[str]
    """Layers in which the source's queries and keys may replace the others'."""
    linear: bool = False
    neighbours: list[Neighbours] = field(default_factory=list[Neighbours])
    _frames: slice | None = None
    """The frames of the present call; None in the key frames' pass."""
    _injected: bool = False
    _sought: dict[str, Float[Tensor, "K N D"]] = field(default_factory=dict[str, Tensor])
    _offered: dict[str, Float[Tensor, "streams K N D"]] = field(default_factory=dict[str, Tensor])

    def remember(self, *, injected: bool) -> None:
        """The next call is that of the key frames."""
        self._frames, self._injected = None, injected

    def follow(self, frames: slice) -> None:
        """The next call is that of these frames."""
        self._frames = frames

    def rule(self, x: Tokens, attend: Attend, site: Site) -> Tokens:
        streams = x.unflatten(0, (STREAMS, -1))
        if self._frames is not None:
            return self._gathered(streams[0], site.name).flatten(0, 1)
        self._sought[site.name] = F.normalize(streams[0], dim=-1)
        offered = self._attended(streams, attend, injected=self._injected and site.name in self.injectable)
        self._offered[site.name] = offered
        return offered.flatten(0, 1)

    @staticmethod
    def _attended(
        streams: Float[Tensor, "streams K N D"], attend: Attend, *, injected: bool
    ) -> Float[Tensor, "streams K N D"]:
        """The source's key frames attend each to itself, the others to all of their stream."""
        source, others = streams[0], streams[1:]
        own = attend(source, source, source)
        values = others.flatten(1, 2)
        if injected:
            joint = attend(source, source.flatten(0, 1)[None], values)
        else:
            joint = attend(others.flatten(0, 1), values, values)
        return torch.cat([own[None], joint.unflatten(0, (STREAMS - 1, -1))])

    def _gathered(self, source: Float[Tensor, "F N D"], name: str) -> Float[Tensor, "streams F N D"]:
        """Each token's output from its nearest neighbours in the two key frames, blended."""
        assert self._frames is not None
        neighbours = self.neighbours[self._frames]
        keys, offered = self._sought[name], self._offered[name]
        near = self._taken(source, [n.near for n in neighbours], keys, offered)
        two = [i for i, n in enumerate(neighbours) if n.far is not None]
        if not two:
            return near
        far = self._taken(source[two], [n.far for n in neighbours if n.far is not None], keys, offered)
        ratio = torch.tensor([neighbours[i].ratio for i in two], dtype=torch.float64)
        w = (ratio if self.linear else ratio.sigmoid()).to(near)[:, None, None]
        if len(two) == len(neighbours):
            return w * near + (1 - w) * far
        near[:, two] = w * near[:, two] + (1 - w) * far
        return near

    @staticmethod
    def _taken(
        source: Float[Tensor, "F N D"],
        of: list[int],
        keys: Float[Tensor, "K N D"],
        offered: Float[Tensor, "streams K N D"],
    ) -> Float[Tensor, "streams F N D"]:
        """For every frame the outputs of one key frame, from each token's nearest neighbour there."""
        n = source.shape[1]
        found: list[Tensor] = []
        for k in sorted(set(of)):
            followers = source[[i for i, key in enumerate(of) if key == k]].flatten(0, 1)
            _, index = most_similar(followers[None], keys[k, None])
            found.append(index[0] + k * n)
        order = torch.tensor(sorted(range(len(of)), key=lambda i: of[i]), device=source.device).argsort()
        index = torch.cat(found).unflatten(0, (-1, n))[order].flatten()
        return offered.flatten(1, 2)[:, index].unflatten(1, (-1, n))
