"""vid2vid-zero against a recorded run of the original, and what its settings promise."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from frameweave.adaptor.adaptor import Adaptor
from frameweave.diffusion.inversion import Trajectory
from frameweave.diffusion.sampling import ddim_step
from frameweave.editing.inversions import InversionStore
from frameweave.editors.request import EditRequest
from frameweave.editors.running import edit_clip
from frameweave.editors.vid2vid_zero import Vid2VidZero
from frameweave.errors import InputError
from frameweave.models.loading.load import load
from frameweave.models.seam import Conditioning
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.clip import Clip
from golden_cases import Case, largest_step_error, relative, rng

STEPS = 10
PUBLISHED = Vid2VidZero(steps=STEPS, as_published=True)


@pytest.fixture(scope="module")
def case() -> Case:
    return Case.load("vid2vid_zero/case_a")


def request_of(case: Case, model: StableDiffusion, edit: int = 0) -> EditRequest:
    return EditRequest(
        model=model,
        x_0=case["source_latents"],
        prompt=case.settings["prompts"][edit],
        source_prompt=case.settings["source_prompt"],
        rng=rng(),
    )


def asked(model: StableDiffusion, clip: Clip, **others: Any) -> EditRequest:
    """To make a red car of a blue one."""
    prompts = {"prompt": "a red car", "source_prompt": "a blue car"}
    return EditRequest(model=model, x_0=model.encode(clip.frames), rng=rng(), **prompts | others)


def trajectory_of(case: Case) -> Trajectory:
    return Trajectory(case["timesteps"].tolist()[::-1], case["inversion_latents"])


def conditioning_of(request: EditRequest) -> Conditioning:
    return request.conditioning(["", request.source_prompt, request.prompt])


def latents_of(case: Case, edit: int) -> torch.Tensor:
    """Levels, 2 (source, edit), F C h w; the source's are the same for both edits."""
    both = case["edit0.latents"]
    return both if edit == 0 else torch.stack([both[:, 0], case["edit1.latents"]], 1)


def test_the_inversion_is_the_recorded_one(case: Case, golden: StableDiffusion) -> None:
    trajectory = PUBLISHED.invert(request_of(case, golden))
    assert trajectory.timesteps == case["timesteps"].tolist()[::-1]
    assert relative(trajectory.latents, case["inversion_latents"]) < 1e-5


def test_without_joint_norms_the_inversion_is_another(case: Case, golden: StableDiffusion) -> None:
    alone = Vid2VidZero(steps=STEPS, joint_norms=False).invert(request_of(case, golden))
    assert relative(alone.latents, case["inversion_latents"]) > 1e-2


@pytest.mark.parametrize("save_memory", [False, True])
def test_the_null_text_is_the_recorded_one(case: Case, golden: StableDiffusion, save_memory: bool) -> None:
    editor = Vid2VidZero(steps=STEPS, as_published=True, save_memory=save_memory)
    request = request_of(case, golden)
    null = editor.optimise(request, conditioning_of(request), trajectory_of(case))
    # Adam's first step follows the gradient's sign, so entries with almost none may go elsewhere.
    assert float((null.embeddings[:, 0] - case["null_embeddings"]).abs().max()) < 2.5e-4
    assert relative(torch.tensor(null.losses).double(), case["null_losses"]) < 1e-5


@pytest.mark.parametrize(("edit", "save_memory"), [(0, False), (1, False), (1, True)])
def test_every_step_is_the_recorded_one(
    case: Case, golden: StableDiffusion, edit: int, save_memory: bool
) -> None:
    editor = Vid2VidZero(steps=STEPS, as_published=True, save_memory=save_memory)
    request = request_of(case, golden, edit)
    assert editor.controlled(editor.pairing(request)) == int(case[f"edit{edit}.gate"].amax(1).sum())
    levels = golden.schedule.timesteps(STEPS)
    latents, null = latents_of(case, edit), case["null_embeddings"][:, None]
    with editor.editing(request, conditioning_of(request), null) as eps:
        error = largest_step_error(
            lambda x, t: eps(x, levels.index(t), t), latents, golden.schedule, levels, STEPS
        )
    assert error < 1e-5


@pytest.mark.parametrize("edit", [0, 1])
def test_end_to_end_in_float64(case: Case, golden: StableDiffusion, edit: int) -> None:
    result = PUBLISHED.edit(request_of(case, golden, edit))
    expected = case[f"edit{edit}.final_latents_f64"]
    assert relative(result, expected[1] if edit == 0 else expected) < 2e-5


def test_the_null_text_may_be_optimised_while_frames_look_at_each_other(
    case: Case, golden: StableDiffusion
) -> None:
    """Its first loss is that of the edit's own first step, under the source prompt."""
    request, trajectory = request_of(case, golden), trajectory_of(case)
    conditioning = conditioning_of(request)
    before, t = trajectory.timesteps[-2:]
    with PUBLISHED.editing(request, conditioning, None) as eps:
        noise = eps(trajectory.noisiest.expand(2, -1, -1, -1, -1), 0, t)[0]
    back = ddim_step(trajectory.noisiest, noise, golden.schedule.at(t), golden.schedule.at(before))
    expected = float((back - trajectory.at(before)).square().mean())
    across = PUBLISHED.replaced(null_cross_frame=True).optimise(request, conditioning, trajectory)
    assert across.losses[0][0] == pytest.approx(expected, rel=1e-4)
    assert across.losses[0][0] != pytest.approx(float(case["null_losses"][0, 0]), rel=1e-2)


def test_without_any_attention_across_frames_they_are_edited_one_by_one(
    tiny: StableDiffusion, clip: Clip
) -> None:
    alone = {"null_text": False, "dense_block": -1, "sparse_causal": False, "joint_norms": False}
    nothing_taken = {"cross_replace": 0.0, "self_replace": 0.0}
    together = edited(clip, tiny, **alone, **nothing_taken)
    for number in range(len(clip)):
        one = Clip.of(clip.frames[number : number + 1])
        assert torch.allclose(edited(one, tiny, **alone, **nothing_taken)[0], together[number], atol=1e-4)
    assert not torch.allclose(edited(clip, tiny, **alone, cross_replace=0.0), together, atol=1e-3)
    assert torch.allclose(
        edited(clip, tiny, **alone, save_memory=True), edited(clip, tiny, **alone), atol=1e-4
    )


def test_as_published_longer_prompts_take_the_text_attention_as_long_as_the_self_attention(
    tiny: StableDiffusion, clip: Clip
) -> None:
    prompts = {"source_prompt": "a red car", "prompt": "a red car in the snow"}
    pairing = PUBLISHED.pairing(asked(tiny, clip, **prompts))
    assert PUBLISHED.replaced(self_replace=0.6).controlled(pairing) == 6
    assert PUBLISHED.replaced(as_published=False, self_replace=0.6).controlled(pairing) == 8


def test_without_a_null_text_the_inversion_may_be_shorter(tiny: StableDiffusion, clip: Clip) -> None:
    editor = Vid2VidZero(steps=60, inversion_steps=2, null_text=False, as_published=True)
    with pytest.raises(InputError, match="60 steps and 2 of the inversion with a null text"):
        editor.replaced(null_text=True)
    assert editor.invert(asked(tiny, clip)).timesteps[::-1] == tiny.schedule.timesteps(2)
    assert (
        edited(clip, tiny, **{"inversion_steps": 2, "null_text": False, "as_published": True})
        .isfinite()
        .all()
    )


def edited(clip: Clip, model: Any, **settings: Any) -> torch.Tensor:
    editor = Vid2VidZero(**{"steps": 4} | settings)
    return edit_clip(editor, clip, "a red car", model, source_prompt="a blue car", rng=rng()).frames


@pytest.mark.parametrize("frames", [1, 2, 3, 5])
@pytest.mark.parametrize("joint_norms", [True, False])
def test_saving_memory_changes_nothing(tiny: StableDiffusion, frames: int, joint_norms: bool) -> None:
    clip = Clip.of(torch.rand(frames, 3, 32, 32))
    plain, saved = (edited(clip, tiny, save_memory=save, joint_norms=joint_norms) for save in (False, True))
    assert plain.shape == clip.frames.shape
    assert float((plain - saved).abs().max()) < 1e-3


def test_the_network_is_as_before_after_a_failure_in_the_optimisation(
    tiny: StableDiffusion, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forwards() -> list[Any]:
        return [module.__dict__.get("forward") for module in tiny.unet.modules()]

    before, processors = forwards(), dict(tiny.unet.attn_processors)
    original, calls = StableDiffusion.predict, iter(range(100))

    def failing(self: StableDiffusion, *args: Any) -> torch.Tensor:
        if next(calls) == 6:
            raise RuntimeError("out of memory")
        return original(self, *args)

    monkeypatch.setattr(StableDiffusion, "predict", failing)
    with pytest.raises(RuntimeError, match="out of memory"):
        edited(clip, tiny, save_memory=True)
    assert forwards() == before
    assert not tiny.unet.is_gradient_checkpointing
    assert all(tiny.unet.attn_processors[name] is processor for name, processor in processors.items())


def test_the_same_prompt_gives_the_source_branch(tiny: StableDiffusion, clip: Clip) -> None:
    """Borrowing one's own attention changes nothing, so source and edit stay equal."""
    editor = Vid2VidZero(steps=4, cross_replace=1.0)
    request = asked(tiny, clip, source_prompt="a red car")
    x = tiny.encode(clip.frames).expand(2, -1, -1, -1, -1)
    with editor.editing(request, conditioning_of(request), None) as eps:
        noise = eps(x, 0, 751)
    assert torch.allclose(noise[0], noise[1], atol=1e-4)


def test_the_optimisation_brings_the_source_back(case: Case, golden: StableDiffusion) -> None:
    """With frames that attend to themselves, as while it was optimised."""
    lost = []
    for inner_steps in (1, 3):
        editor = Vid2VidZero(steps=STEPS, inner_steps=inner_steps)
        request = request_of(case, golden)
        null = editor.optimise(request, conditioning_of(request), trajectory_of(case))
        lost.append(float((null.latents[-1] - case["source_latents"]).abs().mean()))
    assert lost[1] < lost[0]


def test_out_of_memory_in_the_optimisation_is_met_by_saving_some(
    tiny: StableDiffusion, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = edited(clip, tiny)
    original = StableDiffusion.predict

    def failing(self: StableDiffusion, *args: Any) -> torch.Tensor:
        if torch.is_grad_enabled() and not self.unet.is_gradient_checkpointing:
            raise torch.OutOfMemoryError
        return original(self, *args)

    monkeypatch.setattr(StableDiffusion, "predict", failing)
    assert float((edited(clip, tiny) - whole).abs().max()) < 1e-3


def test_several_prompts_share_inversion_and_null_text(
    tiny: StableDiffusion, clip: Clip, tmp_path: Path
) -> None:
    calls: list[int] = []

    class Counting(InversionStore):
        def recall(self, x_0: torch.Tensor, about: str) -> Trajectory | None:
            found = super().recall(x_0, about)
            calls.append(found is not None)
            return found

    store = Counting(tmp_path, "tiny")
    alone, editor = asked(tiny, clip), Vid2VidZero(steps=4)
    shared = replace(alone, inversions=store)
    for prompt in ("a red car", "a red duck in the snow"):
        expected = editor.edit(replace(alone, prompt=prompt))
        assert torch.equal(editor.edit(replace(shared, prompt=prompt)), expected)
    assert calls == [False, False, True, True]
    Vid2VidZero(steps=4, guidance=5.0).edit(shared)
    Vid2VidZero(steps=4, joint_norms=False).edit(shared)
    editor.edit(replace(shared, source_prompt="a blue duck"))
    assert calls[4:] == [True, False, False, False, True, False]


class Stopping:
    """Keeps the latents of every step, and stops the first run after `last` of them."""

    def __init__(self, last: int) -> None:
        self.last, self.done, self.x, self.expected = last, 0, torch.empty(0), torch.empty(0)

    def earlier(self, rng: torch.Generator) -> tuple[int, torch.Tensor] | None:
        return (self.done, self.x) if self.done else None

    def after(self, done: int, x: torch.Tensor, expected: torch.Tensor, rng: torch.Generator) -> None:
        self.done, self.x, self.expected = done, x, expected
        if done == self.last:
            raise KeyboardInterrupt


@pytest.mark.parametrize("last", [1, 3])
def test_a_stopped_edit_goes_on(tiny: StableDiffusion, clip: Clip, last: int) -> None:
    """With the source branch (after one step of four) and without it (after three)."""
    editor = Vid2VidZero(steps=4, cross_replace=0.5)
    keeper = Stopping(last)
    request = asked(tiny, clip, keeper=keeper)
    with pytest.raises(KeyboardInterrupt):
        editor.edit(request)
    assert keeper.expected.shape == request.x_0.shape
    keeper.last = 0
    result = editor.edit(request)
    whole = editor.edit(replace(request, keeper=None))
    assert torch.equal(result, whole)


def test_the_negative_prompt_acts_with_and_without_the_null_text(tiny: StableDiffusion, clip: Clip) -> None:
    for null_text in (True, False):
        editor = Vid2VidZero(steps=4, null_text=null_text, null_from=0.0)
        plain, against = (
            edit_clip(
                editor,
                clip,
                "a red car",
                tiny,
                source_prompt="a blue car",
                negative_prompt=negative,
                rng=rng(),
            ).frames
            for negative in ("", "a house in the snow")
        )
        assert not torch.allclose(plain, against, atol=1e-3)


def test_as_published_the_null_text_puts_the_negative_prompt_out_of_action(
    tiny: StableDiffusion, clip: Clip
) -> None:
    for null_text, same in ((True, True), (False, False)):
        editor = Vid2VidZero(steps=2, null_text=null_text, as_published=True)
        plain, against = (
            edit_clip(
                editor,
                clip,
                "a red car",
                tiny,
                source_prompt="a blue car",
                negative_prompt=negative,
                rng=rng(),
            ).frames
            for negative in ("", "a house in the snow")
        )
        assert torch.equal(plain, against) is same


def test_as_published_the_nth_null_text_of_a_longer_inversion_is_used(
    tiny: StableDiffusion, clip: Clip
) -> None:
    """Two steps of the edit, four of the inversion: the noisiest latent and null texts 0 and 1 of that."""
    editor = Vid2VidZero(steps=2, inversion_steps=4, null_from=0.0, as_published=True)
    request = asked(tiny, clip)
    found = editor.edit(request)
    longer = Vid2VidZero(steps=4, null_from=0.0, as_published=True)
    trajectory, conditioning = longer.invert(request), conditioning_of(request)
    null = longer.optimise(request, conditioning, trajectory).embeddings
    x = trajectory.noisiest.expand(2, -1, -1, -1, -1)
    with editor.editing(request, conditioning, null[:2]) as eps:
        for i, t in enumerate(tiny.schedule.timesteps(2)):
            before = tiny.schedule.at(tiny.schedule.before(t, 2))
            x = ddim_step(x, eps(x, i, t), tiny.schedule.at(t), before)
    assert torch.allclose(found, x[-1], atol=1e-5)


def test_the_null_text_may_end_before_the_edit(tiny: StableDiffusion, clip: Clip) -> None:
    """At share 0 it acts in the first step only, as a ratio above 0 has it in the original."""
    request = asked(tiny, clip)
    editor = Vid2VidZero(steps=3, null_from=0.0, null_until=0.0)
    conditioning = conditioning_of(request)
    null = torch.randn(3, *conditioning.texts[0].shape, generator=rng())
    x = torch.randn(2, *request.x_0.shape, generator=rng())
    for i, acts in ((0, True), (1, False), (2, False)):
        with editor.editing(request, conditioning, null) as eps:
            given = eps(x, i, 501)
        with editor.editing(request, conditioning, None) as eps:
            assert torch.allclose(given, eps(x, i, 501), atol=1e-6) is not acts


def test_it_works_with_an_adaptor(tiny: StableDiffusion, adaptor: Adaptor, clip: Clip) -> None:
    """Whose tokens stand before the text, and fall away below its window."""
    with adaptor.on(tiny, adaptor.use(tokens=True)) as model:
        result = edited(clip, model, guidance=3.0)
    assert torch.isfinite(result).all()
    assert not torch.equal(result, edited(clip, tiny, guidance=3.0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"null_from": 1.5}, "null_from is 1.5"),
        ({"cross_refine": -0.1}, "cross_refine is -0.1"),
        ({"inner_steps": 0}, "inner_steps is 0"),
        ({"steps": 60, "as_published": True}, "at most 50"),
        ({"steps": 6, "inversion_steps": 3, "as_published": True}, "6 steps and 3 of the inversion"),
        ({"inversion_steps": 50}, "inversion_steps is 50"),
        ({"null_until": 1.5}, "null_until is 1.5"),
        ({"context_length": 0}, "context_length is 0"),
        ({"emphasis": "lorry:2"}, "unknown word to emphasise 'lorry'"),
        ({"emphasis": "car"}, "expected word:number"),
    ],
)
def test_wrong_settings_are_refused(
    tiny: StableDiffusion, clip: Clip, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        edited(clip, tiny, **settings)


@pytest.mark.parametrize("joint_norms", [True, False])
def test_windows_of_a_long_clip(tiny: StableDiffusion, joint_norms: bool) -> None:
    clip = Clip.of(torch.rand(9, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    editor = Vid2VidZero(steps=3, context_length=4, context_overlap=1, joint_norms=joint_norms)
    result = edit_clip(editor, clip, "a red car", tiny, source_prompt="a blue car", rng=torch.Generator())
    assert len(result) == 9
    assert torch.isfinite(result.frames).all()


def test_still_windows_are_the_whole_clip(tiny_folder: Path) -> None:
    """Equal frames look the same from every window, so cutting the clip changes nothing."""
    exact = load(str(tiny_folder), device="cpu", dtype="fp64")
    frame = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    clip = Clip.of(frame.expand(7, -1, -1, -1).contiguous())
    whole, parts = (
        edit_clip(
            Vid2VidZero(steps=3, context_length=length, context_overlap=1),
            clip,
            "a red car",
            exact,
            source_prompt="a blue car",
            rng=torch.Generator(),
        ).frames
        for length in (16, 3)
    )
    torch.testing.assert_close(whole, parts, atol=1e-4, rtol=0)
