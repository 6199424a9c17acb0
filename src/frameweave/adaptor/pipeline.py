"""An adaptor's window in a stock diffusers pipeline that has loaded the LoRA itself."""

from collections.abc import Generator
from contextlib import contextmanager

from diffusers import DiffusionPipeline
from torch import nn

from frameweave.adaptor.lora import Lora, check_acting, kept, lora_layers
from frameweave.adaptor.switching import Gate, by_timestep
from frameweave.adaptor.use import AdaptorUse
from frameweave.errors import InputError


@contextmanager
def windowed(pipeline: DiffusionPipeline, use: AdaptorUse, *, adapter: str) -> Generator[None, None, None]:
    """Let a loaded adapter act as `use` says in every call of the pipeline while the block runs.

    `adapter` is the name given to `load_lora_weights`. The timestep of each call of the UNet decides, so
    it holds for text to image, image to image and every other pipeline, with every scheduler. Other
    adapters and their weights stay as they are. On leaving, also by an exception, the active adapters and
    the adapter's weight are what they were.

    Raises `InputError` when the pipeline has no such adapter, and when its LoRAs are fused or switched off.
    """
    unet = getattr(pipeline, "unet", None)
    if not isinstance(unet, nn.Module):
        raise InputError(f"{type(pipeline).__name__} has no UNet", hint="give a Stable Diffusion pipeline")
    layers = lora_layers(unet, adapter)
    if not layers:
        known = sorted(getattr(unet, "peft_config", {}))
        raise InputError(
            f"the pipeline's UNet has no adapter {adapter!r}, it has {', '.join(known) or 'none'}",
            hint="give adapter_name to load_lora_weights, and the same name here",
        )
    check_acting(layers)
    with kept(unet), by_timestep(unet, Lora(layers, adapter), use.strengths, Gate()):
        yield
