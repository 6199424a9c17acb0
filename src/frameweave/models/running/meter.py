"""What a computation takes, counted on shapes alone: the bytes that live at once, and the operations.

Inside `with Meter()` tensors of the meta device have shapes and no values, and whatever meets one has
none either: a whole edit is gone through in seconds, on a machine that could not hold it.
"""

import weakref
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.flop_counter import flop_registry

_aten = torch.ops.aten
_META, _CPU = torch.device("meta"), torch.device("cpu")
_FLASH = _aten._scaled_dot_product_flash_attention_for_cpu
_POSITIONS = (torch.int64, torch.int32, torch.bool)
_READ_OUT = (Tensor.numpy, Tensor.tolist, Tensor.__array__)


class Meter(TorchDispatchMode):
    """Counts what is made and computed while the block runs; what was there before counts nothing.

    `device` is where the work would be done. Tensors that would lie in the machine's own memory beside
    a GPU are counted apart from those on it.
    """

    def __init__(self, device: torch.device = _CPU) -> None:
        super().__init__()
        self.flops = 0
        """Operations, 2 for a multiply-add."""
        self.device_peak = 0
        """The most bytes that lived on the device at once."""
        self.host_peak = 0
        """The same beside the device; 0 where that is the CPU."""
        self._on_cpu, self._counts = device.type == "cpu", True
        self._live = {"device": 0, "host": 0}
        self._known: dict[int, weakref.ref[Any]] = {}
        self._stack = ExitStack()
        self._made = _Made()

    def __enter__(self) -> "Meter":
        self._stack.enter_context(_Instead())
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._stack.close()

    def forget_peak(self) -> None:
        """From now on the peaks are those of what lives later."""
        self.device_peak, self.host_peak = self._live["device"], self._live["host"]

    @contextmanager
    def uncounted(self) -> Generator[None, None, None]:
        """What is made in this block takes no memory."""
        self._counts = False
        try:
            yield
        finally:
            self._counts = True

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        given = _tensors((*args, *kwargs.values()))
        for one in given:
            self._note(one, 0)
        if not any(one.is_meta for one in given):
            out = func(*args, **_with_values_if_known(func, kwargs))
            there = self._on_cpu or any(one.is_meta for one in _tensors((out,)))
            return self._noted(out, "device" if there else "host")
        if func is _aten._local_scalar_dense.default:
            return _unknown_number(args[0].dtype)
        if func is _aten.copy_.default and not args[0].is_meta:
            return args[0]
        if func is _aten.index.Tensor:
            args = args[0], _as_positions(args[1])
        if any(not one.is_meta and one.dim() for one in given):
            args, kwargs = tree_map_only(Tensor, _as_shape, (args, kwargs))
        where = "device"
        if (device := kwargs.get("device")) is not None and device != _META:
            if func is _aten._to_copy.default and self._on_cpu and _changes_nothing(args[0], kwargs):
                return args[0]
            where = "host" if torch.device(device) == _CPU and not self._on_cpu else "device"
            kwargs = kwargs | {"device": _META}
        out, flops = self._made.of(func, args, kwargs)
        self.flops += flops
        return self._noted(out, where)

    def _noted(self, out: Any, where: str) -> Any:
        for one in _tensors((out,)):
            self._note(one, one.untyped_storage().nbytes(), where)
        return out

    def _note(self, tensor: Tensor, size: int, where: str = "device") -> None:
        storage = tensor.untyped_storage()
        key = id(storage)  # the object lives as long as what it stands for
        if key in self._known:
            return
        size = size if self._counts else 0

        def gone(_ref: Any) -> None:
            del self._known[key]
            self._live[where] -= size

        self._known[key] = weakref.ref(storage, gone)
        self._live[where] += size
        self.device_peak = max(self.device_peak, self._live["device"])
        self.host_peak = max(self.host_peak, self._live["host"])


class _Made:
    """Results of kernels by the shapes that they were given: to find out most of them takes long."""

    def __init__(self) -> None:
        self._earlier: dict[Any, tuple[list[tuple[Any, ...]], bool, int]] = {}

    def of(self, func: Any, args: tuple[Any, ...], kwargs: Any) -> tuple[Any, int]:
        """What the kernel gives on the meta device, and the operations that it takes."""
        if not _makes_anew(func):
            out = func(*args, **kwargs)
            return out, _operations(func._overloadpacket, args, kwargs, out)
        try:
            key = func, _described(args), _described(tuple(kwargs.items()))
            known = self._earlier.get(key)
        except TypeError:  # a generator and the like
            key = known = None
        if known is not None:
            shapes, alone, flops = known
            made = [
                torch.empty_strided(size, stride, dtype=kind, device=_META) for size, stride, kind in shapes
            ]
            return made[0] if alone else tuple(made), flops
        out = func(*args, **kwargs)
        flops = _operations(func._overloadpacket, args, kwargs, out)
        alone = isinstance(out, Tensor)
        made = _tensors((out,))
        whole = alone or all(isinstance(one, Tensor) for one in out)
        if key is not None and whole and not _share(made, _tensors(args)):
            shapes = [(one.size(), one.stride(), one.dtype) for one in made]
            self._earlier[key] = shapes, alone, flops
        return out, flops


class _Instead(TorchFunctionMode):
    """What the meta device does otherwise or not at all.

    Attention goes as fused kernels do it, without the matrix of all pairs. Values that are read are 0.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is torch.nn.functional.scaled_dot_product_attention:
            return _fused(*args, **(kwargs or {}))
        if func in _READ_OUT and args[0].is_meta:
            return func(torch.zeros((), dtype=args[0].dtype).expand(args[0].shape))
        return func(*args, **(kwargs or {}))


def _fused(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    *_others: Any,
    scale: float | None = None,
    **_how: Any,
) -> Tensor:
    q, k, v = (_as_shape(one) for one in (query, key, value))
    return _FLASH(q, k, v, attn_mask=attn_mask, scale=scale)[0]


def _operations(packet: Any, args: tuple[Any, ...], kwargs: Any, out: Any) -> int:
    if packet is _FLASH:  # two products of all pairs
        return 4 * args[0].numel() * args[1].shape[-2]
    if packet is _aten._scaled_dot_product_flash_attention_for_cpu_backward:  # five, one of them once more
        return 10 * args[1].numel() * args[2].shape[-2]
    return flop_registry[packet](*args, **kwargs, out_val=out) if packet in flop_registry else 0


def _with_values_if_known(func: Any, how: Any) -> Any:
    """Positions that are counted have values wherever they are asked for; room for some has none yet."""
    packet = func._overloadpacket
    if packet is _aten.arange:
        return how | {"device": _CPU}
    if packet is _aten.empty and how.get("dtype") in _POSITIONS:
        return how | {"device": _META}
    return how


def _as_positions(indices: list[Tensor | None]) -> list[Tensor | None]:
    """Indices where those that say of each place whether it is meant, and have values, name the places."""
    found: list[Tensor | None] = []
    for one in indices:
        if one is not None and one.dtype == torch.bool and not one.is_meta:
            found += one.nonzero().unbind(1)
        else:
            found.append(one)
    return found


def _unknown_number(dtype: torch.dtype) -> float:
    """No number is broken, no loss is small yet."""
    return 1.0 if dtype.is_floating_point else 0


@cache
def _makes_anew(func: Any) -> bool:
    """Whether a kernel gives tensors of their own, and changes none of those that it is given."""
    schema = func._schema
    return not schema.is_mutable and all(one.alias_info is None for one in schema.returns)


def _share(some: list[Tensor], others: list[Tensor]) -> bool:
    """Whether some lie where others do; not all kernels say so."""
    places = {id(one.untyped_storage()) for one in others}
    return any(id(one.untyped_storage()) in places for one in some)


def _described(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Values to be told from others, where of tensors the shape counts alone."""
    return tuple(
        (value.size(), value.stride(), value.dtype)
        if isinstance(value, Tensor)
        else _described(tuple(value))
        if isinstance(value, list | tuple)
        else (type(value), value)
        for value in values
    )


def _tensors(values: tuple[Any, ...]) -> list[Tensor]:
    """Those among values, and in lists among them; calls of kernels have no deeper ones."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found.extend(one for one in value if isinstance(one, Tensor))
    return found


def _as_shape(tensor: Tensor) -> Tensor:
    return tensor if tensor.is_meta else torch.empty_like(tensor, device=_META)


def _changes_nothing(tensor: Tensor, how: Any) -> bool:
    """Whether a tensor is copied to a device and in no other way."""
    return how.get("dtype") in (None, tensor.dtype) and how.get("memory_format") is None
