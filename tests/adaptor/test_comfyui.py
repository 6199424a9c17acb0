"""ComfyUI's workflows against what its core nodes take and give."""

from dataclasses import asdict, replace

import pytest

from comfy_stub import check
from frameweave.adaptor.comfyui import Node, keyframes, picture_workflow, video_workflow
from frameweave.adaptor.formats import SD1, SD2, SDXL
from frameweave.adaptor.interfaces import Sampler
from frameweave.adaptor.strengths import StrengthSchedule

WORKFLOWS = [picture_workflow, video_workflow]


def made_of(kind: str, nodes: dict[str, Node]) -> list[Node]:
    return [node for node in nodes.values() if node.class_type == kind]


@pytest.mark.parametrize("workflow", WORKFLOWS)
@pytest.mark.parametrize("sampler", ["ddim", "dpmpp_2m_karras", "euler_a"])
@pytest.mark.parametrize("text", ["0.9-1:0.4", "0.5-0.9:0.4", "0.9-1:0.2,0.5-0.8:0.4"])
def test_a_workflow_is_valid_and_carries_the_window(workflow, sampler: Sampler, text: str) -> None:
    strengths = StrengthSchedule.parse(text)
    nodes = workflow("kohya.safetensors", strengths, sampler=sampler, steps=25)
    assert check({key: asdict(node) for key, node in nodes.items()}) == []
    frames = [node.inputs for node in made_of("CreateHookKeyframe", nodes)]
    assert [(f["start_percent"], f["strength_mult"]) for f in frames] == keyframes(strengths)
    assert "prev_hook_kf" not in frames[0]
    assert [nodes[f["prev_hook_kf"][0]].inputs for f in frames[1:]] == frames[:-1]
    (hook,), (timed,) = made_of("CreateHookLora", nodes), made_of("SetHookKeyframes", nodes)
    assert (hook.inputs["lora_name"], hook.inputs["strength_model"]) == ("kohya.safetensors", 0.4)
    assert nodes[timed.inputs["hook_kf"][0]].inputs is frames[-1]


def test_a_wrong_workflow_is_found() -> None:
    """The check itself."""
    nodes = picture_workflow("x", StrengthSchedule.parse("0.9-1:1"), sampler="ddim", steps=2)
    key = next(key for key, node in nodes.items() if node.class_type == "KSampler")
    swapped = nodes[key].inputs | {"model": nodes[key].inputs["positive"], "steps": "2"}
    told = check(
        {one: asdict(node) for one, node in (nodes | {key: replace(nodes[key], inputs=swapped)}).items()}
    )
    assert sorted(line.split(" is ")[0] for line in told) == [f"{key}: model", f"{key}: steps"]


def test_both_branches_carry_the_lora_and_the_picture_is_sampled_as_asked() -> None:
    nodes = picture_workflow("x", StrengthSchedule.parse("0.9-1:1"), sampler="dpmpp_2m_karras", steps=25)
    (sampler,) = made_of("KSampler", nodes)
    asked = [sampler.inputs[name] for name in ("sampler_name", "scheduler", "steps")]
    assert asked == ["dpmpp_2m", "karras", 25]
    for branch, output in (("positive", 0), ("negative", 1)):
        key, index = sampler.inputs[branch]
        assert (nodes[key].class_type, index) == ("PairConditioningSetProperties", output)


@pytest.mark.parametrize(
    ("sampler", "name", "scheduler"),
    [
        ("ddim", "ddim", "ddim_uniform"),
        ("dpmpp_2m_karras", "dpmpp_2m", "karras"),
        ("euler_a", "euler", "normal"),
    ],
)
def test_a_video_is_inverted_without_the_lora_and_sampled_with_it(
    sampler: Sampler, name: str, scheduler: str
) -> None:
    nodes = video_workflow("x", StrengthSchedule.parse("0.9-1:1"), sampler=sampler, steps=20)
    inverted, edited = made_of("SamplerCustom", nodes)

    def feeding(node: Node, input_name: str) -> Node:
        return nodes[node.inputs[input_name][0]]

    assert feeding(inverted, "latent_image").class_type == "VAEEncode"
    assert feeding(edited, "latent_image") is inverted
    assert inverted.inputs["add_noise"] is edited.inputs["add_noise"] is False
    assert inverted.inputs["cfg"] == 1.0 and feeding(inverted, "positive").class_type == "CLIPTextEncode"
    assert feeding(edited, "positive").class_type == "PairConditioningSetProperties"
    flipped, falling = feeding(inverted, "sigmas"), feeding(edited, "sigmas")
    assert flipped.class_type == "FlipSigmas" and feeding(flipped, "sigmas") is falling
    assert (falling.inputs["scheduler"], falling.inputs["steps"], falling.inputs["denoise"]) == (
        scheduler,
        20,
        1.0,
    )
    assert feeding(inverted, "sampler").inputs == {"sampler_name": "euler"}
    assert feeding(edited, "sampler").inputs == {"sampler_name": name}
    (video,) = made_of("CreateVideo", nodes)
    assert (
        feeding(video, "fps") is feeding(video, "audio")
        and feeding(video, "fps").class_type == "GetVideoComponents"
    )


@pytest.mark.parametrize("workflow", WORKFLOWS)
@pytest.mark.parametrize(
    ("architecture", "name", "side"),
    [(SDXL, "sd_xl", 1024), (SD2, "v2-1", 768), (SD1, "v1-5", 512), ("8-16 x 32", "v1-5", 512)],
)
def test_models_have_their_checkpoint_and_size(workflow, architecture: str, name: str, side: int) -> None:
    of = {"sampler": "ddim", "steps": 2, "architecture": architecture}
    nodes = workflow("x", StrengthSchedule.parse("0.9-1:1"), **of)
    assert made_of("CheckpointLoaderSimple", nodes)[0].inputs["ckpt_name"].startswith(name)
    (sized,) = [node for node in nodes.values() if "width" in node.inputs]
    assert sized.inputs["width"] == side


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.9-1:0.5", [(0.0, 1.0), (0.1, 0.0)]),
        ("0-1:2", [(0.0, 1.0)]),
        ("0.5-0.9:1", [(0.0, 0.0), (0.1, 1.0), (0.5, 0.0)]),
        ("0.9-1:2,0.6-0.9:0.5", [(0.0, 1.0), (0.1, 0.25), (0.4, 0.0)]),
        ("0.8-0.9:1,0-0.5:2", [(0.0, 0.0), (0.1, 0.5), (0.2, 0.0), (0.5, 1.0)]),
        ("0-1:0", [(0.0, 0.0)]),
    ],
)
def test_keyframes(text: str, expected: list[tuple[float, float]]) -> None:
    assert keyframes(StrengthSchedule.parse(text)) == expected
