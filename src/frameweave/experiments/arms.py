"""The arms of an experiment: how a model is used by every editor, without an adaptor and with several."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from frameweave.diffusion.schedule import Window
from frameweave.errors import InputError
from frameweave.model.adaptor import load_adaptor, strength_in_range
from frameweave.model.backbone import Backbone, StableDiffusion

WITHOUT, WITH = "without", "with"


@dataclass(frozen=True, kw_only=True)
class Arm:
    """An adaptor and how it acts; without one, the model as it is."""

    name: str
    adaptor: str | None = None
    """The packaged "miniature", or a folder that `frameweave train` wrote."""
    strength: float | None = None
    """Of the LoRA; default: as the adaptor says. 0 leaves the prompt tokens alone."""
    window: tuple[float, float] | None = None
    """Shares of T between which LoRA and tokens act; default: as the adaptor says."""
    tokens: bool = False
    in_inversion: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Plain values that JSON holds, and `from_dict` takes."""
        return asdict(self)

    @classmethod
    def from_dict(cls, table: dict[str, Any]) -> "Arm":
        window = table["window"]
        values: dict[str, Any] = table | {"window": None if window is None else (window[0], window[1])}
        return cls(**values)

    @property
    def inverts_as(self) -> str:
        """Arms that say the same here invert a source alike."""
        if self.adaptor is None or not self.in_inversion:
            return ""
        return repr(replace(self, name=""))

    @contextmanager
    def on(self, model: StableDiffusion) -> Generator[Backbone, None, None]:
        """The model as this arm uses it."""
        if self.adaptor is None:
            yield model
            return
        adaptor = load_adaptor(self.adaptor)
        if self.window is not None:
            low, high = self.window
            adaptor = replace(adaptor, card=replace(adaptor.card, low=low, high=high, tokens_low=low))
        strength = None if self.strength is None else strength_in_range(self.strength)
        with adaptor.on(
            model, strength=strength, tokens=self.tokens, in_inversion=self.in_inversion
        ) as adapted:
            yield adapted


def parsed_arm(text: str) -> Arm:
    """An arm from the command line: `name=adaptor`, with options behind it.

    >>> arm = parsed_arm("wide=runs/train/adaptor@0.5,window=0.6-1,tokens")
    >>> arm.name, arm.adaptor, arm.strength, arm.window, arm.tokens
    ('wide', 'runs/train/adaptor', 0.5, (0.6, 1.0), True)

    Raises `InputError` for what cannot be read.
    """
    name, equals, rest = text.partition("=")
    given, *options = rest.split(",")
    adaptor, _, strength = given.partition("@")
    if not equals or not name.strip() or not adaptor:
        raise InputError(f"arm {text!r}", hint="write it as name=adaptor, e.g. half=miniature@0.5")
    arm = Arm(name=name, adaptor=adaptor, strength=_number(strength, text) if strength else None)
    for option in options:
        key, _, value = option.partition("=")
        if key == "tokens" and not value:
            arm = replace(arm, tokens=True)
        elif key == "plain-inversion" and not value:
            arm = replace(arm, in_inversion=False)
        elif key == "window":
            low, _, high = value.partition("-")
            window = Window(_number(low, text), _number(high, text))
            arm = replace(arm, window=(window.low, window.high))
        else:
            raise InputError.unknown(f"option of arm {name}", key, ["tokens", "plain-inversion", "window"])
    return arm


def _number(word: str, text: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise InputError(
            f"arm {text!r}: {word!r}, expected a number", hint="e.g. half=miniature@0.5,window=0.8-1"
        ) from None
