"""What an edit will take, told before it starts: memory, calls of the network, operations, time."""

from collections.abc import Sequence
from dataclasses import dataclass

from frameweave.editing.adapting import adapted, settled
from frameweave.editing.advice import check_prompts
from frameweave.editing.footage import Fit
from frameweave.editing.given.anchors import asked
from frameweave.editing.inversions import IN_MEMORY
from frameweave.editing.options import EditOptions, PlanEditOptions
from frameweave.editing.planning.rehearsal import Rehearsal, Taken
from frameweave.editing.planning.source import Source, source_of
from frameweave.editing.planning.speed import Speed, rough, timed
from frameweave.editing.sampling import sampler_of
from frameweave.editing.setup import editor_of, load_model, map_maker, steady_of
from frameweave.editors import running
from frameweave.editors.base import Editor
from frameweave.errors import InputError
from frameweave.models.depth import DepthEstimator
from frameweave.models.loading.device import torch_device
from frameweave.models.memory import free_bytes
from frameweave.models.running.shapes import networks_in, shapes_of, weight_bytes
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import SILENT, Progress
from frameweave.video.motion.flows import flow_of


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one part of an edit takes."""

    name: str
    device_bytes: int
    """The most on the device, with the weights that lie there."""
    flops: float
    """Operations, 2 for a multiply-add."""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What an edit will take, without loading the model and without the program itself."""

    editor: str
    device: str
    frames: int
    size: tuple[int, int]
    """Width and height, in pixels, at which the model works."""
    rows: tuple[Row, ...]
    """Reading, editing and writing."""
    weight_bytes: int
    host_bytes: int
    """The most in the machine's memory beside a GPU; 0 where the device is the CPU."""
    trajectory_bytes: int
    """Of the inversion that is kept, in the machine's memory or, when it is large, on its disk."""
    calls: float
    pictures: int
    """In the largest call of the network: frames times branches of guidance."""
    speed: Speed
    free_bytes: int
    """On the device, now."""
    lower: str
    """What to turn down."""
    loops: tuple[tuple[str, float], ...]
    """Those of the inversion and of one sampling in their order: what is told of each, and its operations."""

    @property
    def device_bytes(self) -> int:
        return max(row.device_bytes for row in self.rows)

    def seconds(self, row: Row) -> float:
        return row.flops / self.speed.flops_per_second

    @property
    def whole(self) -> float:
        """Seconds of all of it, without the model's loading."""
        return sum(map(self.seconds, self.rows))

    @property
    def between(self) -> tuple[float, float]:
        """The same, as quickly and as slowly as it may go."""
        return self.whole * self.speed.quicker, self.whole * self.speed.slower

    @property
    def fits(self) -> bool:
        """Whether the memory that is free now suffices."""
        return self.device_bytes < self.free_bytes


def plan_edit(
    video: str, prompts: Sequence[str], options: PlanEditOptions, *, progress: Progress = SILENT
) -> Forecast:
    """What `frameweave edit` with these settings will take. `video` may be a size such as 1280x720.

    The model is loaded for its shapes, and for one call with `options.timed`; the edit is gone through
    without values. Raises `InputError` for what the edit refuses, `RunError` when an editor needs values.
    """
    if options.compare:
        raise InputError("--compare cannot be planned", hint="plan one editor after the other")
    options = settled(options, [*prompts, options.source_prompt], progress)
    editor = editor_of(options)
    check_prompts(prompts or ("a video",), options)
    flow_of(options.flow)  # one that is not there is told
    source = source_of(video, options, progress)
    here = options if options.timed else options.replaced(device="cpu")
    model = load_model(here)
    estimator = map_maker(editor, model, here).estimator
    progress.note("going through the edit without values")
    return forecast(editor, model, source, prompts, options, estimator=estimator, by_a_call=options.timed)


def forecast(
    editor: Editor,
    model: StableDiffusion,
    source: Source,
    prompts: Sequence[str],
    options: EditOptions,
    *,
    estimator: DepthEstimator | None = None,
    by_a_call: bool = True,
) -> Forecast:
    """What an edit with a model that is loaded will take; with the depth that `estimator` finds, if any.

    The speed is told by a timed call of the model, or else roughly. Raises `RunError` when an editor needs
    values.
    """
    device = torch_device(options.device)
    fit, sampler = Fit.for_model(model, source.size, options.size), sampler_of(options, model, editor)
    shapes = shapes_of(model)
    with adapted(shapes, options, options.editor, editor, SILENT, sampler=sampler) as adapted_model:
        rehearsal = Rehearsal(
            editor=editor,
            model=adapted_model,
            estimator=shapes_of(estimator),
            sampler=sampler,
            frames=source.frames,
            fit=fit,
            prompt=prompts[0] if prompts else "a video",
            negative_prompt=options.negative_prompt,
            source_prompt=options.source_prompt or "a clip",
            steady=steady_of(options),
            anchors=asked(options.anchor),
            device=device,
        )
        taken = rehearsal.through()
        weights = weight_bytes(networks_in([adapted_model, rehearsal.estimator]))
    latents = (fit.padded[1] // model.vae_factor, fit.padded[0] // model.vae_factor)
    call = taken.calls
    return Forecast(
        editor=options.editor,
        device=device.type,
        frames=source.frames,
        size=fit.padded,
        rows=_rows(taken, weights, on_cpu=device.type == "cpu", prompts=max(1, len(prompts))),
        weight_bytes=weights,
        host_bytes=0 if device.type == "cpu" else taken.host_bytes,
        trajectory_bytes=taken.trajectory_bytes,
        calls=call.count,
        pictures=call.pictures,
        speed=timed(model, shapes, latents, call.pictures) if by_a_call else rough(device, model.precision),
        free_bytes=free_bytes(device),
        lower=running.less_memory(editor),
        loops=taken.loops,
    )


def _rows(taken: Taken, weights: int, *, on_cpu: bool, prompts: int) -> tuple[Row, ...]:
    """Several prompts are edited one after the other; the kept inversion lies in the CPU's memory."""
    kept = taken.trajectory_bytes if on_cpu and taken.trajectory_bytes <= IN_MEMORY else 0
    parts = (
        ("read", taken.read, 0, 1),
        ("edit", taken.edit, kept, prompts),
        ("write", taken.write, 0, prompts),
    )
    return tuple(
        Row(name=name, device_bytes=weights + more + part.device_bytes, flops=part.flops * times)
        for name, part, more, times in parts
    )
