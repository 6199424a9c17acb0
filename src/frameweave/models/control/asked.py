"""Which ControlNets are asked for, as text. Nothing heavy is imported here."""

import re
from dataclasses import dataclass

from frameweave.errors import InputError
from frameweave.models.loading.strength import Weighted

DEPTH = "depth"
_KIND = re.compile(r"[a-z][a-z0-9_-]*")
_TODO = "write KIND=ID, such as depth=lllyasviel/sd-controlnet-depth or canny=canny.safetensors@0.7:0-0.6"


@dataclass(frozen=True)
class AskedControl:
    """`KIND=ID@SCALE:FROM-TO`: a ControlNet, what its pictures show, and how strongly it steers."""

    kind: str
    source: Weighted

    @classmethod
    def parse(cls, text: str) -> "AskedControl":
        """Raises `InputError` for a text of another form, and for a negative scale.

        >>> AskedControl.parse("canny=owner/name@0.7").kind
        'canny'
        """
        kind, source = named(text, flag="--control", todo=_TODO)
        found = Weighted.parse(source)
        if found.strength < 0:
            raise InputError(f"--control {text}: a negative scale, expected 0 or more", hint=_TODO)
        return cls(kind, found)


def all_asked(controlnet: str | None, control: tuple[str, ...]) -> list[AskedControl]:
    """Those of `--controlnet`, which is one of depth, and of `--control`.

    Raises what `AskedControl.parse` raises.
    """
    first = [] if controlnet is None else [AskedControl(DEPTH, Weighted(controlnet))]
    return [*first, *(AskedControl.parse(text) for text in control)]


def named(text: str, *, flag: str, todo: str) -> tuple[str, str]:
    """The kind and what follows its equals sign. Raises `InputError` for a text of another form."""
    kind, equals, rest = text.partition("=")
    if not equals or not rest.strip() or _KIND.fullmatch(kind) is None:
        raise InputError(f"{flag} {text!r}, expected a kind of picture and a name", hint=todo)
    return kind, rest
