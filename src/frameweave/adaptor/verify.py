"""Check that an adaptor does the same in every layout, and in a stock pipeline as in our own loop.

The reference for the native file is independent of peft: the weights of a copy of the UNet with
strength * alpha / rank * B A added by hand.
"""

import copy
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from frameweave.adaptor.adaptor import Adaptor, adaptor_file, load_adaptor
from frameweave.adaptor.formats import DIFFUSERS_FILE, KOHYA_FILE, read_layout, write_layouts
from frameweave.adaptor.options import VerifyOptions
from frameweave.adaptor.pipeline import windowed
from frameweave.adaptor.stock_pipeline import StockPipeline, stock_pipeline
from frameweave.adaptor.use import AdaptorUse
from frameweave.diffusion.sampling import guided, sample
from frameweave.errors import AdaptorMismatch, CheckFailed, InputError
from frameweave.models.conditioning import SIZES
from frameweave.models.loading.choice import ModelChoice
from frameweave.models.loading.load import load_chosen
from frameweave.models.loading.text import reads_pooled_text
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import SILENT, Progress

UNET_TOLERANCE = 1e-4
"""Largest difference of noise predictions, which are around 1; float32 alone gives about 1e-5."""
PICTURE_TOLERANCE = 1e-3
"""Largest difference of a picture in [0, 1]: a quarter of a grey level of 255."""
WEIGHT_TOLERANCE = 1e-6
"""Largest difference of a weight of the LoRA, relative to the largest one."""
_ADAPTER = "frameweave_verify"


@dataclass(frozen=True)
class Comparison:
    """One comparison: the largest absolute difference, and what is allowed."""

    check: str
    max_difference: float
    tolerance: float


def verify(name: str, options: VerifyOptions, *, progress: Progress = SILENT) -> Iterator[Comparison]:
    """Yield each comparison as it is made.

    Layouts that do not lie beside the adaptor are written to a temporary folder and read back. After
    the last one raises `CheckFailed` when any difference was above its tolerance.
    """
    adaptor = load_adaptor(name)
    if not adaptor.lora:
        raise AdaptorMismatch(f"{name}: holds no LoRA to verify", hint="give an adaptor with a LoRA")
    choice = ModelChoice(
        model=options.model or adaptor.card.base,
        config=options.config,
        vae=options.vae,
        device=options.device,
    )
    failed: list[Comparison] = []
    model = replace(load_chosen(choice), temporal=None)  # stock pipelines decode each picture alone
    _check_steps(options.steps, model)
    use = adaptor.use(tokens=False, T=model.schedule.T)
    active = use.acts(model.schedule.timesteps(options.steps)).lora
    warning = "" if active else "; WARNING: the picture shows nothing of it, take more steps"
    progress.note(f"the LoRA acts in {active} of {options.steps} steps of the picture{warning}")
    with tempfile.TemporaryDirectory() as fresh, _exact():
        files = _layout_files(adaptor, adaptor_file(name).parent, Path(fresh), progress)
        for row in _compared(_Work(adaptor, use, model, options), choice, files):
            if not row.max_difference <= row.tolerance:  # not a number fails too
                failed.append(row)
            yield row
    if failed:
        worst = failed[0]
        raise CheckFailed(
            f"{len(failed)} comparisons failed, first {worst.check}: "
            f"{worst.max_difference:.2e}, at most {worst.tolerance:.0e} expected",
            hint="export the adaptor again, and look whether model and adaptor belong together",
        )


def _check_steps(steps: int, model: StableDiffusion) -> None:
    """Raise `InputError` for more steps than stock pipelines can take: theirs begin at T with an offset."""
    T = model.schedule.T
    if steps > T or (steps - 1) * (T // steps) + model.schedule.offset >= T:
        raise InputError(
            f"{steps} steps, which stock pipelines begin beyond the last of {T} timesteps",
            hint=f"give --steps {T // 2} or fewer",
        )


def _layout_files(adaptor: Adaptor, folder: Path, fresh: Path, progress: Progress) -> dict[str, Path]:
    """The files of both layouts: those beside the adaptor, fresh ones for the rest."""
    write_layouts(adaptor.lora, adaptor.card, fresh)
    files: dict[str, Path] = {}
    for layout, file in (("diffusers", DIFFUSERS_FILE), ("kohya", KOHYA_FILE)):
        there = (folder / file).is_file()
        files[layout] = (folder if there else fresh) / file
        if not there:
            progress.note(f"no {file} beside the adaptor; checking a fresh one")
    return files


@dataclass(frozen=True, eq=False)
class _Work:
    """What is compared with what."""

    adaptor: Adaptor
    use: AdaptorUse
    model: StableDiffusion
    options: VerifyOptions

    @property
    def side(self) -> int:
        """Of the latents; stock pipelines may say another for folders of before diffusers 0.9."""
        return self.model.native // self.model.vae_factor

    def noise(self) -> Tensor:
        shape = (1, self.model.channels, self.side, self.side)
        return self.model.noise(shape, torch.Generator().manual_seed(self.options.seed))


def _compared(work: _Work, choice: ModelChoice, files: dict[str, Path]) -> Iterator[Comparison]:
    adaptor, model, side = work.adaptor, work.model, work.side
    inside, outside = _timesteps(adaptor.card.window(model.schedule.T).values, model.schedule.T)
    plain = {t: _prediction(model.unet, t, side) for t in (*inside, *outside)}
    with adaptor.in_unet(model.unet, work.use):
        ours = {t: _prediction(model.unet, t, side) for t in plain}
    by_hand = _added_by_hand(model.unet, adaptor)
    expected = {t: _prediction(by_hand, t, side) for t in inside} | {t: plain[t] for t in outside}
    del by_hand
    yield _row("native: UNet inside the window", ours, expected, inside)
    yield _row("native: UNet outside the window", ours, plain, outside)
    picture = _own_picture(work)
    for layout, file in files.items():
        yield _weights(f"{layout}: weights in the file", read_layout(file), adaptor)
        pipeline = stock_pipeline(choice, model)
        pipeline.load_lora_weights(str(file.parent), weight_name=file.name, adapter_name=_ADAPTER)
        pipeline.set_adapters([_ADAPTER], [adaptor.card.strength])
        theirs = {t: _prediction(pipeline.unet, t, side) for t in inside}
        pipeline.set_adapters([_ADAPTER], [0.0])
        theirs |= {t: _prediction(pipeline.unet, t, side) for t in outside}
        yield _row(f"{layout}: UNet inside the window", theirs, ours, inside)
        yield _row(f"{layout}: UNet outside the window", theirs, plain, outside)
        stock = _stock_picture(work, pipeline)
        del pipeline  # before the next one comes
        difference = float((stock - picture).abs().max())
        yield Comparison(f"{layout}: picture of the stock pipeline", difference, PICTURE_TOLERANCE)


def _timesteps(values: tuple[int, int], T: int) -> tuple[list[int], list[int]]:
    """Timesteps to compare at: both ends of the window, and what lies next to them and far off."""
    first, last = values
    outside = [t for t in (first - 2, first // 2) if 0 <= t < first - 1]
    outside += [t for t in (last + 1,) if t < T]
    return sorted({first, last}), sorted(set(outside))


@torch.no_grad()
def _prediction(unet: UNet2DConditionModel, t: int, side: int) -> Tensor:
    """The UNet's output on the CPU for one fixed input."""
    rng = torch.Generator().manual_seed(0)
    width = int(unet.config["cross_attention_dim"])
    x = torch.randn(1, int(unet.config["in_channels"]), side, side, generator=rng)
    text = torch.randn(1, 8, width, generator=rng).to(unet.device)
    added = None
    if reads_pooled_text(unet.config):
        whole = int(unet.config["projection_class_embeddings_input_dim"])
        pooled = torch.randn(1, whole - SIZES * int(unet.config["addition_time_embed_dim"]), generator=rng)
        added = {"text_embeds": pooled.to(unet.device), "time_ids": torch.zeros(1, SIZES).to(unet.device)}
    return unet(x.to(unet.device), t, text, added_cond_kwargs=added, return_dict=False)[0].cpu()


def _added_by_hand(unet: UNet2DConditionModel, adaptor: Adaptor) -> UNet2DConditionModel:
    """A copy of the UNet with W + strength * alpha / rank * B A in place of W (Eq. 1)."""
    changed, card = copy.deepcopy(unet), adaptor.card
    for name, A in adaptor.lora.items():
        layer, end, _ = name.partition(".lora_A.")
        if end:
            B = adaptor.lora[name.replace(".lora_A.", ".lora_B.")]
            weight = changed.get_parameter(f"{layer}.weight")
            weight.data += (card.strength * card.alpha / card.rank * (B @ A)).to(weight.device)
    return changed


def _row(check: str, a: dict[int, Tensor], b: dict[int, Tensor], timesteps: list[int]) -> Comparison:
    differences = torch.stack([(a[t] - b[t]).abs().max() for t in timesteps]) if timesteps else torch.zeros(1)
    return Comparison(check, float(differences.max()), UNET_TOLERANCE)


def _weights(check: str, found: dict[str, Tensor], adaptor: Adaptor) -> Comparison:
    ratio = adaptor.card.alpha / adaptor.card.rank
    wanted = {key: w * (ratio if ".lora_B." in key else 1) for key, w in adaptor.lora.items()}
    if odd := sorted(found.keys() ^ wanted.keys()):
        raise AdaptorMismatch(
            f"{check}: {len(found)} tensors, the adaptor has {len(wanted)} (differs at {odd[0]})",
            hint="export the adaptor again",
        )
    largest = max(float(w.abs().max()) for w in wanted.values())
    for key, w in wanted.items():
        if found[key].shape != w.shape:
            raise AdaptorMismatch(
                f"{check}: {key} has {tuple(found[key].shape)}, the adaptor {tuple(w.shape)}",
                hint="export the adaptor again",
            )
    difference = max(float((found[key] - w).abs().max()) for key, w in wanted.items())
    return Comparison(check, difference / max(largest, 1e-12), WEIGHT_TOLERANCE)


@torch.no_grad()
def _own_picture(work: _Work) -> Tensor:
    model, options = work.model, work.options
    with work.adaptor.on(model, work.use) as adapted_model:
        conditioning = adapted_model.conditioning(["", options.prompt])

        def eps(x: Tensor, t: float) -> Tensor:
            uncond, cond = adapted_model.predict(x, t, conditioning)
            # as stock pipelines, which have no guidance up to 1
            return guided(uncond, cond, options.guidance) if options.guidance > 1 else cond

        schedule = replace(model.schedule, spacing="leading")  # DDIM of diffusers: see `stock_pipeline`
        x_0 = sample(eps, work.noise(), schedule, options.steps)
        return adapted_model.decode(x_0)


@contextmanager
def _exact() -> Generator[None, None, None]:
    """Without TF32, by which convolutions on newer GPUs round off more than what is compared here."""
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = allowed


def _stock_picture(work: _Work, pipeline: StockPipeline) -> Tensor:
    options = work.options
    with windowed(pipeline, work.use, adapter=_ADAPTER):
        made = pipeline(
            options.prompt,
            negative_prompt="",
            num_inference_steps=options.steps,
            guidance_scale=options.guidance,
            latents=work.noise(),
            height=work.model.native,
            width=work.model.native,
            output_type="pt",
            return_dict=False,
        )
    return cast("Tensor", made[0]).float().cpu()
