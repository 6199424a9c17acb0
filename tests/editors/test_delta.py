"""The edit that is sampled: its three forms against loops written out, and what it promises for clips."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from torch import Tensor

from frameweave.adaptor.adaptor import Adaptor
from frameweave.diffusion.samplers.sampler import Sampler
from frameweave.diffusion.scheduler_config import Spacing
from frameweave.editors.delta import Delta
from frameweave.editors.request import EditRequest, Shared
from frameweave.editors.running import edit_clip, request_of
from frameweave.errors import InputError, ModelFolderError
from frameweave.models.loading.load import load
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import Notes
from frameweave.video.clip import Clip
from frameweave.video.motion.motion import Motion
from golden_cases import relative
from stopping import Stopping
from tests_shared import SD

SOURCE, TARGET = "a blue duck", "a red car in the snow"
ALL_LEVELS = 1e6
Loop = Callable[["Written"], Tensor]


@pytest.fixture(scope="module")
def exact(tiny_folder: Path) -> StableDiffusion:
    return load(str(tiny_folder), device="cpu", dtype="fp64")


def request(
    model: StableDiffusion, frames: Tensor, *, editor: Delta = Delta(), seed: int = 0, **others: Any
) -> EditRequest:
    given = {"prompt": TARGET, "source_prompt": SOURCE, "rng": torch.Generator().manual_seed(seed)} | others
    return request_of(editor, frames.to(model.dtype), model, **given)


def edited(model: StableDiffusion, frames: Tensor, editor: Delta, **others: Any) -> Tensor:
    return editor.edit(request(model, frames, editor=editor, **others))


class Written:
    """What a loop that is written out needs: noise, predictions with guidance, alpha_bar."""

    def __init__(self, model: StableDiffusion, x_0: Tensor, *, steps: int, guidance: tuple[float, float]):
        self.model, self.x_0, self.steps, self.guidance = model, x_0, steps, guidance
        self.timesteps = model.schedule.timesteps(steps)
        self.rng = torch.Generator().manual_seed(0)

    def noise(self) -> Tensor:
        """One for all frames."""
        return torch.randn((1, *self.x_0.shape[1:]), generator=self.rng).double()

    def alphas(self, index: int) -> tuple[float, float]:
        """alpha_bar at a step and after it."""
        t = self.timesteps[index]
        after = [*self.timesteps, -1][index + 1]
        alpha_bar = self.model.schedule.alpha_bar.double()
        return float(alpha_bar[int(t)]), float(alpha_bar[int(after)]) if after >= 0 else 1.0

    @torch.no_grad()
    def eps(self, x: Tensor, t: float, prompt: str) -> Tensor:
        scale = self.guidance[prompt == TARGET]
        empty, there = (self.model.predict(x, t, self.model.conditioning([text]))[0] for text in ("", prompt))
        return empty + scale * (there - empty)


def by_ddim(run: Written) -> Tensor:
    """diffusers' DDIM step on both branches from fresh noise, minus each other."""
    return by_scheduler(run, DDIMScheduler(**SD | {"set_alpha_to_one": True}, clip_sample=False))


def by_ddpm(run: Written) -> Tensor:
    """diffusers' DDPM step likewise: the noise that it adds is the same in both branches, and falls out."""
    known = {key: value for key, value in SD.items() if key != "set_alpha_to_one"}
    return by_scheduler(run, DDPMScheduler(**known, timestep_spacing="leading", clip_sample=False))


def by_scheduler(run: Written, scheduler: Any) -> Tensor:
    scheduler.alphas_cumprod = run.model.schedule.alpha_bar.double()
    scheduler.set_timesteps(run.steps)
    assert scheduler.timesteps.tolist() == run.timesteps
    edit = torch.zeros_like(run.x_0)
    for index, t in enumerate(run.timesteps):
        a, a_to = run.alphas(index)
        noise = run.noise()
        x_src = a**0.5 * run.x_0 + (1 - a) ** 0.5 * noise
        x_tar = x_src + a**0.5 * edit
        after = [
            scheduler.step(
                run.eps(x, t, prompt), int(t), x, generator=torch.Generator().manual_seed(index)
            ).prev_sample
            for x, prompt in ((x_src, SOURCE), (x_tar, TARGET))
        ]
        edit = (after[1] - after[0]) / a_to**0.5
    return run.x_0 + edit


def in_flow_coordinates(run: Written) -> Tensor:
    """FlowEdit as its author writes it for models that predict noise: Euler's steps in flow time."""
    z = run.x_0
    for index, t in enumerate(run.timesteps):
        taus: list[float] = []
        for alpha_bar in run.alphas(index):
            a, b = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
            taus.append(b / (a + b))
        alpha_bar = run.alphas(index)[0]
        scale = alpha_bar**0.5 + (1 - alpha_bar) ** 0.5
        z_src = (1 - taus[0]) * run.x_0 + taus[0] * run.noise()
        z_tar = z + z_src - run.x_0
        e_s, e_t = run.eps(scale * z_src, t, SOURCE), run.eps(scale * z_tar, t, TARGET)
        velocity = ((e_t - e_s) - (z - run.x_0)) / (1 - taus[0])
        z = z + (taus[1] - taus[0]) * velocity
    return z


def by_ddcm(run: Written) -> Tensor:
    """InfEdit's: the noise that is consistent with the source, corrected by what the prompts change."""
    z_0 = run.x_0
    for index, t in enumerate(run.timesteps):
        a = run.alphas(index)[0]
        noise = run.noise()
        z_src = a**0.5 * run.x_0 + (1 - a) ** 0.5 * noise
        z_tar = a**0.5 * z_0 + (1 - a) ** 0.5 * noise
        consistent = (z_src - a**0.5 * run.x_0) / (1 - a) ** 0.5
        eps = run.eps(z_tar, t, TARGET) - run.eps(z_src, t, SOURCE) + consistent
        z_0 = (z_tar - (1 - a) ** 0.5 * eps) / a**0.5
    return z_0


@pytest.mark.parametrize(
    ("rho", "loop"),
    [
        ("flow", by_ddim),
        ("flow", in_flow_coordinates),
        ("ddpm", by_ddpm),
        ("consistency", by_ddcm),
    ],
)
@pytest.mark.parametrize("steps", [3, 5])
def test_each_form_is_the_loop_of_its_paper(
    rho: str, loop: Loop, steps: int, clip: Clip, exact: StableDiffusion
) -> None:
    editor = Delta.model_validate(
        {
            "rho": rho,
            "steps": steps,
            "guidance": 3.0,
            "source_guidance": 1.5,
            "start_sigma": ALL_LEVELS,
            "radius": 0,
        }
    )
    frames = clip.frames[:2].double()
    found = edited(exact, frames, editor)
    expected = loop(Written(exact, exact.encode(frames), steps=steps, guidance=(1.5, 3.0)))
    assert relative(found, expected) < 1e-12
    assert relative(found, exact.encode(frames)) > 1e-3


def test_the_source_prompt_as_the_negative(clip: Clip, exact: StableDiffusion) -> None:
    """FlowAlign's guidance: the source prompt is asked at the edited point too, and nothing else."""
    frames, rng = clip.frames[:2].double(), torch.Generator().manual_seed(0)
    notes = Notes()
    found = edited(
        exact,
        frames,
        Delta(steps=2, guidance=4.0, negative="source", radius=0, start_sigma=ALL_LEVELS),
        negative_prompt="blurry",
        progress=notes,
    )
    assert notes.texts == ["with negative=source the negative prompt is not used"]
    x_0, edit = exact.encode(frames), torch.zeros(1).double()
    source, target = (exact.conditioning([text]) for text in (SOURCE, TARGET))
    for t, sigma_to in zip((501, 1), (float((1 / exact.schedule.at(1) - 1) ** 0.5), 0.0), strict=True):
        a = exact.schedule.at(t)
        noise = torch.randn((1, *x_0.shape[1:]), generator=rng).double()
        x_src = exact.schedule.add_noise(x_0, noise, t)
        x_tar = exact.schedule.add_noise(x_0 + edit, noise, t)
        with torch.no_grad():
            e_s, e_n, e_t = (
                exact.predict(x, t, text)[0]
                for x, text in ((x_src, source), (x_tar, source), (x_tar, target))
            )
        edit = edit - ((1 / a - 1) ** 0.5 - sigma_to) * (e_n + 4 * (e_t - e_n) - e_s)
    assert relative(found, x_0 + edit) < 1e-12


@pytest.mark.parametrize("rho", ["flow", "ddpm", "consistency"])
@pytest.mark.parametrize("frames", [1, 5])
def test_equal_prompts_leave_the_clip_bit_for_bit(
    rho: str, frames: int, clip: Clip, tiny: StableDiffusion
) -> None:
    editor = Delta.model_validate({"rho": rho, "steps": 4, "guidance": 1.0, "chunk_size": 2})
    asked = request(tiny, clip.frames[:frames], editor=editor, prompt=SOURCE)
    assert torch.equal(editor.edit(asked), asked.x_0)
    strong = editor.replaced(guidance=3.0, source_guidance=3.0)
    asked = request(tiny, clip.frames[:frames], editor=strong, prompt=SOURCE)
    assert torch.equal(strong.edit(asked), asked.x_0)


def test_no_start_leaves_the_clip_and_calls_nothing(
    clip: Clip, tiny: StableDiffusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = calls(monkeypatch)
    asked = request(tiny, clip.frames)
    assert torch.equal(Delta(start_sigma=0.0).edit(asked), asked.x_0)
    assert counted == []


def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of the network: how many pictures go in each time."""
    counted: list[int] = []
    original = StableDiffusion.predict

    def counting(self: StableDiffusion, x: Tensor, t: float, conditioning: Any) -> Tensor:
        found = original(self, x, t, conditioning)
        counted.append(found.shape[0] * found.shape[1])
        return found

    monkeypatch.setattr(StableDiffusion, "predict", counting)
    return counted


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [10, 5]),
        ({"guidance": 1.0}, [5, 5]),
        ({"source_guidance": 2.0}, [10, 10]),
        ({"negative": "source"}, [10, 5]),
    ],
)
def test_three_predictions_a_step_are_enough(
    changes: dict[str, Any], expected: list[int], clip: Clip, tiny: StableDiffusion, monkeypatch: Any
) -> None:
    counted = calls(monkeypatch)
    edited(tiny, clip.frames, Delta(steps=4).replaced(**changes))  # timesteps 751, 501, 251 and 1
    assert counted == 4 * expected


@pytest.mark.parametrize(("spacing", "taken"), [("leading", 4), ("trailing", 3), ("linspace", 3)])
def test_the_start_is_a_noise_level_whatever_the_spacing(
    spacing: Spacing, taken: int, clip: Clip, tiny: StableDiffusion
) -> None:
    keeper = Stopping(0)
    model = replace(tiny, schedule=replace(tiny.schedule, spacing=spacing))
    edited(model, clip.frames, Delta(steps=4), keeper=keeper)
    assert keeper.done == taken


def test_equal_frames_are_edited_alike(clip: Clip, exact: StableDiffusion) -> None:
    found = edited(exact, clip.frames[:1].double().repeat(3, 1, 1, 1), Delta(steps=4))
    assert torch.allclose(found, found[:1].expand_as(found), atol=1e-12)
    apart = edited(
        exact, clip.frames[:1].double().repeat(3, 1, 1, 1), Delta(steps=4, noise="per_frame", radius=0)
    )
    assert float((apart[0] - apart[1]).abs().max()) > 1e-3


@pytest.mark.parametrize("noise", ["shared", "fixed"])
def test_the_order_of_frames_does_not_matter(noise: str, clip: Clip, exact: StableDiffusion) -> None:
    """Turned round, so that neighbours stay neighbours; in any order where nothing is averaged."""
    editor = Delta.model_validate({"steps": 4, "noise": noise})
    forth = request(exact, clip.frames, editor=editor)
    motion = forth.motion
    assert motion is not None
    turned = Motion(motion.offsets, motion.flow.flip(0, 1), motion.weight.flip(0, 1))
    back = request(exact, clip.frames.flip(0), editor=editor, motion=turned)
    assert torch.allclose(editor.edit(forth), editor.edit(back).flip(0), atol=1e-12)
    alone = editor.replaced(radius=0)
    order = [3, 0, 4, 1, 2]
    assert torch.allclose(
        edited(exact, clip.frames, alone)[order], edited(exact, clip.frames[order], alone), atol=1e-12
    )


def test_fixed_noise_is_drawn_once(clip: Clip, exact: StableDiffusion) -> None:
    one = torch.randn((1, 1, 4, 16, 16), generator=torch.Generator().manual_seed(0)).double()
    editor = Delta(steps=4, noise="fixed")
    given = edited(exact, clip.frames, Delta(steps=4), draws={"noise": one.repeat(4, 1, 1, 1, 1)}, seed=9)
    assert torch.equal(edited(exact, clip.frames, editor), given)


def test_the_edit_is_averaged_along_the_motion_after_each_step(clip: Clip, exact: StableDiffusion) -> None:
    """With one step the result is the average of what there is without."""
    asked = request(exact, clip.frames)
    alone, whole = (edited(exact, clip.frames, Delta(steps=1, radius=radius)) for radius in (0, 1))
    assert asked.motion is not None
    expected = asked.x_0 + asked.motion.averaged(alone - asked.x_0, radius=1)
    assert torch.allclose(whole, expected, atol=1e-12)
    assert not torch.allclose(whole, alone, atol=1e-6)


def test_nothing_is_edited_outside_of_the_region(clip: Clip, tiny: StableDiffusion) -> None:
    region = torch.zeros(1, 1, 16, 16)
    region[..., 4:9, 5:12] = 1
    for one in (region, region.repeat(5, 1, 1, 1)):
        asked = request(tiny, clip.frames, editor=Delta(steps=4), region=one)
        found = Delta(steps=4).edit(asked)
        outside = (region == 0).expand_as(found)
        assert torch.equal(found[outside], asked.x_0[outside])
        assert not torch.allclose(found[~outside], asked.x_0[~outside], atol=1e-3)


@pytest.mark.parametrize("shape", [(16, 16), (4, 1, 16, 16), (1, 1, 8, 16)])
def test_a_region_of_another_shape_is_refused(
    shape: tuple[int, ...], clip: Clip, tiny: StableDiffusion
) -> None:
    asked = replace(request(tiny, clip.frames), region=None)
    object.__setattr__(asked, "region", torch.ones(shape))  # past the tests' own check of shapes
    with pytest.raises(InputError, match=r"a region of \[.*expected \[5, 1, 16, 16\] or \[1, 1, 16, 16\]"):
        Delta().edit(asked)


def test_a_region_of_bytes_is_refused(clip: Clip, tiny: StableDiffusion) -> None:
    asked = request(tiny, clip.frames, region=torch.full((1, 1, 16, 16), 255.0))
    with pytest.raises(InputError, match="a region of 255 to 255, expected 0 to 1"):
        Delta().edit(asked)


def test_lacking_motion_is_told(clip: Clip, tiny: StableDiffusion) -> None:
    with pytest.raises(InputError, match="needs the motion of 5 frames of 16 x 16 latents, found none"):
        edited(tiny, clip.frames, Delta(), motion=None)
    with pytest.raises(InputError, match="found that of 3 frames"):
        edited(tiny, clip.frames, Delta(), motion=Motion.unknown(3, 1, (16, 16)))


def test_further_prompts_share_the_source_and_get_the_same_bytes(
    clip: Clip, tiny: StableDiffusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = ("a red car", "a yellow duck", "a cartoon of a boat")
    editor = Delta(steps=4, chunk_size=3)
    alone = [edited(tiny, clip.frames, editor, prompt=prompt) for prompt in prompts]
    counted, shared = calls(monkeypatch), Shared()
    together = [edited(tiny, clip.frames, editor, prompt=prompt, shared=shared) for prompt in prompts]
    assert all(map(torch.equal, alone, together))
    assert sum(counted) == 4 * 5 * (1 + 2 * 3)  # 3 * 3 without
    other = edited(tiny, clip.frames, editor, prompt=prompts[0], shared=shared, seed=1)
    assert torch.equal(other, edited(tiny, clip.frames, editor, prompt=prompts[0], seed=1))


def test_what_does_not_fit_is_made_anew() -> None:
    shared, made = Shared(most=100), list[str]()

    def make(name: str) -> Callable[[], Tensor]:
        return lambda: made.append(name) or torch.ones(20)

    for name in ("a", "b", "a", "b"):
        assert torch.equal(shared.once(name, make(name)), torch.ones(20))
    assert made == ["a", "b", "b"]  # 80 bytes, then no room for 80 more


@pytest.mark.parametrize("in_inversion", [True, False])
def test_the_adaptor_acts_on_the_source_too_unless_it_is_asked_not_to(
    in_inversion: bool, clip: Clip, tiny: StableDiffusion, adaptor: Adaptor
) -> None:
    use = replace(adaptor.use(tokens=False, strength=1.0, window=(0.0, 1.0)), in_inversion=in_inversion)
    with adaptor.on(tiny, use) as adapted:
        asked = request(tiny, clip.frames, prompt=SOURCE)
        editor = Delta(steps=4, guidance=1.0)
        found = editor.edit(replace(asked, model=adapted))
    assert torch.equal(found, asked.x_0) == in_inversion


@pytest.mark.parametrize("noise", ["shared", "fixed", "per_frame"])
def test_a_stopped_edit_goes_on_with_the_edit_alone(noise: str, clip: Clip, tiny: StableDiffusion) -> None:
    editor = Delta.model_validate({"steps": 5, "noise": noise})
    whole = edited(tiny, clip.frames, editor)
    for last in (1, 3):
        keeper = Stopping(last)
        with pytest.raises(KeyboardInterrupt):
            edited(tiny, clip.frames, editor, keeper=keeper)
        assert keeper.x.shape == whole.shape
        keeper.last = 0
        assert torch.equal(edited(tiny, clip.frames, editor, keeper=keeper), whole)


def test_a_step_tells_how_the_clip_will_look(clip: Clip, tiny: StableDiffusion) -> None:
    told: list[Tensor] = []

    class Watched(Stopping):
        def after(self, done: int, x: Tensor, expected: Tensor, rng: torch.Generator) -> None:
            told.append(expected)

    found = edited(tiny, clip.frames, Delta(steps=4, radius=0), keeper=Watched(0))
    assert len(told) == 4
    assert torch.equal(told[-1], found)
    assert not torch.equal(told[0], found)


@pytest.mark.parametrize("zero_snr", [False, True])
def test_velocities_are_turned_into_noise(zero_snr: bool, clip: Clip, exact: StableDiffusion) -> None:
    """A network that says velocities, and one that says the noise in them, are edited alike."""

    class Said(StableDiffusion):
        def predict(self, x_t: Tensor, t: Any, conditioning: Any) -> Tensor:
            out = super().predict(x_t, t, conditioning)
            a = self.schedule.at(t)
            return a**0.5 * out + (1 - a) ** 0.5 * x_t

    schedule = exact.schedule.without_signal() if zero_snr else exact.schedule
    schedule = replace(schedule, spacing="trailing")
    by_velocity = replace(exact, prediction="v_prediction", schedule=schedule)
    fields = {name: getattr(exact, name) for name in exact.__dataclass_fields__}
    by_hand = Said(**fields | {"schedule": schedule})
    editor = Delta(steps=4, start_sigma=ALL_LEVELS, guidance=2.0)
    found = edited(by_velocity, clip.frames, editor)
    assert found.isfinite().all()
    assert relative(found, edited(by_hand, clip.frames, editor)) < 1e-9


def test_the_pictures_of_a_controlnet_steer_source_and_edit_alike(clip: Clip, tiny: StableDiffusion) -> None:
    """Else what they show would become a part of the edit: equal prompts still change nothing."""
    depth = torch.rand(5, 1, 32, 32)
    editor = Delta(steps=3, guidance=1.0, controlnet=True)
    asked = request(tiny, clip.frames, editor=editor, prompt=SOURCE, maps={"depth": depth})
    assert torch.equal(editor.edit(asked), asked.x_0)
    found, other = (
        edited(tiny, clip.frames, Delta(steps=3, controlnet=steered), maps={"depth": depth})
        for steered in (True, False)
    )
    assert not torch.allclose(found, other, atol=1e-4)


def test_fresh_noise_cannot_be_chosen(clip: Clip, tiny: StableDiffusion) -> None:
    with pytest.raises(InputError, match=r"delta with the eta 0.5, expected 0: its noise is always fresh"):
        edited(tiny, clip.frames, Delta(steps=2), sampler=Sampler(eta=0.5))


def test_guidance_is_rescaled(clip: Clip, tiny: StableDiffusion) -> None:
    plain, less = (
        edited(tiny, clip.frames, Delta(steps=3), sampler=Sampler(guidance_rescale=share))
        for share in (0.0, 0.9)
    )
    assert not torch.allclose(plain, less, atol=1e-3)


def test_what_the_network_sees_at_once_does_not_grow_with_the_clip(tiny: StableDiffusion) -> None:
    largest: dict[int, int] = {}
    for frames in (8, 40):
        seen: list[int] = []
        hook = tiny.unet.register_forward_pre_hook(lambda _, given, seen=seen: seen.append(len(given[0])))
        with hook:
            edited(tiny, torch.rand(frames, 3, 32, 32), Delta(steps=2, chunk_size=4, radius=1))
        largest[frames] = max(seen)
    assert largest[8] == largest[40]


def test_a_model_that_sees_pictures_is_refused(clip: Clip, tiny: StableDiffusion) -> None:
    unet = type(tiny.unet).from_config(tiny.unet.config, in_channels=8)
    with pytest.raises(ModelFolderError, match="edits by instruction"):
        edit_clip(Delta(steps=2), clip, TARGET, replace(tiny, unet=unet), rng=torch.Generator())


def test_few_steps_that_begin_far_below_the_start_are_told(clip: Clip, tiny: StableDiffusion) -> None:
    """Of two steps from pure noise to the clip, the second alone is below the start."""
    model = replace(tiny, schedule=replace(tiny.schedule, spacing="linspace"))
    notes = Notes()
    edited(model, clip.frames[:1], Delta(steps=2), progress=notes)
    edited(tiny, clip.frames[:1], Delta(steps=2, start_sigma=0), progress=notes)
    edited(tiny, clip.frames[:1], Delta(steps=2, start_sigma=ALL_LEVELS), progress=notes)
    assert [text.split(":")[0] for text in notes.texts] == [
        "of 2 steps the first below start_sigma=4.5 is at 0.029, which changes little"
    ]
