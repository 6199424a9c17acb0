"""Which pictures are prompts, and where their adapter lies. Nothing heavy is imported here."""

from pathlib import Path

from frameweave.errors import InputError
from frameweave.models.loading.choice import ModelChoice
from frameweave.models.loading.strength import Weighted


def check_asked(choice: ModelChoice) -> None:
    """Raise `InputError` for a picture without an adapter, and for what is said about no picture."""
    if choice.image_prompt and choice.image_adapter is None:
        raise InputError(
            "--image-prompt needs an IP-Adapter, and none is named",
            hint="name one with --image-adapter, e.g. h94/IP-Adapter/models/ip-adapter_sd15.safetensors",
        )
    for name in ("image_adapter", "image_encoder"):
        if getattr(choice, name) is not None and not choice.image_prompt:
            flag = f"--{name.replace('_', '-')}"
            raise InputError(f"{flag} without a picture", hint="give one with --image-prompt FILE")
    for text in choice.image_prompt:
        if not (file := local_picture(text)).is_file():
            raise InputError(f"{file}: no such picture", hint="check the path of --image-prompt")


def local_picture(text: str) -> Path:
    """The file of a picture that is asked for."""
    return Path(Weighted.parse(text).name)


def local_part(name: str) -> Path | None:
    """The file or folder of an adapter or encoder; None on a hub."""
    return Path(name) if Path(name).exists() else None


def beside(adapter: str) -> Path | None:
    """The folder of the vision encoder beside an adapter that lies on this machine, if there is one."""
    folder = Path(adapter).parent / "image_encoder"
    return folder if Path(adapter).is_file() and folder.is_dir() else None


def in_repository(name: str) -> tuple[str, str]:
    """The hub id and the path below it.

    >>> in_repository("owner/name/models/x.safetensors")
    ('owner/name', 'models/x.safetensors')
    """
    owner, _, rest = name.partition("/")
    repository, _, path = rest.partition("/")
    return f"{owner}/{repository}", path
