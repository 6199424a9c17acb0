"""The arms of an experiment: how a model is used by every editor, without an adaptor and with several."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import AliasChoices, Field

from frameweave.adaptor.adaptor import Adaptor, load_adaptor
from frameweave.adaptor.strengths import StrengthSchedule, strength_in_range
from frameweave.adaptor.use import AdaptorUse
from frameweave.diffusion.schedule import TRAINING_T, Window
from frameweave.errors import InputError
from frameweave.models.seam import Model
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.runs.explained import unknown_setting


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
    schedule: Annotated[
        str | None, Field(validation_alias=AliasChoices("schedule", "injection"))  # of earlier cells
    ] = None
    """The LoRA's strength by timestep; default: as the adaptor says for the editor."""
    tokens: bool | None = None
    """Whether the prompt tokens act; default: as the adaptor says for the editor."""
    in_inversion: bool = True

    def use(self, editor: str, T: int = TRAINING_T) -> AdaptorUse | None:
        """How its adaptor acts in an editor; None without one."""
        if self.adaptor is None:
            return None
        return self._use(load_adaptor(self.adaptor), editor, T)

    def effect(self, editor: str) -> Mapping[str, object]:
        """What an edit in that editor depends on, as JSON holds it; nothing without an adaptor.

        Arms of equal effect edit alike. They are the only ones that invert alike, too: an adaptor that is
        silent in the inversion still acts where a null text is optimised.
        """
        use = self.use(editor)
        return {} if use is None else use.effect()

    @contextmanager
    def on(self, model: StableDiffusion, editor: str) -> Generator[Model, None, None]:
        """The model as this arm uses it in an editor."""
        if self.adaptor is None:
            yield model
            return
        adaptor = load_adaptor(self.adaptor)
        with adaptor.on(model, self._use(adaptor, editor, model.schedule.T)) as adapted:
            yield adapted

    def _use(self, adaptor: Adaptor, editor: str, T: int) -> AdaptorUse:
        strength = self.strength if self.schedule is None else StrengthSchedule.parse(self.schedule, T)
        use = adaptor.use(editor, strength=strength, window=self.window, tokens=self.tokens, T=T)
        return replace(use, in_inversion=self.in_inversion)


def parsed_arm(text: str) -> Arm:
    """An arm from the command line: `name=adaptor`, with options behind it.

    >>> arm = parsed_arm("wide=runs/train/adaptor@0.5,window=0.6-1,tokens")
    >>> arm.name, arm.adaptor, arm.strength, arm.window, arm.tokens
    ('wide', 'runs/train/adaptor', 0.5, (0.6, 1.0), True)
    >>> parsed_arm("changing=miniature,schedule=0.9-1:2+0.6-0.9:1").schedule
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
        elif key == "schedule":
            arm = replace(arm, schedule=str(StrengthSchedule.parse(value.replace("+", ","))))
        else:
            known = ["tokens", "no-tokens", "plain-inversion", "window", "schedule"]
            raise unknown_setting(f"option of arm {name}", key, known)
    if arm.schedule is not None and (arm.strength is not None or arm.window is not None):
        raise InputError(f"arm {text!r}: a schedule beside a strength or a window", hint="give either")
    return arm


def _number(word: str, text: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise InputError(
            f"arm {text!r}: {word!r}, expected a number", hint="e.g. half=miniature@0.5,window=0.8-1"
        ) from None
