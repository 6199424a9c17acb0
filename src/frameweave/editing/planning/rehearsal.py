"""An edit gone through with shapes alone: what its parts need, without their weights and their time.

The editor itself runs, on a model whose tensors have no values. So what an editor needs stands nowhere
else than in the editor, and editors of other packages are measured like ours.
"""

from collections.abc import Collection, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from frameweave.diffusion.inversion import Trajectory
from frameweave.diffusion.samplers.sampler import DDIM, Sampler
from frameweave.editing.footage import BATCH, Fit
from frameweave.editors import running
from frameweave.editors.base import Editor
from frameweave.editors.request import EditRequest
from frameweave.errors import FrameweaveError, InputError, RunError
from frameweave.models.control.asked import DEPTH
from frameweave.models.depth import DepthEstimator, per_clip
from frameweave.models.running.meter import Meter
from frameweave.models.seam import Latents, Model
from frameweave.progress import Silent
from frameweave.video.motion.motion import Motion
from frameweave.video.motion.steady import Steady

T = TypeVar("T")
_FEW = 3
"""Steps that are gone through: whatever an editor does in a share of its steps occurs in three."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one part of an edit takes beside the weights."""

    device_bytes: int
    """The most that lives on the device at once."""
    host_bytes: int
    """The same in the machine's memory beside it; 0 where the device is the CPU."""
    flops: float
    """Operations, 2 for a multiply-add."""


@dataclass(frozen=True, kw_only=True)
class Calls:
    """How an edit calls the UNet."""

    count: float
    pictures: int
    """In the largest call: frames times branches of guidance."""
    flops: float
    """Operations of the largest call."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What an edit takes beside the weights of its networks."""

    read: Part
    """Reading the clip: its latents, its depth, what the vision tower sees."""
    edit: Part
    """Inversion and sampling, without the kept inversion."""
    write: Part
    """Decoding."""
    calls: Calls
    trajectory_bytes: int
    """Of the latents that the inversion keeps, in the machine's memory or on its disk."""
    loops: tuple[tuple[str, float], ...]
    """The loops of inversion and sampling in their order: what is told of each, and its operations."""

    @property
    def host_bytes(self) -> int:
        """The most in the machine's memory beside the device, without the kept inversion."""
        return max(part.host_bytes for part in (self.read, self.edit, self.write))


@dataclass(frozen=True, eq=False, kw_only=True)
class Rehearsal:
    """An edit to go through. `model` and `estimator` have shapes in place of weights."""

    editor: Editor
    model: Model
    estimator: DepthEstimator | None = None
    sampler: Sampler = DDIM
    frames: int
    fit: Fit
    prompt: str
    negative_prompt: str = ""
    source_prompt: str = ""
    steady: Steady | None = None
    anchors: Collection[int] = ()
    """Frames that the user has edited."""
    device: torch.device
    """Where the edit would be done."""

    def through(self) -> Taken:
        """Go through it. Raises what the editor raises; `RunError` when it needs values to go on."""
        meter = Meter(self.device)
        try:
            with meter:
                return self._parts(meter)
        except FrameweaveError:
            raise
        except (RuntimeError, NotImplementedError, TypeError, ValueError, IndexError) as error:
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise RunError(
                f"{type(self.editor).__name__} cannot be planned by shapes alone ({first})",
                hint="edit a few frames, and watch the memory",
            ) from error

    def _parts(self, meter: Meter) -> Taken:
        batches = max(1.0, self.frames / BATCH)
        with _part(meter) as read:
            request = self._request()
            source = self._source(request)
        with _part(meter) as edit:
            shorter = _in_few_steps(self.editor)
            calls, loops = _Counted(meter), _Loops(meter)
            with calls.of(self.model.unet):
                x = shorter.edit(replace(request, inversions=calls, progress=loops))
        with _part(meter) as write:
            if self.steady is not None:
                self.model.decode(x[:BATCH])  # what it was is measured, too
                x = self.steady.of(x, source, _motion(request, self.steady.radius))
            self.fit.undo(self.model.decode(x[:BATCH]))
        times = _steps(self.editor) / _steps(shorter)
        return Taken(
            read=read.part(batches),
            edit=edit.part(times),
            write=write.part(batches),
            calls=Calls(count=calls.count * times, pictures=calls.pictures, flops=calls.flops),
            trajectory_bytes=calls.trajectory_bytes(times),
            loops=tuple((name, flops * times) for name, flops in loops.found),
        )

    def _request(self) -> EditRequest:
        """As an edit reads it: one batch of frames, and room for what is kept of all."""
        width, height = self.fit.padded
        first = torch.empty(min(BATCH, self.frames), 3, height, width, device="meta")
        rng = torch.Generator().manual_seed(0)
        part = running.request_of(self.editor, first, self.model, prompt=self.prompt, rng=rng, motion=None)
        maps = {
            kind: torch.empty(self.frames, 1 if kind == DEPTH else 3, height, width, device="meta")
            for kind in (self.model.control_kinds if self.editor.needs_depth else ())
        }
        if self.estimator is not None:
            maps[DEPTH] = per_clip(_of_all(self.estimator.raw(first).half(), self.frames).float())
        request = EditRequest(
            model=self.model,
            x_0=_of_all(part.x_0, self.frames),
            prompt=self.prompt,
            negative_prompt=self.negative_prompt,
            sampler=self.sampler,
            source_prompt=self.source_prompt,
            rng=rng,
            maps=maps,
            seen=None if part.seen is None else _of_all(part.seen, self.frames),
            anchors={number: part.x_0[:1] for number in self.anchors if number < self.frames},
        )
        radius = self.editor.motion_radius
        return replace(request, motion=_motion(request, radius)) if radius else request

    def _source(self, request: EditRequest) -> Latents:
        """The source's latents, which steadier results need of any editor."""
        if self.steady is None or self.editor.uses_source:
            return request.x_0
        width, height = self.fit.padded
        frames = torch.empty(min(BATCH, self.frames), 3, height, width, device="meta")
        return _of_all(self.model.encode(frames), self.frames)


def _motion(request: EditRequest, radius: int) -> Motion:
    return Motion.unknown(len(request), radius, (request.x_0.shape[2], request.x_0.shape[3]), device="meta")


def _of_all(some: Tensor, frames: int) -> Tensor:
    """Room for what there is of some frames."""
    return some if len(some) == frames else some.new_empty((frames, *some.shape[1:]))


def _steps(editor: Editor) -> int:
    return int(getattr(editor, "steps", 1))


def _in_few_steps(editor: Editor) -> Editor:
    """The editor with fewer steps; itself where it cannot do with so few."""
    steps, inversion = _steps(editor), int(getattr(editor, "inversion_steps", 0))
    if steps <= _FEW or inversion % steps:
        return editor
    changes = {"steps": _FEW} | ({"inversion_steps": _FEW * inversion // steps} if inversion else {})
    try:
        return editor.replaced(**changes)
    except InputError:
        return editor


@dataclass(eq=False)
class _Read:
    """A part's figures, read off a meter."""

    device_bytes: int = 0
    host_bytes: int = 0
    flops: int = 0

    def part(self, times: float) -> Part:
        """The part, whose work is done so many times over."""
        return Part(device_bytes=self.device_bytes, host_bytes=self.host_bytes, flops=self.flops * times)


@contextmanager
def _part(meter: Meter) -> Generator[_Read, None, None]:
    """Reads what is taken in the block."""
    meter.forget_peak()
    before, read = meter.flops, _Read()
    yield read
    read.device_bytes, read.host_bytes = meter.device_peak, meter.host_peak
    read.flops = meter.flops - before


@dataclass(eq=False)
class _Loops(Silent):
    """Notes which loops an edit tells of, and the operations of each."""

    meter: Meter
    found: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])

    def track(self, items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
        before = self.meter.flops
        yield from items
        self.found.append((what, self.meter.flops - before))


@dataclass(eq=False)
class _Counted:
    """Counts calls of a UNet. Stands in for kept inversions too, and notes how large they would be."""

    meter: Meter
    count: int = 0
    pictures: int = 0
    flops: int = 0
    _kept: tuple[int, int] = (0, 0)

    @contextmanager
    def of(self, unet: nn.Module) -> Generator[None, None, None]:
        before = 0

        def begins(_unet: nn.Module, _inputs: tuple[Any, ...]) -> None:
            nonlocal before
            before = self.meter.flops

        def ends(_unet: nn.Module, inputs: tuple[Any, ...], _output: object) -> None:
            self.count += 1
            if len(inputs[0]) > self.pictures:
                self.pictures, self.flops = len(inputs[0]), self.meter.flops - before

        hooks = [unet.register_forward_pre_hook(begins), unet.register_forward_hook(ends)]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def trajectory_bytes(self, times: float) -> int:
        """Of clean latents and those of each kept timestep, where steps are so many times over."""
        kept, size = self._kept
        return round(size * (1 + (kept * times if kept > 1 else kept)))

    def room(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        self._kept = shape[0] - 1, torch.Size(shape[1:]).numel() * dtype.itemsize
        with self.meter.uncounted():
            return torch.empty(shape, dtype=dtype, device="meta")

    def recall(self, x_0: Latents, about: str) -> Trajectory | None:
        return None

    def keep(self, trajectory: Trajectory, about: str) -> None:
        pass
