"""A Stable Diffusion 1.x, 2.x or SDXL model behind the seam. One long file, because it is one class."""

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from jaxtyping import Float
from torch import Tensor, nn
from transformers import CLIPTokenizer

from frameweave.diffusion.sampling import noise_of
from frameweave.diffusion.schedule import Schedule
from frameweave.diffusion.scheduler_config import Prediction
from frameweave.diffusion.spacing import shown
from frameweave.errors import InputError, ModelFolderError
from frameweave.models.buckets import longer_side, unit
from frameweave.models.conditioning import AddedConditions, StableConditioning
from frameweave.models.control.controlnet import Seen
from frameweave.models.control.controls import Control, check_maps, kinds, steering
from frameweave.models.distilled import guidance_embedding
from frameweave.models.image_prompt.prompts import ImagePrompt
from frameweave.models.memory import Chunks, memory_for
from frameweave.models.running.placement import Placement
from frameweave.models.seam import Conditioning, Frames, Guides, Latents, Said, Timestep, VisionStates
from frameweave.models.stock import as_shown, decoded, posterior
from frameweave.models.temporal import TemporalDecoder
from frameweave.models.text.encoder import TextEncoder
from frameweave.models.timesteps import first_of
from frameweave.models.vision import NAME_A_TOWER, VisionTower

_HELD = 16  # decoded frames that are in memory at once


@dataclass(frozen=True, eq=False)
class StableDiffusion:
    """A Stable Diffusion 1.x, 2.x or SDXL model, ready to use. Made by `loading.load`."""

    vae: AutoencoderKL
    unet: UNet2DConditionModel
    text: TextEncoder
    schedule: Schedule
    prediction: Prediction = "epsilon"
    """What the UNet says of noisy latents."""
    controls: tuple[Control, ...] = ()
    image_prompts: tuple[ImagePrompt, ...] = ()
    vision_tower: VisionTower | None = None
    chunk_size: int = 16
    """How many frames the VAE takes in one batch."""
    placement: Placement | None = None
    """What brings its parts to the device when they work; None where they always lie there."""
    temporal: TemporalDecoder | None = None
    """What decodes clips in place of the VAE."""

    @property
    def controlnet(self) -> nn.Module | None:
        networks = [control.network for control in self.controls]
        return None if not networks else networks[0] if len(networks) == 1 else nn.ModuleList(networks)

    @property
    def control_kinds(self) -> tuple[str, ...]:
        return kinds(self.controls)

    @property
    def device(self) -> torch.device:
        if self.placement is not None:
            return self.placement.device
        return next(self.unet.parameters()).device  # diffusers' own property walks over all modules

    @property
    def dtype(self) -> torch.dtype:
        """Of latents and noise: an inversion adds up what half precision rounds in each of its steps."""
        return torch.promote_types(self.precision, torch.float32)

    @property
    def precision(self) -> torch.dtype:
        """In which the networks compute."""
        return next(self.unet.parameters()).dtype  # as above

    @property
    def tokenizer(self) -> CLIPTokenizer:
        return self.text.tokenizer

    @property
    def channels(self) -> int:
        return int(self.vae.config["latent_channels"])

    @property
    def vae_factor(self) -> int:
        return 2 ** (len(self.vae.config["block_out_channels"]) - 1)

    @property
    def multiple(self) -> int:
        """Frame sides are best multiples of this many pixels: then each level of the UNet halves evenly.

        SDXL's are multiples of more, as they were in its training.
        """
        halved = self.vae_factor * 2 ** (len(self.unet.config["block_out_channels"]) - 1)
        return unit(self.native, halved) if self.is_xl else halved

    @property
    def native(self) -> int:
        return int(self.unet.config["sample_size"]) * self.vae_factor

    def longer_side(self, size: tuple[int, int]) -> int:
        """The longer side to edit frames of that width and height at, where none is asked for.

        SDXL was trained at sizes of one area, so it is longer for frames that are less square.
        """
        return longer_side(size, self.native, self.multiple) if self.is_xl else self.native

    @property
    def is_xl(self) -> bool:
        """Whether it is of SDXL's kind: it reads pooled text and sizes too."""
        return self.text.pooled_width is not None

    @property
    def vae_overflows(self) -> bool:
        """Whether the VAE needs more than fp16, as SDXL's does unless its file says that it is mended.

        In files of Stable Diffusion 1.x and 2.x the setting means nothing.
        """
        return self.is_xl and bool(self.vae.config.get("force_upcast"))

    @property
    def takes_picture(self) -> bool:
        return int(self.unet.config["in_channels"]) == 2 * self.channels

    @property
    def embeds_guidance(self) -> bool:
        return self.unet.config.get("time_cond_proj_dim") is not None

    @property
    def vision_width(self) -> int | None:
        return None if self.vision_tower is None else self.vision_tower.width

    @property
    def inverse(self) -> "StableDiffusion":
        """Without pictures as prompts: they say what the edit shows, not what the source does."""
        return replace(self, image_prompts=()) if self.image_prompts else self

    @torch.no_grad()
    def encode(self, frames: Frames, noise: Latents | None = None) -> Latents:
        height, width = frames.shape[2:]
        if height % self.vae_factor or width % self.vae_factor:
            raise InputError(
                f"frames of {width} x {height} pixels, expected multiples of {self.vae_factor}",
                hint="use frameweave.video.clip.working_size",
            )

        def encoded(part: slice) -> Latents:
            found = posterior(self.vae, self._for_vae(frames[part] * 2 - 1))
            taken = found.mean if noise is None else found.mean + found.std * noise[part].to(found.std)
            return (taken * self.vae.config["scaling_factor"]).to(self.dtype)

        with self._enough_memory("encoding", frames):
            return Chunks(self.chunk_size).over(len(frames), encoded)

    @torch.no_grad()
    def decode(self, x_0: Latents) -> Frames:
        """Frames in [0, 1], float32 on the CPU. Raises `NotFinite` for what would be black in files."""

        def pictures(part: slice) -> Tensor:
            unscaled = self._for_vae(x_0[part]) / self.vae.config["scaling_factor"]
            return decoded(self.vae, unscaled).float().cpu()

        if self.temporal is not None:
            return torch.cat(list(self.decoded(x_0)))
        with self._enough_memory("decoding", x_0):
            frames = Chunks(self.chunk_size).over(len(x_0), pictures)
        return as_shown(frames, self.precision)

    @torch.no_grad()
    def decoded(self, x_0: Latents) -> Generator[Frames, None, None]:
        if self.temporal is None:
            yield from map(self.decode, x_0.split(_HELD))
            return
        unscaled = x_0.to(self.device, self.temporal.dtype) / self.vae.config["scaling_factor"]
        with self._enough_memory("decoding", x_0):
            for frames in self.temporal.over(unscaled):
                yield as_shown(frames, self.precision)

    def seen(self, frames: Frames) -> VisionStates | None:
        return None

    @torch.no_grad()
    def conditioning(
        self,
        prompts: Sequence[str],
        guides: Guides = Guides(),
        *,
        negative: Sequence[int] = (),
        blind: Sequence[int] = (),
        source: Sequence[int] = (),
    ) -> StableConditioning:
        """What the text encoder says of the prompts, one branch each, and what steers beside them."""
        encoded, shown = self.text.encode(prompts, negative), guides.picture
        return StableConditioning(
            texts=encoded.texts,
            cut=encoded.cut,
            pooled=None if encoded.pooled is None else encoded.pooled[:, None],
            maps=guides.maps,
            controlnet_scale=guides.controlnet_scale,
            guidance=guides.guidance,
            images=tuple(one.branches(len(prompts), negative, source) for one in self.image_prompts),
            picture=None
            if shown is None
            else torch.stack([torch.zeros_like(shown) if k in blind else shown for k in range(len(prompts))]),
        )

    def said(self, prompts: Sequence[str]) -> Sequence[Said]:
        return self.text.said(prompts)

    def as_written(self) -> "StableDiffusion":
        """The same for prompts without syntax, as published programs read them."""
        return replace(self, text=self.text.as_written())

    @torch.no_grad()
    def vision(self, frames: Frames) -> VisionStates:
        """H_vision (Eq. 5): the vision tower's last hidden states of frames in [0, 1], CLS first.

        Raises `ModelFolderError` when the model has no vision tower.
        """
        if self.vision_tower is None:
            raise ModelFolderError(
                "unshared tokens need a CLIP vision tower, and the model has none",
                hint=f"{NAME_A_TOWER}, or leave out the tokens",
            )
        tower = self.vision_tower
        with self._enough_memory("looking at", frames):
            seen = Chunks(self.chunk_size).over(len(frames), lambda part: tower(frames[part]))
        return seen.to(self.device, self.precision)

    def predict(
        self, x_t: Float[Tensor, "*branches F C h w"], t: Timestep, conditioning: Conditioning
    ) -> Float[Tensor, "branches F C h w"]:
        """The noise predicted in x_t, for all frames under each branch's text, in one UNet batch.

        The batch is branch-major: all frames of the first branch, then of the second. x_t may have
        an axis of branches in front, when they differ. Gradients reach the texts. With maps ControlNets
        steer; raises what `check_maps` raises. A UNet that `takes_picture` needs one; raises
        `ModelFolderError` without, and when another one gets it.
        """
        assert isinstance(conditioning, StableConditioning)
        picture = conditioning.picture
        if self.takes_picture != (picture is not None):
            raise ModelFolderError(
                "the model edits by instruction: its UNet sees the picture beside the noise"
                if picture is None
                else "the model's UNet takes no picture beside the noise",
                hint="edits by instruction are those of text2video_zero with --set variant=instruct, "
                "on a model such as timbrooks/instruct-pix2pix",
            )
        texts, n = conditioning.texts, x_t.shape[-4]
        branches = len(texts)
        told = t.repeat(branches) if isinstance(t, Tensor) else shown(t)
        exact = x_t.repeat(branches, 1, 1, 1) if x_t.dim() == 4 else x_t.flatten(0, 1)
        batch = exact.to(self.precision)
        added = conditioning.added(n, (self.vae_factor * batch.shape[-2], self.vae_factor * batch.shape[-1]))
        extra = {} if not conditioning.maps else self._steered(batch, told, conditioning, added)
        if added is not None:
            extra["added_cond_kwargs"] = added
        text = texts.expand(-1, n, -1, -1).flatten(0, 1)
        if self.embeds_guidance:
            extra |= {"timestep_cond": guidance_embedding(self.unet, conditioning.guidance, batch)}
        read = conditioning.read(text, first_of(t))
        seen = batch
        if picture is not None:
            seen = torch.cat([batch, picture.flatten(0, 1).to(batch) / self.vae.config["scaling_factor"]], 1)
        out = self.unet(seen, told, read, return_dict=False, **extra)[0]
        if isinstance(t, Tensor):
            alpha_bar = self.schedule.alpha_bar.to(t.device)[t][:, None, None, None].repeat(branches, 1, 1, 1)
        else:
            alpha_bar = self.schedule.at(t)
        return noise_of(out.to(exact), exact, alpha_bar, self.prediction).unflatten(0, (branches, n))

    def _steered(
        self, batch: Tensor, t: Timestep, conditioning: StableConditioning, added: AddedConditions | None
    ) -> dict[str, object]:
        """What the ControlNets add, as keywords of the UNet's call."""
        check_maps(self.control_kinds, conditioning.maps)
        own = conditioning.texts if conditioning.for_controlnet is None else conditioning.for_controlnet
        text = own.expand(-1, len(batch) // len(own), -1, -1).flatten(0, 1)
        scale = conditioning.controlnet_scale
        return steering(self.controls, conditioning.maps, Seen(batch, t, text, added), scale=scale)

    def noise(self, shape: tuple[int, ...], rng: torch.Generator) -> Latents:
        """Standard normal noise, drawn on the CPU in float32 so that a seed means one thing everywhere."""
        return torch.randn(shape, generator=rng, dtype=torch.float32).to(self.device, self.dtype)

    def _enough_memory(self, doing: str, pictures: Tensor) -> AbstractContextManager[None]:
        height, width = pictures.shape[2:]
        return memory_for(
            f"{doing} one picture of {width} x {height}", hint="give a smaller --size, or --dtype fp16"
        )

    def _for_vae(self, x: Tensor) -> Tensor:
        return x.to(self.device, self.vae.dtype, memory_format=torch.channels_last)
