"""Settings of `frameweave data`: one frozen dataclass each, from which flags are made."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from frameweave.data.captions.edit_prompt import KINDS, Kind


@dataclass(frozen=True, kw_only=True)
class CaptionOptions:
    """Settings of `frameweave data caption`. Endpoint, model and key come from the environment."""

    rules: bool = False
    """Make the prompts by rules alone, without a model."""
    kinds: tuple[Kind, ...] = KINDS
    """What to change: a prompt for each of object, colour, background, style."""
    vocabulary: Literal["general", "miniature"] = "general"
    """The words that the rules know."""
    seed: int = 0
    """Of what the rules choose."""
    dry_run: bool = False
    """Only say what would be sent, and what it would take."""
    price_in: float | None = None
    """Money for a million tokens that the model reads."""
    price_out: float | None = None
    """Money for a million tokens that the model writes."""
    max_tokens: int | None = None
    """Tokens after which the rules make the rest."""
    max_cost: float | None = None
    """Money after which the rules make the rest."""
    concurrency: int = 8
    """Questions at once."""
    attempts: int = 5
    """Questions about one clip, at most."""
    timeout: float = 60.0
    """Seconds for a question and its whole answer."""
    retry_failed: bool = False
    """Ask again about clips that the model refused or answered with nonsense."""
    cache: Path | None = None
    """The folder of kept answers; default: frameweave in the user's cache folder."""
    out: Path = Path("runs/captions")
    """The folder to write to."""
    overwrite: bool = False
    """Replace the prompts of an earlier run in that folder."""
