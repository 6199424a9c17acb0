"""Frames that lead: who looks at whom, what is given stays as it is, and nothing else matters."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from frameweave.diffusion.deltas import sigma_at
from frameweave.editors import registry
from frameweave.editors._parts.anchoring import Anchoring, spread
from frameweave.editors.anchored import Anchored
from frameweave.editors.delta import Delta
from frameweave.editors.request import EditRequest
from frameweave.editors.running import edit_clip, request_of
from frameweave.errors import InputError
from frameweave.models.attention import Site
from frameweave.models.loading.load import load
from frameweave.models.memory import Chunks
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import Notes
from frameweave.video.clip import Clip


@pytest.fixture(scope="module", params=["tiny", "tiny_xl"], ids=["sd", "sdxl"])
def exact(request: pytest.FixtureRequest) -> StableDiffusion:
    """In float64."""
    return load(str(request.getfixturevalue(f"{request.param}_folder")), device="cpu", dtype="fp64")


def asked(model: StableDiffusion, clip: Clip, editor: Anchored, **others: Any) -> EditRequest:
    request = request_of(
        editor,
        clip.frames,
        model,
        prompt="a red car",
        source_prompt="a blue car",
        rng=torch.Generator().manual_seed(0),
    )
    return replace(request, **others)


def edited(model: StableDiffusion, clip: Clip, settings: dict[str, Any], **others: Any) -> Tensor:
    editor = Anchored(**{"steps": 2, "guidance": 3.0} | settings)
    return editor.edit(asked(model, clip, editor, **others))


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    folded = q.reshape(len(k), -1, q.shape[2])
    return F.scaled_dot_product_attention(folded, k, v).reshape(q.shape)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("nearest", [1, 2, 9])
def test_who_looks_at_whom(own: bool, joint: bool, nearest: int) -> None:
    """Against attention computed for each frame of each branch alone."""
    x, anchors, frames = torch.randn(2, 7, 5, 4), [1, 4, 6], 7
    rule = Anchoring(anchors, ["layer"], own=own, joint=joint, nearest=nearest)

    def eps(some: Tensor, t: float, numbers: Any) -> Tensor:
        called = rule.rule(x[:, numbers].flatten(0, 1), attend, Site("layer"))
        found = called.unflatten(0, (2, -1))
        for branch in range(2):
            for place, number in enumerate(numbers):
                near = sorted(anchors, key=lambda anchor: abs(anchor - number))[:nearest]
                if number in anchors:
                    seen: Sequence[int] = anchors if joint else [number]
                else:
                    seen = [number, *near] if own else near
                keys = torch.cat([x[branch, other] for other in seen])[None]
                alone = F.scaled_dot_product_attention(x[branch, number][None], keys, keys)[0]
                assert torch.allclose(found[branch, place], alone, atol=1e-5)
        return some

    numbered = torch.arange(frames).view(-1, 1, 1, 1).float()
    for size in (1, 2, 7):
        assert torch.equal(rule.predicted(eps, numbered, 1.0, Chunks(size)), numbered)


def test_other_layers_stay_as_they_are() -> None:
    rule = Anchoring([0], ["layer"])
    x = torch.randn(1, 3, 4)
    assert torch.equal(rule.rule(x, attend, Site("other")), attend(x, x, x))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 100])
def test_anchors_are_spread_over_the_clip(count: int) -> None:
    for frames in (1, 2, 5, 8, 31):
        found = spread(count, frames)
        assert found == sorted(set(found))
        assert len(found) == min(count, frames)
        assert 0 <= found[0] <= found[-1] < frames


def test_without_anchors_frames_are_edited_alone(clip: Clip, exact: StableDiffusion) -> None:
    """By the loop written out, to the last bit."""
    request = asked(exact, clip, Anchored())
    visited = [t for t in request.timesteps(2) if sigma_at(request.schedule, t) <= 4.5]
    ends = [*(sigma_at(request.schedule, t) for t in visited[1:]), 0.0]
    source, target = request.some_eps(1.0, source=True), request.some_eps(3.0)
    edit = torch.zeros_like(request.x_0)
    for t, end in zip(visited, ends, strict=True):
        noise, sigma = exact.noise((1, *edit.shape[1:]), request.rng), sigma_at(request.schedule, t)
        before, now = (request.schedule.add_noise(x, noise, t) for x in (request.x_0, request.x_0 + edit))
        change = target(now, t, list(range(5))) - source(before, t, list(range(5)))
        expected = edit - sigma * change
        edit = expected + end / sigma * (edit - expected)
    assert torch.equal(edited(exact, clip, {"anchors": 0, "radius": 0}), request.x_0 + edit)


def test_without_anchors_it_is_delta(clip: Clip, exact: StableDiffusion) -> None:
    delta = Delta(steps=2, guidance=3.0, radius=1)
    assert torch.equal(edited(exact, clip, {"anchors": 0}), delta.edit(asked(exact, clip, Anchored())))


def test_a_frame_that_is_its_own_only_anchor_is_edited_alone(exact: StableDiffusion) -> None:
    """Keys that come twice change nothing."""
    still = Clip.of(torch.rand(1, 3, 16, 16).expand(3, -1, -1, -1))
    led = edited(exact, still, {"anchors": 1, "radius": 0, "pull": 0})
    alone = edited(exact, still, {"anchors": 0, "radius": 0})
    assert float((led - alone).abs().max()) < 1e-9


def test_a_frame_alone_in_its_clip(exact: StableDiffusion) -> None:
    one = Clip.of(torch.rand(1, 3, 16, 16))
    assert float((edited(exact, one, {}) - edited(exact, one, {"anchors": 0})).abs().max()) < 1e-9


@pytest.mark.parametrize("settings", [{}, {"look": "anchors"}, {"layers": "decoder"}, {"nearest": 1}])
@pytest.mark.parametrize("given", [False, True])
def test_chunks_and_the_order_of_other_frames_change_nothing(
    settings: dict[str, Any], given: bool, clip: Clip, exact: StableDiffusion
) -> None:
    settings = {"anchors": 2, "radius": 0, "pull": 0, "nearest": 3} | settings
    picture = exact.encode(torch.rand(1, 3, 32, 32).double())
    anchors = {1: picture, 3: -picture} if given else {}
    whole = edited(exact, clip, settings, anchors=anchors)
    for size in (1, 2):
        parts = edited(exact, clip, settings | {"chunk_size": size}, anchors=anchors)
        assert float((whole - parts).abs().max()) < 1e-9
    order = [2, 1, 0, 3, 4] if settings["nearest"] == 1 else [4, 1, 0, 3, 2]
    turned = edited(exact, Clip.of(clip.frames[order]), settings, anchors=anchors)
    assert float((whole[order] - turned).abs().max()) < 1e-9


@pytest.mark.parametrize("settings", [{}, {"radius": 0}, {"pull": 0}, {"rho": "consistency"}])
def test_given_frames_stay_and_lead(settings: dict[str, Any], clip: Clip, exact: StableDiffusion) -> None:
    picture = exact.encode(torch.rand(1, 3, 32, 32).double())
    led = edited(exact, clip, settings, anchors={2: picture})
    assert torch.allclose(led[2:3], picture, atol=1e-12)
    other = edited(exact, clip, settings, anchors={2: picture + 1})
    assert ((led - other).abs().amax((1, 2, 3)) > 1e-6).all()


def test_the_region_holds_for_given_frames_too(clip: Clip, exact: StableDiffusion) -> None:
    picture = exact.encode(torch.rand(1, 3, 32, 32).double())
    region, half = torch.zeros_like(picture[:, :1]), picture.shape[3] // 2
    region[..., :half] = 1
    still = Clip.of(clip.frames[:1].expand(5, -1, -1, -1))  # all of it is followed
    led = edited(exact, still, {}, anchors={2: picture}, region=region)
    assert torch.equal(led[..., half:], exact.encode(still.frames.double())[..., half:])
    assert torch.allclose(led[2, :, :, :half], picture[0, :, :, :half], atol=1e-12)


def test_a_picture_is_the_result_in_its_place(clip: Clip, tiny: StableDiffusion) -> None:
    picture = torch.rand(3, 32, 32)
    editor = Anchored(steps=2)
    result = edit_clip(
        editor, clip, "a red car", tiny, rng=torch.Generator().manual_seed(0), anchors={3: picture}
    )
    assert torch.equal(result.frames[3], picture)


@pytest.mark.parametrize(("number", "size"), [(5, 32), (-1, 32), (0, 16)])
def test_frames_that_do_not_fit_are_refused(
    number: int, size: int, clip: Clip, tiny: StableDiffusion
) -> None:
    with pytest.raises(InputError, match=f"an edited frame {number} .*the clip has 5 frames"):
        edit_clip(
            Anchored(),
            clip,
            "a red car",
            tiny,
            rng=torch.Generator(),
            anchors={number: torch.rand(3, size, size)},
        )


def test_other_editors_refuse_edited_frames(clip: Clip, tiny: StableDiffusion) -> None:
    framewise = registry.make("framewise", {})
    with pytest.raises(InputError, match="framewise takes no edited frames"):
        edit_clip(
            framewise, clip, "a red car", tiny, rng=torch.Generator(), anchors={0: torch.rand(3, 32, 32)}
        )


def test_what_is_held_does_not_grow_with_the_clip() -> None:
    """The largest tensor that attention sees, and what is kept, for 8 and for 40 frames."""
    seen: dict[int, int] = {}
    for frames in (8, 40):
        rule = Anchoring(spread(3, frames), ["layer"], joint=False)
        largest = 0

        def eps(x: Tensor, t: float, numbers: Any) -> Tensor:
            nonlocal largest

            def watched(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
                nonlocal largest
                largest = max(largest, q.numel(), k.numel())
                return attend(q, k, v)

            rule.rule(x.flatten(2), watched, Site("layer"))  # noqa: B023 - it is called in this turn
            return x

        rule.predicted(eps, torch.randn(frames, 4, 2, 1, 3).flatten(2, 3), 1.0, Chunks(2))
        seen[frames] = largest + sum(one.numel() for one in rule._kept.values())  # pyright: ignore
    assert seen[8] == seen[40]


def test_settings_of_leading_frames_that_do_nothing_are_told(clip: Clip, exact: StableDiffusion) -> None:
    notes, picture = Notes(), exact.encode(torch.rand(1, 3, 32, 32).double())
    edited(exact, clip, {"anchors": 0, "nearest": 2}, progress=notes)
    edited(exact, clip, {"anchors": 2, "nearest": 2}, progress=notes, anchors={0: picture})
    edited(exact, clip, {"anchors": 2, "nearest": 2}, progress=notes)
    assert notes.texts == [
        "no frame leads: nearest=2 changes nothing",
        "edited frames are given: anchors=2 changes nothing",
    ]
