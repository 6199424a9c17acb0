"""Write an adaptor for other programs: layouts of the LoRA, ComfyUI workflows, a line for A1111."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from frameweave.adaptor.adaptor import load_adaptor
from frameweave.adaptor.comfyui import Node, picture_workflow, video_workflow
from frameweave.adaptor.formats import FOR_WHOM, KOHYA_FILE
from frameweave.adaptor.interfaces import a1111_line, a1111_weights, sampler_timesteps
from frameweave.adaptor.options import ExportOptions
from frameweave.adaptor.strengths import strength_in_range
from frameweave.errors import AdaptorMismatch, RunError
from frameweave.progress import SILENT, Progress
from frameweave.runs.atomic import write_text
from frameweave.runs.takeable import check_folder_name

_WORKFLOWS = {"comfyui.json": picture_workflow, "comfyui-video.json": video_workflow}
_FOR_COMFY = {
    "comfyui.json": "ComfyUI, a picture from text with the window",
    "comfyui-video.json": "ComfyUI, an edit of a video with the window",
}


@dataclass(frozen=True)
class Exported:
    """What was written, and for which programs."""

    files: tuple[Path, ...]
    for_whom: dict[str, str]
    """The programs that read each file, by its name."""
    a1111: str
    """The line for A1111's extension loractl."""


def export(name: str, options: ExportOptions, *, progress: Progress = SILENT) -> Exported:
    """Write all layouts of an adaptor and its workflows into `options.out`.

    Says in how many steps of the chosen sampler the LoRA acts. Raises `RunError` when the folder
    holds such files already, `AdaptorMismatch` when the adaptor has no LoRA.
    """
    adaptor = load_adaptor(name)
    if not adaptor.lora:
        raise AdaptorMismatch(
            f"{name}: holds tokens and no LoRA, other programs take a LoRA",
            hint="train one with `frameweave train lora`",
        )
    asked = None if options.strength is None else strength_in_range(options.strength)
    use, timesteps = adaptor.use(strength=asked), sampler_timesteps(options.sampler, options.steps)
    for_whom = FOR_WHOM | _FOR_COMFY
    files = tuple(options.out / name for name in for_whom)
    check_folder_name(options.out)
    if options.out.exists() and not options.out.is_dir():
        raise RunError(f"{options.out}: a file, expected a folder", hint="give another --out")
    taken = [file for file in files if file.exists()]
    if taken and not options.overwrite:
        raise RunError(f"{taken[0]}: is there already", hint="give another --out, or --overwrite")
    if taken and not any(file.name in _FOR_COMFY for file in taken):
        raise RunError(f"{taken[0]}: no export wrote it, such as a training's", hint="give another --out")
    active = use.acts(timesteps).lora or 0
    warning = "" if active else "; WARNING: it does nothing there, take more steps"
    progress.note(f"{options.sampler}: the LoRA acts in {active} of {options.steps} steps{warning}")
    in_a1111 = sum(weight != 0 for weight in a1111_weights(use.strengths, timesteps))
    if in_a1111 != active:
        progress.note(
            f"A1111's loractl cannot tell the first step from the second: with the line for it the LoRA acts "
            f"in {in_a1111} steps"
        )
    adaptor.save(options.out)
    of = adaptor.card.architecture
    for file, made in _WORKFLOWS.items():
        nodes = made(KOHYA_FILE, use.strengths, sampler=options.sampler, steps=options.steps, architecture=of)
        _write(options.out / file, nodes)
    return Exported(files, for_whom, a1111_line(Path(KOHYA_FILE).stem, use.strengths, timesteps))


def _write(target: Path, workflow: Mapping[str, Node]) -> None:
    """A workflow as JSON."""
    nodes = {key: asdict(node) for key, node in workflow.items()}
    write_text(target, json.dumps(nodes, indent=2) + "\n")
