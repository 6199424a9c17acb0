"""diffusers' own pipeline of a model, made to sample as our loop does, to compare with."""

import copy
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline
from diffusers.utils import logging

from frameweave.errors import ModelFolderError
from frameweave.models.loading.choice import ModelChoice
from frameweave.models.loading.load import parts_of
from frameweave.models.loading.places import located, single_file
from frameweave.models.loading.text import ZEROS
from frameweave.models.loading.weights import in_some_precision
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.models.stock import channels_last

StockPipeline = StableDiffusionPipeline | StableDiffusionXLPipeline


def stock_pipeline(choice: ModelChoice, model: StableDiffusion) -> StockPipeline:
    """The pipeline as diffusers loads it, with the DDIM that our loop follows.

    Of a single file, and with another VAE, it is put together from copies of our networks.
    """
    alone = single_file(choice.model) is not None or choice.vae is not None
    pipeline = _of_copies(choice, model) if alone else _loaded(choice.model, model)
    pipeline.scheduler = DDIMScheduler.from_config(
        dict(pipeline.scheduler.config),
        clip_sample=False,
        thresholding=False,
        timestep_spacing="leading",
        steps_offset=model.schedule.offset,  # the pipeline takes 1 whatever the folder says
    )
    pipeline.set_progress_bar_config(disable=True)
    channels_last(pipeline.unet)  # as ours: the order of the sums is the only difference that it makes
    channels_last(pipeline.vae)
    return pipeline.to(model.device)


def _of_copies(choice: ModelChoice, model: StableDiffusion) -> StockPipeline:
    scheduler = DDIMScheduler.from_config(dict(parts_of(choice).config("scheduler")))
    towers, tokenizers = copy.deepcopy(model.text.networks), model.text.tokenizers
    kind: Any = StableDiffusionXLPipeline if model.is_xl else StableDiffusionPipeline
    text = {"text_encoder": towers[0], "tokenizer": tokenizers[0]}
    if model.is_xl:
        zeros = bool(parts_of(choice).index().get(ZEROS, True))
        text |= {"text_encoder_2": towers[1], "tokenizer_2": tokenizers[1]}
        usual = {"add_watermarker": False, "force_zeros_for_empty_prompt": zeros}
    else:
        usual = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    vae, unet = copy.deepcopy(model.vae), copy.deepcopy(model.unet)
    return kind(vae=vae, unet=unet, scheduler=scheduler, **text, **usual)


def _loaded(source: str, model: StableDiffusion) -> StockPipeline:
    folder, _ = located(source)

    def stock(variant: str | None) -> StockPipeline:
        if model.is_xl:
            return StableDiffusionXLPipeline.from_pretrained(
                folder, use_safetensors=True, variant=variant, add_watermarker=False
            )
        return StableDiffusionPipeline.from_pretrained(
            folder,
            use_safetensors=True,
            variant=variant,
            safety_checker=None,
            requires_safety_checker=False,
        )

    try:
        with _no_bars():
            return in_some_precision(Path(folder) / "unet", stock)
    except (OSError, ValueError) as error:
        raise ModelFolderError(
            f"{folder}: diffusers' own pipeline cannot be loaded ({str(error).strip().splitlines()[0]})",
            hint="give --model a complete diffusers folder of one precision",
        ) from error


@contextmanager
def _no_bars() -> Generator[None, None, None]:
    """diffusers draws a bar while it loads a pipeline, and only a global switch stops it."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
