"""A Stable Diffusion 1.x or 2.x model behind the seam."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from jaxtyping import Float
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from frameweave.diffusion.sampling import noise_of
from frameweave.diffusion.schedule import Schedule
from frameweave.diffusion.scheduler_config import Prediction
from frameweave.errors import InputError, ModelFolderError, NotFinite
from frameweave.models.conditioning import StableConditioning
from frameweave.models.control import embedded, residuals
from frameweave.models.memory import Chunks, memory_for
from frameweave.models.seam import Conditioning, Frames, Guides, Latents, Timestep, VisionStates
from frameweave.models.stock import decoded, posterior
from frameweave.models.tokenizer import unseen
from frameweave.models.vision import NAME_A_TOWER, VisionTower


@dataclass(frozen=True, eq=False)
class StableDiffusion:
    """A Stable Diffusion 1.x or 2.x model, ready to use. Made by `loading.load`."""

    vae: AutoencoderKL
    unet: UNet2DConditionModel
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    schedule: Schedule
    prediction: Prediction = "epsilon"
    """What the UNet says of noisy latents."""
    controlnet: ControlNetModel | None = None
    vision_tower: VisionTower | None = None
    chunk_size: int = 16
    """How many frames the VAE takes in one batch."""

    @property
    def device(self) -> torch.device:
        return next(self.unet.parameters()).device  # diffusers' own property walks over all modules

    @property
    def dtype(self) -> torch.dtype:
        return self.unet.dtype

    @property
    def channels(self) -> int:
        return int(self.vae.config["latent_channels"])

    @property
    def vae_factor(self) -> int:
        return 2 ** (len(self.vae.config["block_out_channels"]) - 1)

    @property
    def multiple(self) -> int:
        """Frame sides are best multiples of this many pixels: then each level of the UNet halves evenly."""
        return self.vae_factor * 2 ** (len(self.unet.config["block_out_channels"]) - 1)

    @property
    def native(self) -> int:
        return int(self.unet.config["sample_size"]) * self.vae_factor

    @property
    def takes_picture(self) -> bool:
        return int(self.unet.config["in_channels"]) == 2 * self.channels

    @property
    def vision_width(self) -> int | None:
        return None if self.vision_tower is None else self.vision_tower.width

    @property
    def inverse(self) -> "StableDiffusion":
        return self

    @torch.no_grad()
    def encode(self, frames: Frames, noise: Latents | None = None) -> Latents:
        height, width = frames.shape[2:]
        if height % self.vae_factor or width % self.vae_factor:
            raise InputError(
                f"frames of {width} x {height} pixels, expected multiples of {self.vae_factor}",
                hint="use frameweave.video.clip.working_size",
            )

        def encoded(part: slice) -> Latents:
            found = posterior(self.vae, self._placed(frames[part] * 2 - 1))
            return found.mean if noise is None else found.mean + found.std * noise[part].to(found.std)

        with self._enough_memory("encoding", frames):
            x_0 = Chunks(self.chunk_size).over(len(frames), encoded)
        return x_0 * self.vae.config["scaling_factor"]

    @torch.no_grad()
    def decode(self, x_0: Latents) -> Frames:
        """Frames in [0, 1], float32 on the CPU.

        Raises `NotFinite` for pictures that have values which are no numbers: they would be black in files.
        """
        unscaled = x_0 / self.vae.config["scaling_factor"]
        with self._enough_memory("decoding", x_0):
            frames = Chunks(self.chunk_size).over(
                len(x_0), lambda part: decoded(self.vae, self._placed(unscaled[part])).float().cpu()
            )
        if broken := int((~frames.isfinite().flatten(1).all(1)).sum()):
            raise NotFinite(
                f"{broken} of {len(frames)} decoded frames have values that are no numbers",
                hint="fp16 overflows in some models: give --dtype bf16 or fp32",
            )
        return (frames / 2 + 0.5).clamp(0, 1)

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
    ) -> StableConditioning:
        """The text tower's last hidden states, one branch per prompt, and what steers beside them."""
        limit = self.tokenizer.model_max_length
        ids = self.tokenizer(
            list(prompts), padding="max_length", truncation=True, max_length=limit, return_tensors="pt"
        ).input_ids
        shown = guides.picture
        return StableConditioning(
            texts=self.text_encoder(ids.to(self.device)).last_hidden_state[:, None],
            cut=tuple(unseen(self.tokenizer, prompt) for prompt in prompts),
            depth=guides.depth,
            controlnet_scale=guides.controlnet_scale,
            picture=None
            if shown is None
            else torch.stack([torch.zeros_like(shown) if k in blind else shown for k in range(len(prompts))]),
        )

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
        return seen.to(self.device, self.dtype)

    def predict(
        self, x_t: Float[Tensor, "*branches F C h w"], t: Timestep, conditioning: Conditioning
    ) -> Float[Tensor, "branches F C h w"]:
        """The noise predicted in x_t, for all frames under each branch's text, in one UNet batch.

        The batch is branch-major: all frames of the first branch, then of the second. x_t may have
        an axis of branches in front, when they differ. Gradients reach the texts. With depth the
        ControlNet steers; raises `ModelFolderError` when the model has none. A UNet that `takes_picture`
        needs one; raises `ModelFolderError` without, and when another one gets it.
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
        if isinstance(t, Tensor):
            t = t.repeat(branches)
        batch = x_t.repeat(branches, 1, 1, 1) if x_t.dim() == 4 else x_t.flatten(0, 1)
        extra = {} if conditioning.depth is None else self._steered(batch, t, conditioning)
        beside = [] if picture is None else [picture.flatten(0, 1) / self.vae.config["scaling_factor"]]
        text = texts.expand(-1, n, -1, -1).flatten(0, 1)
        out = self.unet(torch.cat([batch, *beside], 1), t, text, return_dict=False, **extra)[0]
        if isinstance(t, Tensor):
            alpha_bar = self.schedule.alpha_bar.to(t.device)[t][:, None, None, None]
        else:
            alpha_bar = self.schedule.at(t)
        return noise_of(out, batch, alpha_bar, self.prediction).unflatten(0, (branches, n))

    def _steered(self, batch: Tensor, t: Timestep, conditioning: StableConditioning) -> dict[str, object]:
        """What the ControlNet adds, as keywords of the UNet's call."""
        assert conditioning.depth is not None
        if self.controlnet is None:
            raise ModelFolderError(
                "depth was given, but the model has no depth ControlNet",
                hint="name one with --controlnet, e.g. lllyasviel/sd-controlnet-depth",
            )
        own = conditioning.texts if conditioning.for_controlnet is None else conditioning.for_controlnet
        n = len(batch) // len(own)
        features = embedded(self.controlnet, self._placed(conditioning.depth)).repeat(len(own), 1, 1, 1)
        read, scale = own.expand(-1, n, -1, -1).flatten(0, 1), conditioning.controlnet_scale
        return residuals(self.controlnet, batch, t, read, features, scale=scale)

    def noise(self, shape: tuple[int, ...], rng: torch.Generator) -> Latents:
        """Standard normal noise, drawn on the CPU in float32 so that a seed means one thing everywhere."""
        return torch.randn(shape, generator=rng, dtype=torch.float32).to(self.device, self.dtype)

    def _enough_memory(self, doing: str, pictures: Tensor) -> AbstractContextManager[None]:
        height, width = pictures.shape[2:]
        return memory_for(
            f"{doing} one picture of {width} x {height}", hint="give a smaller --size, or --dtype fp16"
        )

    def _placed(self, x: Tensor) -> Tensor:
        return x.to(self.device, self.dtype, memory_format=torch.channels_last)
