"""From the tensors of a file to one `Layer` for each layer that it changes, whatever the layout.

Layouts differ in how they name layers, and a layer's tensors: kohya and LyCORIS (`.lora_down.weight`,
`.alpha`, `.dora_scale`, `.hada_w1_a`, `.lokr_w1`), PEFT (`.lora_A.weight`, `.lora_magnitude_vector`), earlier
diffusers (`_lora.down.weight`). Every tensor of a file belongs to a layer, or the file is refused.
"""

import math
import re
from collections.abc import Mapping
from typing import Literal

from torch import Tensor

from frameweave.errors import ModelFolderError
from frameweave.models.loading.tensor_files import TensorFile
from frameweave.models.loras.changes import (
    Change,
    Kronecker,
    Layer,
    LowRank,
    Magnitudes,
    Product,
    Tucker,
    Whole,
)
from frameweave.models.loras.kinds import no_lora
from frameweave.models.loras.peft_settings import PeftSettings

_DOWN, _UP = r"lora_down|lora_A(\.\w+)?", r"lora_up|lora_B(\.\w+)?"
_PARTS = {
    rf"\.({_DOWN})\.weight|[._]lora(_linear_layer)?\.down\.weight": "down",
    rf"\.({_UP})\.weight|[._]lora(_linear_layer)?\.up\.weight": "up",
    r"\.lora_mid\.weight": "mid",
    r"\.alpha": "alpha",
    r"\.dora_scale": "dora_scale",
    r"[._]lora_magnitude_vector(\.\w+)?(\.weight)?": "magnitude",
    r"\.(?P<name>hada_(w[12]_[ab]|t[12])|lokr_(w[12](_[ab])?|t2))(\.\w+)?": "",
    r"\.diff|\.w_norm": "diff",
    r"\.diff_b|\.b_norm": "bias",
}
"""How a layer's tensors are named behind the layer, and what they are; of LoHa and LoKr the name says it."""
_COMPLETE = {
    frozenset({"down", "up"}),
    frozenset({"down", "up", "mid"}),
    frozenset({"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"}),
    frozenset({"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2"}),
    *(
        frozenset({*first, *second})
        for first in ({"lokr_w1"}, {"lokr_w1_a", "lokr_w1_b"})
        for second in ({"lokr_w2"}, {"lokr_w2_a", "lokr_w2_b"}, {"lokr_w2_a", "lokr_w2_b", "lokr_t2"})
    ),
    frozenset({"diff"}),
}
"""The tensors that make a change of the weight whole."""
_BESIDE = {"alpha", "dora_scale", "magnitude", "bias"}
"""Those that may stand beside them; a bias may also stand alone."""
_AGAIN = "download it again: a part of it is missing or of another file"

Parts = Mapping[str, Tensor]


def layers(file: TensorFile, settings: PeftSettings | None = None) -> dict[str, Layer]:
    """Each layer's change, by the layer's name in the file.

    `settings` are PEFT's, which hold what its files do not say. Raises `ModelFolderError` for tensors that
    are not of a LoRA, and for layers that lack one or whose tensors do not belong together.
    """
    grouped, unknown = dict[str, dict[str, Tensor]](), list[str]()
    for key, tensor in file.tensors.items():
        split = _split(key)
        if split is None:
            unknown.append(key)
            continue
        layer, part = split
        if part in (own := grouped.setdefault(layer, {})):
            raise ModelFolderError(
                f"{file.path}: {layer} has more than one {part}, as in a file of several LoRAs",
                hint="save each in a file of its own",
            )
        own[part] = tensor
    if unknown:
        raise no_lora(file, unknown)
    return {name: _Reader(file, name, parts).layer(settings) for name, parts in grouped.items()}


def _split(key: str) -> tuple[str, str] | None:
    for pattern, part in _PARTS.items():
        if match := re.search(rf"({pattern})$", key):
            return key[: match.start()], part or match["name"]
    return None


class _Reader:
    """Puts one layer's tensors together."""

    def __init__(self, file: TensorFile, name: str, parts: Parts) -> None:
        self.where, self.parts = f"{file.path}: {name}", parts

    def layer(self, settings: PeftSettings | None) -> Layer:
        main = frozenset(self.parts) - _BESIDE
        if main not in _COMPLETE and (main or "bias" not in self.parts):
            raise self.wrong(f"it has {', '.join(sorted(self.parts))} only")
        weight, rank = self.change(main)
        return Layer(
            weight,
            self.scale(rank, settings),
            None if weight is None else self.magnitudes(weight),
            self.parts.get("bias"),
        )

    def change(self, main: frozenset[str]) -> tuple[Change | None, int | None]:
        """The change without its scale, and its rank where alpha counts."""
        part = self.parts
        if "down" in main:
            up, down = part["up"], part["down"]
            if "mid" in main:
                found = self.tucker("mid", _matrix(up).T, _matrix(down))
                return found, len(down)
            self.check_pair("up", "down")
            return LowRank(up, down), len(down)
        if "hada_w1_a" in main:
            first, second = self.hada(1), self.hada(2)
            if first.size != second.size:
                raise self.wrong(f"its halves are {first.size} and {second.size}")
            return Product(first, second), len(part["hada_w1_b"])
        if "diff" in main:
            return self.whole("diff", 1), None
        if not main:
            return None, None
        ranks = [len(part[name]) for name in ("lokr_w2_b", "lokr_w1_b") if name in part]
        return Kronecker(self.lokr(1), self.lokr(2)), ranks[0] if ranks else None

    def hada(self, half: int) -> Change:
        a, b, core = f"hada_w{half}_a", f"hada_w{half}_b", f"hada_t{half}"
        if core in self.parts:
            return self.tucker(core, self.parts[a], self.parts[b])
        self.check_pair(a, b)
        return LowRank(self.parts[a], self.parts[b])

    def lokr(self, half: int) -> Change:
        a, b, core = f"lokr_w{half}_a", f"lokr_w{half}_b", f"lokr_t{half}"
        if core in self.parts:
            return self.tucker(core, self.parts[a], self.parts[b])
        if a in self.parts:
            self.check_pair(a, b)
            return LowRank(self.parts[a], self.parts[b])
        return self.whole(f"lokr_w{half}", 2)

    def whole(self, name: str, least: int) -> Change:
        if self.parts[name].dim() < least:
            raise self.wrong(f"{name} is {tuple(self.parts[name].shape)}, expected a weight")
        return Whole(self.parts[name])

    def tucker(self, name: str, outer: Tensor, inner: Tensor) -> Change:
        core = self.parts[name]
        if core.dim() != 4 or outer.dim() != 2 or inner.dim() != 2:
            raise self.wrong(f"{name} is {tuple(core.shape)}, expected the core of a convolution")
        if core.shape[0] != len(outer) or core.shape[1] != len(inner):
            ranks = f"{len(outer)} and {len(inner)}"
            raise self.wrong(f"{name} is {tuple(core.shape)}, its neighbours have ranks {ranks}")
        return Tucker(core, outer, inner)

    def check_pair(self, first: str, second: str) -> None:
        """The columns of the first are the rows of the second; a second kernel would be lost."""
        a, b = self.parts[first], self.parts[second]
        if a.dim() < 2 or b.dim() < 2 or a[0].numel() != a.shape[1] or a.shape[1] != len(b):
            raise self.wrong(f"{first} {tuple(a.shape)} and {second} {tuple(b.shape)} have other ranks")

    def scale(self, rank: int | None, settings: PeftSettings | None) -> float:
        """alpha / rank; alpha is the rank where nothing says it, and nothing where there is no rank."""
        alpha = self.parts.get("alpha")
        if alpha is not None and alpha.numel() != 1:
            raise self.wrong(f"its alpha is {tuple(alpha.shape)}, expected one number")
        if alpha is not None:
            return float(alpha) / rank if rank else 1.0
        if settings is None:
            return 1.0
        return settings.scale(self.where.rpartition(": ")[2], rank)

    def magnitudes(self, weight: Change) -> Magnitudes | None:
        """DoRA's lengths: LyCORIS' older ones are per input (1, in, ...), all others per output."""
        lengths = self.parts.get("magnitude", self.parts.get("dora_scale"))
        if lengths is None:
            return None
        of: Literal["outputs", "inputs"] = "outputs"
        (rows, columns), count = weight.size, lengths.numel()
        lying = "magnitude" not in self.parts and lengths.dim() > 1 and len(lengths) == 1
        if lying and columns % count == 0:
            of = "inputs"
        fits = of == "inputs" or count == rows
        if not fits or max(lengths.shape, default=0) != count:
            raise self.wrong(f"DoRA's lengths are {tuple(lengths.shape)}, its weight is {rows} x {columns}")
        return Magnitudes(lengths.flatten(), of)

    def wrong(self, what: str) -> ModelFolderError:
        return ModelFolderError(f"{self.where}: {what}", hint=_AGAIN)


def _matrix(tensor: Tensor) -> Tensor:
    """A 1 x 1 convolution's weight as a matrix; others stay as they are."""
    return tensor.flatten(1) if math.prod(tensor.shape[2:]) == 1 and tensor.dim() > 2 else tensor
