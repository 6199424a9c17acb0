"""The ComfyUI workflow and the line for A1111, against the counts of real schedulers."""

import numpy as np
import pytest

from frameweave.adaptor.interfaces import Sampler, a1111_line, comfy_workflow, keyframes, sampler_timesteps
from frameweave.diffusion.schedule import Window
from frameweave.errors import InputError


@pytest.mark.parametrize(
    ("sampler", "steps", "active", "line"),
    [
        ("ddim", 20, 2, "<lora:kohya:0.5@0,0.5@0.099,0@0.1>"),
        ("ddim", 50, 5, "<lora:kohya:0.5@0,0.5@0.099,0@0.1>"),
        ("dpmpp_2m_karras", 20, 3, "<lora:kohya:0.5@0,0.5@0.149,0@0.15>"),
        ("dpmpp_2m_karras", 50, 7, "<lora:kohya:0.5@0,0.5@0.139,0@0.14>"),
        ("euler_a", 25, 3, "<lora:kohya:0.5@0,0.5@0.119,0@0.12>"),
        ("ddim", 8, 0, "<lora:kohya:0>"),
    ],
)
def test_the_line_for_a1111(sampler: Sampler, steps: int, active: int, line: str) -> None:
    timesteps = sampler_timesteps(sampler, steps)
    assert Window().active(timesteps) == active
    assert a1111_line("kohya", Window(), timesteps, 0.5) == line


@pytest.mark.parametrize("sampler", ["ddim", "dpmpp_2m_karras", "euler_a"])
@pytest.mark.parametrize("steps", [10, 20, 25, 30, 50, 75])
@pytest.mark.parametrize("window", [Window(), Window(0.5, 0.8), Window(0.0, 1.0)])
def test_the_line_interpolates_to_each_step_s_weight(sampler: Sampler, steps: int, window: Window) -> None:
    timesteps = sampler_timesteps(sampler, steps)
    weights = a1111_line("x", window, timesteps, 0.5).removeprefix("<lora:x:").removesuffix(">")
    if "@" not in weights:
        assert window == Window(0.0, 1.0) and weights == "0.5"
        return
    values, shares = zip(*(map(float, point.split("@")) for point in weights.split(",")), strict=True)
    assert list(shares) == sorted(shares)
    at = np.interp([index / steps for index in range(steps)], shares, values)
    assert at.tolist() == pytest.approx([0.5 if t in window else 0.0 for t in timesteps], abs=1e-3)


def test_impossible_steps_are_refused() -> None:
    with pytest.raises(InputError, match="0 steps, expected 1 to 1000"):
        sampler_timesteps("ddim", 0)


@pytest.mark.parametrize("window", [Window(), Window(0.5, 0.9)])
def test_the_workflow_holds_together(window: Window) -> None:
    nodes = comfy_workflow("kohya.safetensors", window, sampler="dpmpp_2m_karras", steps=25, strength=0.4)
    links = [
        (name, value)
        for node in nodes.values()
        for name, value in node["inputs"].items()
        if isinstance(value, list)
    ]
    outputs = {"CheckpointLoaderSimple": 3, "PairConditioningSetProperties": 2}
    for _name, (key, output) in links:
        assert output < outputs.get(nodes[key]["class_type"], 1)
    read = {key for _, (key, _) in links}
    assert nodes.keys() - read == {key for key, node in nodes.items() if node["class_type"] == "SaveImage"}
    by_kind = {node["class_type"]: node["inputs"] for node in nodes.values()}
    frames = [n["inputs"] for n in nodes.values() if n["class_type"] == "CreateHookKeyframe"]
    assert [(f["start_percent"], f["strength_mult"]) for f in frames] == keyframes(window)
    assert by_kind["CreateHookLora"]["lora_name"] == "kohya.safetensors"
    assert by_kind["CreateHookLora"]["strength_model"] == 0.4
    assert nodes[by_kind["SetHookKeyframes"]["hook_kf"][0]]["inputs"] is frames[-1]
    sampler = by_kind["KSampler"]
    assert (sampler["sampler_name"], sampler["scheduler"], sampler["steps"]) == ("dpmpp_2m", "karras", 25)
    for branch, output in (("positive", 0), ("negative", 1)):
        key, index = sampler[branch]
        assert (nodes[key]["class_type"], index) == ("PairConditioningSetProperties", output)


def test_keyframes_of_the_usual_window() -> None:
    assert keyframes(Window()) == [(0.0, 1.0), (0.1, 0.0)]
    assert keyframes(Window(0.0, 1.0)) == [(0.0, 1.0)]
