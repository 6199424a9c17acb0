"""The pictures of a prompt: read once, when the model is loaded."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from huggingface_hub import hf_hub_download
from jaxtyping import Float
from torch import Tensor, nn
from transformers import CLIPVisionModelWithProjection

from frameweave.diffusion.inversion import digest
from frameweave.errors import ModelFolderError
from frameweave.models.image_prompt.adapter import ImageAdapter
from frameweave.models.image_prompt.asked import beside, check_asked, in_repository
from frameweave.models.image_prompt.attention import ImageStates
from frameweave.models.image_prompt.encoder import ImageEncoder
from frameweave.models.loading.choice import ModelChoice
from frameweave.models.loading.hub import resolved
from frameweave.models.loading.places import located
from frameweave.models.loading.strength import Weighted
from frameweave.models.loading.weights import network, refuse_pickle, unloadable


@dataclass(frozen=True, eq=False, kw_only=True)
class ImagePrompt:
    """A picture as tokens, those of no picture for the negative branch, how strongly and when it acts."""

    shown: Float[Tensor, "1 T D"]
    none: Float[Tensor, "1 T D"]
    use: Weighted
    window: tuple[float, float]
    """The timesteps in which it acts, without the first and with the second."""

    def over(self, timesteps: Sequence[float]) -> "ImagePrompt":
        """The same, its share of the steps counted on these timesteps, noisiest first."""
        return replace(self, window=self.use.window(timesteps))

    def acts(self, t: float) -> bool:
        """Whether it is read at all at a timestep."""
        return self.use.strength != 0 and self.window[0] < t <= self.window[1]

    @property
    def about(self) -> str:
        """What a result depends on that it was read for."""
        use = self.use
        return f"{digest(self.shown, self.none)}@{use.strength}:{use.start}-{use.end}"

    def branches(self, count: int, negative: Sequence[int], source: Sequence[int] = ()) -> "ImageStates":
        """Its tokens for so many guidance branches; those of the source do not read them."""
        rows = [self.none if branch in negative else self.shown for branch in range(count)]
        return ImageStates(torch.cat(rows), self.use.strength, self.window, tuple(source))


def load_image_prompts(
    choice: ModelChoice, unet: UNet2DConditionModel, every: Sequence[float]
) -> tuple[ImagePrompt, ...]:
    """The pictures that are asked for, as tokens; the UNet's text attentions can read them from now on.

    `every` are all timesteps, noisiest first. Raises `InputError` for a file that is no picture,
    `ModelFolderError` for an adapter or encoder that cannot be loaded or does not fit.
    """
    check_asked(choice)
    if choice.image_adapter is None:
        return ()
    adapter = ImageAdapter.of(_adapter_file(choice.image_adapter), unet)
    source, part = _encoder_place(choice.image_adapter, choice.image_encoder)
    encoder = network(CLIPVisionModelWithProjection.from_pretrained, source, part)
    config = encoder.config
    width = config.hidden_size if adapter.reads_patches else config.projection_dim
    if width != adapter.width:
        raise ModelFolderError(
            f"{choice.image_adapter}: it reads states {adapter.width} wide, "
            f"the image encoder's are {width} wide",
            hint="name the encoder that belongs to it with --image-encoder",
        )
    for part in (encoder, adapter.projection):  # run once, on the CPU, where half precision is slow
        nn.Module.to(part.eval(), torch.float64 if choice.dtype == "fp64" else torch.float32)
    adapter.install(unet)
    return tuple(_prompt(text, adapter, ImageEncoder(encoder), every) for text in choice.image_prompt)


@torch.no_grad()
def _prompt(text: str, adapter: ImageAdapter, encoder: ImageEncoder, every: Sequence[float]) -> ImagePrompt:
    use = Weighted.parse(text)
    states = encoder(Path(use.name), patches=adapter.reads_patches)
    shown, none = (adapter.projection(one) for one in states)
    return ImagePrompt(shown=shown, none=none, use=use, window=use.window(every))


def _adapter_file(name: str) -> Path:
    """The local file, or one of a hub repository: owner/name/path.safetensors."""
    file = Path(name)
    refuse_pickle(file)
    if file.is_file():
        return file
    repository, path = in_repository(name)
    if not path.endswith(".safetensors"):
        raise ModelFolderError(
            f"{name}: no such file",
            hint="give a safetensors file, or one of a hub repository: owner/name/path.safetensors",
        )
    try:
        return Path(hf_hub_download(repository, path))
    except Exception as error:
        raise unloadable(file, error) from error


def _encoder_place(adapter: str, named: str | None) -> tuple[str, str]:
    """Where the image encoder lies, and in which folder of it: as named, else beside the adapter."""
    if named is not None and (Path(named).exists() or named.count("/") < 2):
        return located(resolved(named))[0], ""
    if named is not None:
        repository, part = in_repository(named)
        return resolved(repository), part
    if Path(adapter).is_file():
        folder = beside(adapter)
        if folder is None:
            raise ModelFolderError(
                f"{adapter}: no folder image_encoder beside it",
                hint="name the CLIP vision encoder with --image-encoder",
            )
        return str(folder), ""
    repository, path = in_repository(adapter)
    return resolved(repository), f"{path.rpartition('/')[0]}/image_encoder".removeprefix("/")
