"""The arms of an experiment: how a model is used by every editor, without an adaptor and with several."""

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Annotated, get_args

from pydantic import AliasChoices, Field

from frameweave.adaptor.adaptor import Adaptor, load_adaptor
from frameweave.adaptor.strengths import StrengthSchedule, strength_in_range
from frameweave.adaptor.use import AdaptorUse, VisionFrame
from frameweave.diffusion.schedule import TRAINING_T, Window
from frameweave.errors import InputError
from frameweave.measuring.records import WITHOUT
from frameweave.models.seam import Model
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.runs.explained import unknown_setting
from frameweave.video.motion.steady import Steady

_NONE = "none"
"""Stands for no adaptor where an arm is written."""
_CLIP, _SEED = "{clip}", "{seed}"


@dataclass(frozen=True, kw_only=True)
class Arm:
    """An adaptor and how it acts; without one, the model as it is."""

    name: str
    adaptor: str | None = None
    """A packaged one's name, or a folder that `frameweave train` wrote. `{clip}` in it stands for the
    clip's name and `{seed}` for the random seed, so that each has an adaptor of its own."""
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
    vision_frame: VisionFrame = "own"
    """Which source frame the unshared tokens are read from, where tokens act; none leaves them out."""
    steady: float | None = None
    """How much steadier edits are made afterwards; None is not at all."""

    def of(self, clip: str, seed: int) -> "Arm":
        """As the clip of that name is edited with that random seed.

        >>> Arm(name="own", adaptor="runs/{clip}-{seed}/adaptor").of("007", 1).adaptor
        'runs/007-1/adaptor'
        """
        if self.adaptor is None:
            return self
        return replace(self, adaptor=self.adaptor.replace(_CLIP, clip).replace(_SEED, str(seed)))

    def use(self, editor: str, T: int = TRAINING_T) -> AdaptorUse | None:
        """How its adaptor acts in an editor; None without one."""
        if self.adaptor is None:
            return None
        return self._use(load_adaptor(self.adaptor), editor, T)

    @property
    def steadied(self) -> Steady | None:
        """How much steadier its edits are made."""
        return None if self.steady is None else Steady(self.steady)

    def effect(self, editor: str) -> Mapping[str, object]:
        """What an edit in that editor depends on, as JSON holds it; nothing without an adaptor.

        Arms of equal effect edit alike. They are the only ones that invert alike, too: an adaptor that is
        silent in the inversion still acts where a null text is optimised.
        """
        use = self.use(editor)
        steadied = {} if self.steady is None else {"steady": self.steady, "steady_radius": Steady().radius}
        return ({} if use is None else dict(use.effect())) | steadied

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
        return replace(use, in_inversion=self.in_inversion, vision_frame=self.vision_frame)


def arms_as_used(arms: Iterable[Arm], clips: Iterable[str], seeds: int) -> list[Arm]:
    """All arms as the clips of those names are edited with so many random seeds, each once."""
    names = list(clips)
    return list(dict.fromkeys(arm.of(clip, seed) for arm in arms for clip in names for seed in range(seeds)))


def parsed_arm(text: str) -> Arm:
    """An arm from the command line: `name=adaptor`, with options behind it.

    >>> arm = parsed_arm("wide=runs/train/adaptor@0.5,window=0.6-1,tokens")
    >>> arm.name, arm.adaptor, arm.strength, arm.window, arm.tokens
    ('wide', 'runs/train/adaptor', 0.5, (0.6, 1.0), True)
    >>> parsed_arm("steadied=none,steady").steady
    1.0
    >>> parsed_arm("changing=miniature,schedule=0.9-1:2+0.6-0.9:1").schedule
    '0.9-1:2,0.6-0.9:1'

    Raises `InputError` for what cannot be read.
    """
    name, equals, rest = text.partition("=")
    given, *options = rest.split(",")
    adaptor, at, strength = given.partition("@")
    if not equals or not name.strip() or not adaptor or (at and not strength):
        raise InputError(f"arm {text!r}", hint="write it as name=adaptor, e.g. half=miniature@0.5")
    arm = Arm(name=name, adaptor=None if adaptor == _NONE else adaptor)
    if strength:
        arm = replace(arm, strength=strength_in_range(_number(strength, text)))
    keys = [option.partition("=")[0].removeprefix("no-") for option in options]
    if twice := [key for key in keys if keys.count(key) > 1]:
        raise InputError(f"arm {text!r}: {twice[0]} is said {keys.count(twice[0])} times", hint="say it once")
    for option in options:
        arm = _with_option(arm, option, text)
    if arm.schedule is not None and (arm.strength is not None or arm.window is not None):
        raise InputError(f"arm {text!r}: a schedule beside a strength or a window", hint="give either")
    if arm.adaptor is None and arm != Arm(name=name, steady=arm.steady):
        raise InputError(f"arm {text!r}: no adaptor that acts so", hint="name one in place of none")
    if arm.adaptor is None and arm.steady is None:
        raise InputError(
            f"arm {text!r}: neither an adaptor nor steady", hint=f"every grid has the arm {WITHOUT} already"
        )
    return arm


def _with_option(arm: Arm, option: str, text: str) -> Arm:
    """The arm as an option behind its name wants it."""
    key, _, value = option.partition("=")
    if key in ("tokens", "no-tokens") and not value:
        return replace(arm, tokens=key == "tokens")
    if key == "plain-inversion" and not value:
        return replace(arm, in_inversion=False)
    if key == "window":
        low, _, high = value.partition("-")
        window = Window(_number(low, text), _number(high, text))
        return replace(arm, window=(window.low, window.high))
    if key == "schedule":
        return replace(arm, schedule=str(StrengthSchedule.parse(value.replace("+", ","))))
    if key == "vision":
        return replace(arm, vision_frame=_vision(value, text))
    if key == "steady":
        return replace(arm, steady=_steady(value, text))
    known = ["tokens", "no-tokens", "vision", "plain-inversion", "window", "schedule", "steady"]
    raise unknown_setting(f"option of arm {arm.name}", key, known)


def _vision(value: str, text: str) -> VisionFrame:
    found: VisionFrame | None = next((one for one in get_args(VisionFrame) if one == value), None)
    if found is None:
        known = ", ".join(get_args(VisionFrame))
        raise InputError(f"arm {text!r}: vision={value}, expected one of {known}", hint="e.g. vision=none")
    return found


def _steady(value: str, text: str) -> float:
    """Its strength; all of it where none is given."""
    strength = _number(value, text) if value else 1.0
    if not 0 < strength <= 1:
        raise InputError(f"arm {text!r}: steady={value}, expected a number above 0, up to 1")
    return strength


def _number(word: str, text: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise InputError(
            f"arm {text!r}: {word!r}, expected a number", hint="e.g. half=miniature@0.5,window=0.8-1"
        ) from None
