"""Stage 3 on a tiny model: the temporal loss reaches the LoRA, batches are functions of the step."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from frameweave.adaptor.lora import added_lora, pattern
from frameweave.adaptor.tokens import PrefixTokens
from frameweave.data.encoded import CachedGroups
from frameweave.diffusion.losses import L_noise, L_temporal
from frameweave.errors import InputError, ModelFolderError
from frameweave.models import depth as depth_model
from frameweave.models.features import collected
from frameweave.models.loading.load import load
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.training.along_motion import followed
from frameweave.training.batches import Batches, position
from frameweave.training.denoising import Denoiser
from frameweave.training.depth_control import DepthControl
from frameweave.training.low_rank import LowRank, check_losses, timesteps_drawn
from frameweave.training.options import TrainOptions
from frameweave.training.shared_tokens import SharedTokens, begin_with_words, word_states
from frameweave.video.group import FrameGroup

OPTIONS = TrainOptions(batch=2, accumulate=1, p_share=1.0, vision_drop=0.0)


@dataclass(frozen=True)
class Noise:
    """Twelve groups of three noisy frames."""

    asked: list[int]

    def __len__(self) -> int:
        return 12

    def key(self, index: int) -> str:
        return f"noise {index}"

    def group(self, index: int) -> FrameGroup:
        self.asked.append(index)
        frames = torch.rand(3, 3, 32, 40, generator=torch.Generator().manual_seed(index))
        return FrameGroup(frames, (f"a red car {index}", "a blue fish"))


@dataclass(frozen=True)
class Known(Noise):
    """What the model knows already."""

    def key(self, index: int) -> str:
        return f"known {index}"

    def group(self, index: int) -> FrameGroup:
        return FrameGroup(super().group(index).frames, ("a known duck",))


@pytest.fixture
def model(tiny_folder: Path) -> StableDiffusion:
    return load(str(tiny_folder), device="cpu")


@pytest.fixture
def groups(model: StableDiffusion, tiny_folder: Path, tmp_path: Path) -> CachedGroups:
    estimator = depth_model.load(str(tiny_folder), device="cpu")
    return CachedGroups(Noise([]), model, estimator, tmp_path / "cache", 32)


def tokens() -> PrefixTokens:
    return PrefixTokens(3, 16, 12, stride=2, rng=torch.Generator().manual_seed(0))


def test_a_group_is_encoded_once_and_under_its_own_key(
    groups: CachedGroups, model: StableDiffusion, tmp_path: Path
) -> None:
    first, again = groups[3], groups[3]
    assert groups.source.asked == [3]
    assert torch.equal(first.mean, again.mean)
    assert first.mean.shape == (3, 4, 16, 16)
    assert first.depth.shape == (3, 1, 32, 32)
    assert first.vision.shape == (3, 17, 12)
    assert first.captions == ("a red car 3", "a blue fish")
    squashed = replace(groups, crop=False)
    assert not torch.equal(squashed[3].mean, first.mean)
    next(model.vae.parameters()).data.add_(0.1)
    assert not torch.equal(
        CachedGroups(groups.source, model, groups.estimator, groups.folder, 32)[3].mean, first.mean
    )


def test_every_group_is_taken_once_a_pass() -> None:
    for epoch in range(3):
        assert sorted(position(epoch * 7 + k, 7, seed=1) for k in range(7)) == list(range(7))


def test_two_processes_share_a_batch_between_them(groups: CachedGroups, model: StableDiffusion) -> None:
    whole = Batches(groups, model, OPTIONS, (0.9, 1.0))(5)
    halves = [Batches(groups, model, OPTIONS, (0.9, 1.0), 1, rank, 2)(5) for rank in (0, 1)]
    assert torch.equal(whole.x_t, torch.cat([half.x_t for half in halves]))
    assert torch.equal(whole.t, torch.cat([half.t for half in halves]))
    with pytest.raises(InputError, match="a batch of 2 groups for 3 processes"):
        Batches(groups, model, OPTIONS, (0.9, 1.0), 1, 0, 3)


def test_a_batch_is_what_the_paper_says(groups: CachedGroups, model: StableDiffusion) -> None:
    batch = Batches(groups, model, OPTIONS, (0.9, 1.0))(0)
    assert batch.shape == (2, 1, 3)
    assert int(batch.t.min()) >= 900
    assert batch.t[:3].unique().numel() == 1  # one timestep a group
    assert torch.equal(batch.eps[0], batch.eps[2])  # the same noise for its frames
    assert not torch.equal(batch.eps[0], batch.eps[3])
    independent = OPTIONS.replaced(noise_sharing="independent")
    other = Batches(groups, model, independent, (0.0, 1.0), 2)(0)
    assert other.shape == (2, 2, 3)
    assert not torch.equal(other.eps[0], other.eps[1])
    a = model.schedule.alpha_bar[batch.t][:, None, None, None]
    x_0 = (batch.x_t - (1 - a) ** 0.5 * batch.eps) / a**0.5
    wanted = torch.cat([groups[position(k, 12, 0)].mean for k in (0, 1)]) * model.vae.config["scaling_factor"]
    spread = torch.cat([groups[position(k, 12, 0)].std for k in (0, 1)]).max() * 6 + 0.1
    assert float((x_0 - wanted).abs().max()) < float(spread)


@pytest.mark.parametrize("mode", ["frames", "noise", "both"])
def test_the_temporal_loss_reaches_the_lora_and_falls_when_minimised_alone(
    mode: str, groups: CachedGroups, model: StableDiffusion
) -> None:
    options = OPTIONS.replaced(temporal_mode=mode, temporal_weight=1.0, noise_sharing="independent")
    batches = Batches(groups, model, options, (0.9, 1.0), timesteps_drawn(options))
    with added_lora(model.unet, rank=4, alpha=4, layers=pattern("all")) as lora:
        stage = LowRank(Denoiser(model, options, tokens()), lora, batches, batches)
        weights = list(lora.weights().values())
        optimiser = torch.optim.Adam(weights, lr=0.02)
        losses: list[float] = []
        for _ in range(25):
            optimiser.zero_grad()
            loss = stage.loss(0)["temporal"]
            loss.backward()
            norms = [float(w.grad.norm()) for w in weights if w.grad is not None]
            assert max(norms) > 0
            optimiser.step()
            losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"temporal_mode": "both", "depth_control": True},
        {"temporal_norm": "T", "equivariance_weight": 0.1, "token_mode": "replace"},
        {"tokens_form": "sequence", "min_snr": 5.0},
    ],
)
def test_micro_steps_together_are_those_one_by_one(
    groups: CachedGroups, model: StableDiffusion, settings: dict[str, Any]
) -> None:
    """Some have their prompts replaced, some not, and some see no picture."""
    options = OPTIONS.replaced(p_share=0.5, vision_drop=0.3, **settings)
    batches = Batches(groups, model, options, (0.8, 1.0), timesteps_drawn(options))
    assert len({batches(step).replaced for step in range(6)}) == 2
    with added_lora(model.unet, rank=4, alpha=4, layers=pattern("down")) as lora:
        stage = LowRank(Denoiser(model, options, tokens()), lora, batches, batches)
        with torch.no_grad():
            found, alone = stage.losses(range(6)), [stage.loss(step) for step in range(6)]
    for ours, theirs in zip(found, alone, strict=True):
        assert ours.keys() == theirs.keys()
        for name, value in theirs.items():
            assert float(ours[name]) == pytest.approx(float(value), rel=1e-4, abs=1e-7), name


def test_micro_steps_of_the_other_stages_together(groups: CachedGroups, model: StableDiffusion) -> None:
    options = OPTIONS.replaced(p_share=0.5, vision_drop=0.3, depth_control=True)
    batches = Batches(groups, model, options, (0.0, 1.0))
    for stage in (
        SharedTokens(Denoiser(model, options, tokens()), batches, batches),
        DepthControl(Denoiser(model, options, None, train_control=True), batches, batches),
    ):
        with torch.no_grad():
            found, alone = stage.losses(range(4)), [stage.loss(step) for step in range(4)]
        for ours, theirs in zip(found, alone, strict=True):
            assert float(ours["noise"]) == pytest.approx(float(theirs["noise"]), rel=1e-4)


def test_outside_its_range_the_temporal_term_is_zero(groups: CachedGroups, model: StableDiffusion) -> None:
    batches = Batches(groups, model, OPTIONS, (0.0, 0.5))
    with added_lora(model.unet, rank=4, alpha=4, layers=pattern("down")) as lora:
        terms = LowRank(Denoiser(model, OPTIONS, tokens()), lora, batches, batches).loss(0)
        assert float(terms["temporal"].detach()) == 0
        assert float(terms["noise"].detach()) > 0


def test_a_group_outside_the_range_does_not_silence_the_others(
    groups: CachedGroups, model: StableDiffusion
) -> None:
    options = OPTIONS.replaced(temporal_mode="noise", noise_sharing="independent")
    batches = Batches(groups, model, options, (0.9, 1.0), 2)
    with added_lora(model.unet, rank=4, alpha=4, layers=pattern("down")) as lora:
        stage = LowRank(Denoiser(model, options, None), lora, batches, batches)
        batch = batches(0)
        maps = [torch.randn(12, 5, 8, generator=torch.Generator().manual_seed(0))]
        both = float(stage.temporal(maps, batch))
        t = batch.t.clone()
        t[6:9] = 100  # one timestep of the second group
        one = float(stage.temporal(maps, replace(batch, t=t)))
        pair = maps[0].unflatten(0, (2, 2, 3))[:1, :, :2]
        assert one == pytest.approx(0.5 * float(L_noise(pair[:, 0], pair[:, 1])), rel=1e-5)
        assert 0 < one < both


def test_a_velocity_is_turned_into_noise(
    groups: CachedGroups, model: StableDiffusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """v = sqrt(a) eps - sqrt(1 - a) x_0 gives back eps."""
    batch = Batches(groups, model, OPTIONS, (0.0, 1.0))(0)
    a = model.schedule.alpha_bar[batch.t][:, None, None, None].float()
    x_0 = (batch.x_t - (1 - a) ** 0.5 * batch.eps) / a**0.5
    velocity = a**0.5 * batch.eps - (1 - a) ** 0.5 * x_0
    monkeypatch.setattr(model.unet, "forward", lambda *_, **__: (velocity,))
    options = OPTIONS.replaced(depth_control=False)
    found = Denoiser(replace(model, prediction="v_prediction"), options, None)
    assert torch.allclose(found(batch, batch.text), batch.eps, atol=1e-4)


def test_no_group_has_the_draws_of_the_whole_batch(groups: CachedGroups, model: StableDiffusion) -> None:
    """The eighth group once shared them, and so always got the first caption when no tokens were shown."""
    options = OPTIONS.replaced(batch=9, vision_drop=0.5, text_drop=0.0)
    batches = Batches(groups, model, options, (0.9, 1.0))
    second, _ = batches._encoded("a blue fish")
    dropped = [batch for batch in map(batches, range(30)) if batch.vision is None]
    assert len(dropped) > 5
    chosen = [torch.equal(batch.text[7 * 3].cpu(), second[0]) for batch in dropped]
    assert any(chosen) and not all(chosen)


def test_what_training_does_without_is_not_asked_for(model: StableDiffusion, tmp_path: Path) -> None:
    bare = replace(model, vision_tower=None)
    free = CachedGroups(Noise([]), bare, None, tmp_path / "cache", 32, depth=False, vision=False)
    assert free[0].depth.numel() == free[0].vision.numel() == 0
    with pytest.raises(ModelFolderError, match="needs a depth estimator"):
        replace(free, depth=True)[0]
    with pytest.raises(ModelFolderError, match="need a CLIP vision tower"):
        replace(free, vision=True)[0]


def test_encoding_is_as_exact_within_a_training_step(
    groups: CachedGroups, model: StableDiffusion, tmp_path: Path
) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        within = replace(groups, folder=tmp_path / "other")[2]
    assert torch.equal(within.mean, groups[2].mean) and torch.equal(within.vision, groups[2].vision)


def test_equation_9_by_hand(groups: CachedGroups, model: StableDiffusion) -> None:
    batches = Batches(groups, model, OPTIONS, (0.9, 1.0))
    with added_lora(model.unet, rank=4, alpha=4, layers=pattern("down")) as lora:
        stage = LowRank(Denoiser(model, OPTIONS, None), lora, batches, batches)
        terms, batch = stage.loss(0), batches(0)
        with collected(model.unet, stage.layers) as features, torch.no_grad():
            eps_hat = stage.denoiser(batch, batch.text)
            maps = features.take()
    temporal = 0.0
    for F_l in maps:
        for group in F_l.unflatten(0, (2, 3)):
            s = torch.nn.functional.cosine_similarity(group[1:], group[:-1], dim=-1).mean(1)
            temporal += float((s[1] - s[0]) ** 2) / 2  # one term, mean over two groups, sum over layers
    assert float(terms["noise"].detach()) == pytest.approx(
        float(((eps_hat - batch.eps) ** 2).mean()), rel=1e-4
    )
    assert float(terms["temporal"].detach()) == pytest.approx(0.01 * temporal, rel=1e-3)


def test_mixed_noise_is_correlated_as_asked(groups: CachedGroups, model: StableDiffusion) -> None:
    mixed = OPTIONS.replaced(noise_sharing="mixed", noise_correlation=0.8)
    batches = Batches(groups, model, mixed, (0.9, 1.0))
    eps = torch.cat([batches(step).eps.unflatten(0, (2, 3)) for step in range(8)]).flatten(2)
    correlations = torch.stack([torch.corrcoef(group)[0, 1] for group in eps])
    assert float(correlations.mean()) == pytest.approx(0.8, abs=0.02)
    assert float(eps.std()) == pytest.approx(1.0, abs=0.02)


def test_a_caption_is_drawn_or_always_the_same(groups: CachedGroups, model: StableDiffusion) -> None:
    fish = model.conditioning(["a blue fish"]).texts[0, 0]

    def share(**changes: object) -> float:
        options = OPTIONS.replaced(text_drop=0.0, **changes)  # pyright: ignore
        batches = Batches(groups, model, options, (0.9, 1.0))
        texts = [batches(step).text[::3] for step in range(8)]
        return float(torch.cat([(text == fish).all(-1).all(-1).float() for text in texts]).mean())

    assert share(caption=1) == share(caption=9) == 1
    assert share(caption=0) == 0
    assert 0 < share() < 1


def test_equation_8_to_the_letter_is_one_sequence(groups: CachedGroups, model: StableDiffusion) -> None:
    batch = Batches(groups, model, OPTIONS, (0.9, 1.0))(0)
    lengths = {
        form: Denoiser(model, OPTIONS.replaced(tokens_form=form), tokens()).states(batch).shape[1]
        for form in ("branch", "sequence")
    }
    text = batch.text.shape[1]
    assert lengths == {"branch": 12 + text, "sequence": 12 + 2 * text}


def test_checkpointing_and_control_change_nothing_or_something(
    groups: CachedGroups, model: StableDiffusion
) -> None:
    seen: dict[str, list[float]] = {}
    for name, changes in {
        "plain": {},
        "checkpointing": {"checkpointing": True},
        "no depth": {"depth_control": False},
    }.items():
        options = OPTIONS.replaced(**changes)
        batches = Batches(groups, model, options, (0.9, 1.0))
        with added_lora(model.unet, rank=4, alpha=4, layers=pattern("down")) as lora:
            stage = LowRank(Denoiser(model, options, tokens()), lora, batches, batches)
            terms = stage.loss(0)
            torch.stack(list(terms.values())).sum().backward()
            norm = sum(float(w.grad.norm()) for w in lora.weights().values() if w.grad is not None)
            seen[name] = [float(terms["noise"].detach()), norm]
    assert seen["plain"] == pytest.approx(seen["checkpointing"], rel=1e-4)
    assert seen["plain"][0] != pytest.approx(seen["no depth"][0], rel=1e-6)
    assert all(p.grad is None for p in model.controlnet.parameters()) if model.controlnet else False


def test_short_groups_are_refused_before_anything_is_loaded() -> None:
    with pytest.raises(InputError, match=r"groups of 2 frames, temporal_mode 'frames' needs 3.*pairs"):
        check_losses(OPTIONS.replaced(frames=2))
    check_losses(OPTIONS.replaced(frames=2, temporal_mode="noise"))


@pytest.mark.parametrize(
    "changes", [{"temporal_mode": "none"}, {"temporal_mode": "noise"}, {"temporal_weight": 0.0}]
)
def test_a_first_order_term_without_the_loss_that_it_is_part_of(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="--first-order-weight with --temporal-mode"):
        check_losses(OPTIONS.replaced(first_order_weight=1.0, **changes))
    check_losses(OPTIONS.replaced(first_order_weight=1.0))


def test_along_the_motion_the_loss_is_that_of_tokens_moved_by_it(
    groups: CachedGroups, model: StableDiffusion
) -> None:
    options = OPTIONS.replaced(temporal_match="flow", first_order_weight=0.5)
    batches = Batches(replace(groups, motion=True), model, options, (0.9, 1.0))
    batch = batches(0)
    assert batch.motion is not None and batch.motion.shape == (2, 2, 3, 16, 16)
    maps = [torch.randn(6, side * side, 5, generator=torch.Generator().manual_seed(side)) for side in (16, 8)]
    with added_lora(model.unet, rank=4, alpha=4, layers=pattern("down")) as lora:
        stage = LowRank(Denoiser(model, options, None), lora, batches, batches)
        found = float(stage.temporal(maps, batch))
        by_place = float(stage.temporal(maps, replace(batch, motion=None)))
        similar = stage.watch()["held_out_similarity"]
    expected = 0.0
    for F_l in maps:
        F_g = F_l.unflatten(0, (2, 3))
        expected += float(L_temporal(F_g, first_order_weight=0.5, followed=followed(F_g, batch.motion)))
    assert found == pytest.approx(expected, rel=1e-5) and found != pytest.approx(by_place, rel=1e-3)
    assert -1 <= similar <= 1


def test_the_reading_over_timesteps_goes_along_the_motion_too(
    groups: CachedGroups, model: StableDiffusion
) -> None:
    options = OPTIONS.replaced(temporal_match="flow", temporal_mode="noise")
    batches = Batches(replace(groups, motion=True), model, options, (0.9, 1.0), 2)
    batch = batches(0)
    maps = torch.randn(12, 256, 5, generator=torch.Generator().manual_seed(0))
    with added_lora(model.unet, rank=4, alpha=4, layers=pattern("down")) as lora:
        stage = LowRank(Denoiser(model, options, None), lora, batches, batches)
        found = float(stage.temporal([maps], batch))
    assert batch.motion is not None
    F_g = maps.unflatten(0, (2, 2, 3))
    moved = [followed(F_g[:, k], batch.motion) for k in (0, 1)]
    pairs = [torch.stack([F_g[:, k, 0], moved[k].F_next[:, 0]], 1) for k in (0, 1)]
    expected = L_noise(pairs[0], pairs[1], weight=moved[0].weight[:, 0])
    assert found == pytest.approx(float(expected), rel=1e-5)


def test_groups_that_the_model_knows_are_mixed_in_at_their_share(
    groups: CachedGroups, model: StableDiffusion
) -> None:
    known = replace(groups, source=Known([]))
    options = OPTIONS.replaced(text_drop=0.0)
    duck = model.conditioning(["a known duck"]).texts[0, 0]

    def share(prior_share: float) -> float:
        asked = options.replaced(prior_share=prior_share)
        batches = Batches(groups, model, asked, (0.9, 1.0), prior=known)
        texts = torch.cat([batches(step).text[::3] for step in range(40)])
        return float((texts == duck).all(-1).all(-1).float().mean())

    assert share(0.0) == 0 and share(1.0) == 1
    assert share(0.25) == pytest.approx(0.25, abs=0.12)
    alone = Batches(groups, model, options, (0.9, 1.0))(3)
    beside = Batches(groups, model, options.replaced(prior_share=0.0), (0.9, 1.0), prior=known)(3)
    assert torch.equal(alone.x_t, beside.x_t) and torch.equal(alone.text, beside.text)


def test_a_prediction_that_moves_with_its_picture_costs_nothing(
    groups: CachedGroups, model: StableDiffusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that looks at each place alone is such; one that knows where it is, is not."""
    options = OPTIONS.replaced(equivariance_weight=2.0, depth_control=False)
    batches = Batches(groups, model, options, (0.9, 1.0))
    with added_lora(model.unet, rank=4, alpha=4, layers=pattern("down")) as lora:
        stage = LowRank(Denoiser(model, options, None), lora, batches, batches)
        real = stage.loss(0)["equivariance"]
        real.backward()
        assert any(w.grad is not None and w.grad.any() for w in lora.weights().values())
    slope = torch.arange(16.0).expand(6, 4, 16, 16)
    stage.layers = []
    for forward, expected in ((torch.tanh, 0.0), (lambda x: x + slope, None)):
        monkeypatch.setattr(model.unet, "forward", lambda x, *_, f=forward, **__: (f(x),))
        found = [float(stage._away_when_moved(k, b := batches(k), b.text, forward(b.x_t))) for k in range(4)]
        if expected is None:  # the slope is moved by so many columns: their number, squared
            assert {round(one) for one in found} <= {1, 4, 9}
        else:
            assert found == pytest.approx([expected] * 4, abs=1e-6)


def test_shared_tokens_begin_as_words_with_noise_of_their_own(model: StableDiffusion) -> None:
    states = word_states(model, "red star")
    assert len(states) == 2
    whole = model.conditioning(["red star"]).texts[0, 0]
    assert torch.equal(states, whole[1:3])
    made = tokens()
    noise = made.T_share.detach().clone()
    begin_with_words(made, model, "red star")
    assert torch.allclose(made.T_share - noise, states[[0, 1, 0]], atol=1e-6)
    with pytest.raises(InputError, match="no word in it"):
        begin_with_words(made, model, "  ")
