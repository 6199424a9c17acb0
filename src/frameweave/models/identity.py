"""What tells models from others of the same name: their weights and settings."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path

import torch
from torch import Tensor, nn

from frameweave.models.control.asked import AskedControl
from frameweave.models.image_prompt.asked import beside, local_part, local_picture
from frameweave.models.loading.choice import ModelChoice
from frameweave.models.loading.places import place
from frameweave.models.loading.strength import Weighted
from frameweave.models.loras.fitted import local_lora, lora_content
from frameweave.models.text.embedding_files import embedding_content, local_embedding
from frameweave.runs.identity import Input, contents

_NAMED = ("model", "config", "controlnet", "vae", "vision")
"""Fields of `ModelChoice` that name a file, a folder or a hub id."""
BY_CONTENT = ("control", "lora", "embedding", "image_prompt", "image_adapter", "image_encoder")
"""Fields of `ModelChoice` whose texts may be written otherwise and mean the same: see `given_contents`."""
_READ = (".safetensors", ".json", ".txt")
_APART = ("judge",)  # of the packaged model: what measures edits, and makes none


def identity(name: str | None) -> str:
    """The SHA-256 of a single file, or of a model folder's weights and settings.

    A hub id and the name of settings stand for themselves, no name for none. Raises `ModelFolderError` for
    what is neither a file, nor a folder, nor like a hub id.
    """
    if name is None:
        return ""
    folder = place(name)
    if folder is None:
        return name
    if folder.is_file():
        return contents(folder)
    parts = (path for path in folder.rglob("*") if path.suffix in _READ and path.is_file())
    return contents(folder, (path for path in parts if path.relative_to(folder).parts[0] not in _APART))


def inputs_of(choice: ModelChoice, **others: str | None) -> dict[str, Input]:
    """What a choice and `others` name, by content: weights, settings and vocabulary count.

    Raises `ModelFolderError` for what is not there.
    """
    named: dict[str, str | None] = {name: getattr(choice, name) for name in _NAMED} | others
    found = {
        what: Input(what, place(name), identity(name)) for what, name in named.items() if name is not None
    }
    for text in choice.lora:
        what, files = f"lora {text}", local_lora(text)
        found[what] = Input.of(what, files[0]) if files else Input(what, None, text)
        for settings in files[1:]:
            found[f"settings of {what}"] = Input.of(f"settings of {what}", settings)
    for kind, texts, local in (
        ("embedding", choice.embedding, local_embedding),
        ("control", choice.control, _control),
        ("image prompt", choice.image_prompt, local_picture),
        ("image adapter", _given(choice.image_adapter), local_part),
        ("image encoder", _encoder(choice), local_part),
    ):
        for text in texts:
            what, file = f"{kind} {text}", local(text)
            found[what] = Input(what, None, text) if file is None else Input.of(what, file)
    return found


def given_contents(choice: ModelChoice, *names: str) -> dict[str, list[str]]:
    """What the texts of a choice's fields do, wherever the files in them lie: content, strength, share.

    Of all fields in `BY_CONTENT`, or of those in `names`; a field that says nothing is left out. Raises
    what `inputs_of` raises, and what a LoRA or an embedding raises that cannot be read.
    """
    ways: dict[str, tuple[tuple[str, ...], Callable[[str], str]]] = {
        "control": (choice.control, _control_content),
        "lora": (choice.lora, lora_content),
        "embedding": (choice.embedding, embedding_content),
        "image_prompt": (choice.image_prompt, _picture_content),
        "image_adapter": (_given(choice.image_adapter), _part_content),
        "image_encoder": (_encoder(choice), _part_content),
    }
    return {
        name: [content(text) for text in texts]
        for name, (texts, content) in ways.items()
        if texts and name in (names or BY_CONTENT)
    }


def _control(text: str) -> Path | None:
    return place(AskedControl.parse(text).source.name)


def _control_content(text: str) -> str:
    asked = AskedControl.parse(text)
    return f"{asked.kind} {identity(asked.source.name)} {_when(asked.source)}"


def _picture_content(text: str) -> str:
    return f"{contents(local_picture(text))} {_when(Weighted.parse(text))}"


def _part_content(name: str) -> str:
    part = local_part(name)
    return name if part is None else contents(part)


def _when(use: Weighted) -> str:
    return f"{use.strength} {use.start}-{use.end}"


def _encoder(choice: ModelChoice) -> tuple[str, ...]:
    """The vision encoder of the IP-Adapter, named or beside it."""
    named = choice.image_encoder
    if named is None and choice.image_adapter is not None and (folder := beside(choice.image_adapter)):
        named = str(folder)
    return _given(named)


def _given(name: str | None) -> tuple[str, ...]:
    return () if name is None else (name,)


def settings_of(choice: ModelChoice) -> dict[str, object]:
    """What of a choice changes an edit and names no network, where it is not as usual."""
    apart = (*_NAMED, "dtype", "device")
    return {
        one.name: getattr(choice, one.name)
        for one in fields(choice)
        if one.name not in apart and getattr(choice, one.name) != one.default
    }


def fingerprint(network: nn.Module) -> str:
    """SHA-256 of a network's weights and their names."""
    return tensors_print(network.state_dict())


def tensors_print(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of tensors and their names."""
    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
