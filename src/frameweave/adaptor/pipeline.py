"""The window in a stock diffusers pipeline that has loaded the LoRA itself."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from diffusers import StableDiffusionPipeline

from frameweave.adaptor.lora import Lora, active_adapters, lora_layers
from frameweave.diffusion.schedule import Window
from frameweave.errors import InputError

OnStepEnd = Callable[[StableDiffusionPipeline, int, Any, dict[str, Any]], dict[str, Any]]
"""A diffusers `callback_on_step_end`."""


@contextmanager
def windowed(
    pipeline: StableDiffusionPipeline, window: Window, *, steps: int, adapter: str, strength: float = 0.5
) -> Generator[OnStepEnd, None, None]:
    """Let a loaded adapter act inside the window only; yields the `callback_on_step_end` to call with.

    `adapter` is the name given to `load_lora_weights`, `steps` the `num_inference_steps` of the
    calls. diffusers calls back after each step, so the callback prepares the next one; the first is
    prepared here. Other adapters and their weights stay as they are: the layers are switched one by
    one, because `set_adapters` would replace the whole list. On leaving, also by an exception, the
    active adapters and the adapter's weight are what they were.

    For text-to-image pipelines, which visit all of the scheduler's timesteps. `Adaptor.in_unet(
    pipeline.unet, 1000)` covers every pipeline and loop, needs no callback, and gives the same.

    Raises `InputError` when the pipeline has no such adapter, and in the call when it takes other
    timesteps than `steps` promised.
    """
    layers = lora_layers(pipeline.unet, adapter)
    if not layers:
        known = sorted(getattr(pipeline.unet, "peft_config", {}))
        raise InputError(
            f"the pipeline's UNet has no adapter {adapter!r}, it has {', '.join(known) or 'none'}",
            hint="give adapter_name to load_lora_weights, and the same name here",
        )
    active = {name: active_adapters(layer) for name, layer in layers.items()}
    scaling = {name: layer.scaling[adapter] for name, layer in layers.items()}
    trainable = {parameter: parameter.requires_grad for parameter in pipeline.unet.parameters()}
    others = {name: tuple(other for other in names if other != adapter) for name, names in active.items()}
    lora = Lora(layers, others, adapter)

    pipeline.scheduler.set_timesteps(steps)
    promised = [float(t) for t in pipeline.scheduler.timesteps]

    def after(
        called: StableDiffusionPipeline, index: int, _timestep: Any, tensors: dict[str, Any]
    ) -> dict[str, Any]:
        visited = [float(t) for t in called.scheduler.timesteps]
        if visited != promised:
            raise InputError(
                f"the pipeline takes {len(visited)} steps from {visited[0]:g}, the window was prepared for "
                f"{len(promised)} from {promised[0]:g}",
                hint="give the same number of steps and the same scheduler to both",
            )
        lora.switch(promised[(index + 1) % len(promised)] in window)  # after the last: for the next call
        return tensors

    try:
        lora.scale(strength)
        lora.switch(promised[0] in window)
        yield after
    finally:
        for name, layer in layers.items():
            layer.set_adapter(list(active[name]), inference_mode=True)
            layer.scaling[adapter] = scaling[name]
        for parameter, flag in trainable.items():
            parameter.requires_grad_(flag)
