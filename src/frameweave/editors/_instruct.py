"""Text2Video-Zero by instruction: an InstructPix2Pix model sees each frame beside its noise."""

from collections.abc import Callable, Iterator
from itertools import islice

import torch
from torch import Tensor

from frameweave.diffusion.sampling import ancestral, ancestral_levels
from frameweave.editors._noise import conditioned, resumed
from frameweave.editors._source import Source
from frameweave.errors import ModelFolderError
from frameweave.models.memory import Chunks
from frameweave.models.seam import Latents, Model
from frameweave.progress import Progress


def check_model(model: Model) -> None:
    """Raise `ModelFolderError` unless the model edits by instruction."""
    if not model.takes_picture:
        raise ModelFolderError(
            "the variant instruct needs a model whose UNet sees the picture beside the noise",
            hint="use one such as timbrooks/instruct-pix2pix, or --set variant=depth",
        )


def frame_noises(model: Model, x_0: Latents, rng: torch.Generator) -> Iterator[Latents]:
    """Standard normal noise in the shape of x_0, again and again, from a generator for each frame.

    So a frame's noise depends neither on its batch nor on how many frames there are. `rng` seeds the
    generators: one integer in [0, 2^31) for each frame.
    """
    seeds = torch.randint(2**31, (len(x_0),), generator=rng).tolist()
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    while True:
        yield torch.cat([model.noise((1, *x_0.shape[1:]), own) for own in generators])


def instructed(
    source: Source,
    prompt: str,
    negative: str,
    model: Model,
    *,
    steps: int,
    guidance: float,
    picture_guidance: float,
    frames_at_once: int,
    on_chunk: Callable[[int, int], None],
    noises: Iterator[Latents],
    rng: torch.Generator,
    progress: Progress,
) -> Latents:
    """All frames under the instruction `prompt`, by Euler's ancestral sampler.

    Guidance has three branches (Brooks et al., 2023, Eq. 3): eps(nothing) + picture_guidance
    (eps(picture) - eps(nothing)) + guidance (eps(picture, text) - eps(picture)). `noises` yields the
    noise to start from, then one for each step. `on_chunk`: see `prompt_eps`.
    """
    condition = conditioned(model, [negative, negative, prompt], source.seen, progress, negative=(0, 1))
    chunks = Chunks(frames_at_once, progress)

    @torch.no_grad()
    def eps(x: Tensor, t: float) -> Tensor:
        def part(chunk: slice) -> Tensor:
            on_chunk(chunk.start, chunk.stop - chunk.start)
            seen = source.x_0[chunk]
            picture = torch.stack([torch.zeros_like(seen), seen, seen])
            nothing, alone, both = model.eps(x[chunk], t, condition.of(chunk), picture=picture)
            return nothing + picture_guidance * (alone - nothing) + guidance * (both - alone)

        return chunks.over(len(x), part)

    schedule, levels = model.schedule, ancestral_levels(model.schedule, steps)
    start = (1 - schedule.at(levels[0])) ** 0.5 * next(noises).to(source.x_0)
    done, x, after = resumed(source, start, steps, rng, progress)
    return ancestral(
        eps, x, schedule, levels[done:], islice(noises, done, None), after=after, progress=progress
    )


def replayed(source: Source, chunk: str = "") -> Iterator[Latents] | None:
    """The noise that was given for a run by instruction: at the start, then for each step."""
    given = source.draws
    if f"{chunk}initial_noise" not in given:
        return None
    return iter([given[f"{chunk}initial_noise"], *given[f"{chunk}step_noise"]])
