"""Text2Video-Zero by instruction: an InstructPix2Pix model sees each frame beside its noise."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice

import torch
from torch import Tensor

from frameweave.diffusion.samplers.euler import euler_a
from frameweave.diffusion.samplers.sampler import Sampler
from frameweave.diffusion.sampling import Path, Resumed, run
from frameweave.diffusion.schedule import Schedule
from frameweave.editors.request import EditRequest, OnChunk
from frameweave.errors import ModelFolderError
from frameweave.models.memory import Chunks
from frameweave.models.seam import Latents, Model


def check_model(model: Model) -> None:
    """Raise `ModelFolderError` unless the model edits by instruction."""
    if not model.takes_picture:
        raise ModelFolderError(
            "the variant instruct needs a model whose UNet sees the picture beside the noise",
            hint="use one such as timbrooks/instruct-pix2pix, or --set variant=depth",
        )


def instructed_schedule(schedule: Schedule) -> Schedule:
    """Whose timesteps an edit by instruction visits, whatever the model's own spacing."""
    return replace(schedule, spacing="linspace")


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
    request: EditRequest,
    noises: Iterator[Latents],
    *,
    steps: int,
    guidance: tuple[float, float],
    chunk_size: int,
    on_chunk: OnChunk,
) -> Latents:
    """All frames under the instruction, by Euler's ancestral sampler.

    Guidance by text and by picture has three branches (Brooks et al., 2023, Eq. 3): eps(nothing) +
    by_picture (eps(picture) - eps(nothing)) + by_text (eps(picture, text) - eps(picture)). `noises` yields
    the noise to start from, then one for each step. `on_chunk`: see `EditRequest.eps`.
    """
    by_text, by_picture = guidance
    prompts = [request.negative_prompt, request.negative_prompt, request.prompt]
    guides = replace(request.guides, picture=request.x_0)
    conditioning = request.conditioning(prompts, guides, negative=(0, 1), blind=(0,))
    chunks = Chunks(chunk_size, request.progress)

    @torch.no_grad()
    def eps(x: Tensor, t: float) -> Tensor:
        def part(chunk: slice) -> Tensor:
            on_chunk(chunk.start, chunk.stop - chunk.start)
            nothing, alone, both = request.model.predict(x[chunk], t, conditioning.of(chunk))
            return nothing + by_picture * (alone - nothing) + by_text * (both - alone)

        return chunks.over(len(x), part)

    schedule = instructed_schedule(Sampler("euler_a").on(request.model.schedule))
    path = Path.of(schedule, steps, schedule.timesteps(steps), final=1.0)
    start = (1 - path.a[0]) ** 0.5 * next(noises).to(request.x_0)
    done, x, after = request.resumed(start, steps)
    rest = islice(noises, done, None)
    return run(
        eps,
        x,
        path,
        euler_a,
        lambda: next(rest).to(x),
        resumed=Resumed(done, after=after),
        progress=request.progress,
    )


def replayed(draws: Mapping[str, Tensor], chunk: str = "") -> Iterator[Latents] | None:
    """The noise that was given for a run by instruction: at the start, then for each step."""
    if f"{chunk}initial_noise" not in draws:
        return None
    return iter([draws[f"{chunk}initial_noise"], *draws[f"{chunk}step_noise"]])
