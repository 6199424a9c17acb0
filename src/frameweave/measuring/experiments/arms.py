"""The arms of an experiment: how a model is used by every editor, without an adaptor and with several."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from frameweave.adaptor.adaptor import Adaptor, load_adaptor
from frameweave.adaptor.card import Card
from frameweave.adaptor.formats import TRAINING_T
from frameweave.adaptor.injection import Injection, strength_in_range
from frameweave.diffusion.schedule import Window
from frameweave.errors import InputError
from frameweave.models.seam import Model
from frameweave.models.stable_diffusion import StableDiffusion


@dataclass(frozen=True, kw_only=True)
class Arm:
    """An adaptor and how it acts; without one, the model as it is."""

    name: str
    adaptor: str | None = None
    """The packaged "miniature", or a folder that `frameweave train` wrote."""
    strength: float | None = None
    """Of the LoRA; default: as the adaptor says. 0 silences it, which leaves the tokens alone if they act."""
    window: tuple[float, float] | None = None
    """Shares of T between which the LoRA acts, and tokens if asked for, in all editors alike; default: as the
    adaptor says for the editor."""
    injection: str | None = None
    """A strength of the LoRA for each of several windows; default: as the adaptor says for the editor."""
    tokens: bool | None = None
    """Whether the prompt tokens act; default: as the adaptor says for the editor."""
    in_inversion: bool = True

    def effect(self, editor: str) -> Mapping[str, object]:
        """What an edit in that editor depends on, as JSON holds it; nothing without an adaptor.

        Arms of equal effect edit alike. They are the only ones that invert alike, too: an adaptor that is
        silent in the inversion still acts where a null text is optimised.
        """
        if self.adaptor is None:
            return {}
        adaptor = self._adaptor()
        injection, tokens = self._use(adaptor.card, editor, TRAINING_T)
        return adaptor.effect(injection, tokens=tokens) | {"in_inversion": self.in_inversion}

    @contextmanager
    def on(self, model: StableDiffusion, editor: str) -> Generator[Model, None, None]:
        """The model as this arm uses it in an editor."""
        if self.adaptor is None:
            yield model
            return
        adaptor = self._adaptor()
        injection, tokens = self._use(adaptor.card, editor, model.schedule.T)
        with adaptor.on(model, injection=injection, tokens=tokens, in_inversion=self.in_inversion) as adapted:
            yield adapted

    def _adaptor(self) -> Adaptor:
        """Its adaptor, in this arm's window."""
        assert self.adaptor is not None
        adaptor = load_adaptor(self.adaptor)
        if self.window is None:
            return adaptor
        low, high = self.window
        return replace(adaptor, card=replace(adaptor.card, low=low, high=high, tokens_low=low))

    def _use(self, card: Card, editor: str, T: int) -> tuple[Injection, bool]:
        """How the LoRA acts, and whether the tokens do. In a window of its own nothing else is chosen."""
        chosen_for = "" if self.window else editor
        return (
            card.injection(T, editor=chosen_for, strength=self.strength, asked=self.injection),
            card.tokens_act(chosen_for, asked=self.tokens),
        )


def parsed_arm(text: str) -> Arm:
    """An arm from the command line: `name=adaptor`, with options behind it.

    >>> arm = parsed_arm("wide=runs/train/adaptor@0.5,window=0.6-1,tokens")
    >>> arm.name, arm.adaptor, arm.strength, arm.window, arm.tokens
    ('wide', 'runs/train/adaptor', 0.5, (0.6, 1.0), True)
    >>> parsed_arm("changing=miniature,injection=0.9-1:2+0.6-0.9:1").injection
    '0.9-1:2,0.6-0.9:1'

    Raises `InputError` for what cannot be read.
    """
    name, equals, rest = text.partition("=")
    given, *options = rest.split(",")
    adaptor, at, strength = given.partition("@")
    if not equals or not name.strip() or not adaptor or (at and not strength):
        raise InputError(f"arm {text!r}", hint="write it as name=adaptor, e.g. half=miniature@0.5")
    arm = Arm(name=name, adaptor=adaptor)
    if strength:
        arm = replace(arm, strength=strength_in_range(_number(strength, text)))
    for option in options:
        key, _, value = option.partition("=")
        if key in ("tokens", "no-tokens") and not value:
            arm = replace(arm, tokens=key == "tokens")
        elif key == "plain-inversion" and not value:
            arm = replace(arm, in_inversion=False)
        elif key == "window":
            low, _, high = value.partition("-")
            window = Window(_number(low, text), _number(high, text))
            arm = replace(arm, window=(window.low, window.high))
        elif key == "injection":
            arm = replace(arm, injection=str(Injection.parse(value.replace("+", ","))))
        else:
            known = ["tokens", "no-tokens", "plain-inversion", "window", "injection"]
            raise InputError.unknown(f"option of arm {name}", key, known)
    if arm.injection is not None and (arm.strength is not None or arm.window is not None):
        raise InputError(f"arm {text!r}: an injection beside a strength or a window", hint="give either")
    return arm


def _number(word: str, text: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise InputError(
            f"arm {text!r}: {word!r}, expected a number", hint="e.g. half=miniature@0.5,window=0.8-1"
        ) from None
