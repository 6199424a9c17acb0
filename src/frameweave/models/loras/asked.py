"""`--lora` as text: which file, how strongly, and at which timesteps. Nothing heavy is imported here."""

import os

from frameweave.errors import InputError
from frameweave.models.loading.strength import Weighted

LARGEST = 10.0
"""Sliders are used up to about this strength; beyond it a picture is noise."""


def asked(text: str) -> Weighted:
    """`FILE`, `FILE@0.8` or `FILE@0.8:0.0-0.6`; here the share is one of all timesteps, noisiest first.

    What is the name of a file or folder as it stands is one. Raises `InputError` for what cannot be read,
    and for strengths beyond `LARGEST`.

    >>> asked("ink.safetensors@-0.5:0-0.6")
    Weighted(name='ink.safetensors', strength=-0.5, start=0.0, end=0.6)
    """
    there = text.strip() and os.path.exists(text)  # noqa: PTH110 - Path's raises for long text
    found = Weighted(text) if there else Weighted.parse(text, of="the timesteps")
    if abs(found.strength) > LARGEST:
        raise InputError(
            f"LoRA {text!r}: strength {found.strength:g}, expected {-LARGEST:g} to {LARGEST:g}",
            hint="0.5 to 1 is usual",
        )
    return found
