"""How the adaptor of the options acts in an editor, and whether it does."""

from frameweave.adaptor.adaptor import Adaptor
from frameweave.adaptor.card import Card
from frameweave.adaptor.injection import Injection
from frameweave.editing.options import ModelOptions


def use_of(card: Card, options: ModelOptions, editor: str, T: int) -> tuple[Injection, bool]:
    """How strongly the LoRA acts and whether the tokens do: as the options say, else as the adaptor says.

    Raises `InputError` for an injection that cannot be read.
    """
    return (
        card.injection(T, editor=editor, strength=options.adaptor_strength, asked=options.adaptor_injection),
        card.tokens_act(editor, asked=options.tokens),
    )


def acts(adaptor: Adaptor, options: ModelOptions, editor: str, T: int) -> bool:
    """Whether any part of the adaptor acts. Raises what `use_of` raises."""
    injection, tokens = use_of(adaptor.card, options, editor, T)
    return any(adaptor.acting(injection, tokens=tokens))
