"""Stage 2: the shared tokens and the projection of the unshared ones (Eqs. 4, 7), with a frozen UNet."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from frameweave.adaptor.tokens import PrefixTokens
from frameweave.errors import InputError
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.training.batches import Batches
from frameweave.training.denoising import Denoiser


@dataclass(eq=False)
class SharedTokens:
    """Plain denoising under [shared | unshared | text], the text dropped now and then."""

    denoiser: Denoiser
    batches: Batches
    held_out: Batches

    def __post_init__(self) -> None:
        assert self.denoiser.tokens is not None
        self.module: nn.Module = nn.ModuleDict({"tokens": self.denoiser.tokens.requires_grad_(True)})

    def loss(self, step: int) -> dict[str, Tensor]:
        return self.losses([step])[0]

    def losses(self, steps: Sequence[int]) -> list[dict[str, Tensor]]:
        batches = [self.batches(step) for step in steps]
        found = self.denoiser.together(batches, lambda batch, states: [self.denoiser(batch, states)])
        return [{"noise": self.denoiser.noise_term(eps_hat, batch)} for batch, _, (eps_hat,) in found]

    def watch(self) -> dict[str, float]:
        """The noise loss on held-out groups at fixed noise, with the tokens and with the text alone."""
        with_tokens = without = 0.0
        count = self.held_out.count
        for step in range(count):
            batch = self.held_out(step)
            states = self.denoiser.states(batch)
            with_tokens += float(self.denoiser.noise_term(self.denoiser(batch, states), batch)) / count
            without += float(self.denoiser.noise_term(self.denoiser(batch, batch.text), batch)) / count
        return {"held_out": with_tokens, "held_out_text_only": without}


def begin_with_words(tokens: PrefixTokens, model: StableDiffusion, words: str) -> None:
    """The shared tokens begin as what the text encoder says of some words, one after the other, and again.

    The noise that they have been drawn with (see `init_T_share`) stays added, so that no two are alike.
    Raises `InputError` for words of which the text encoder keeps nothing, and for more than there are tokens.
    """
    states = word_states(model, words)
    if not len(states):
        raise InputError(
            f"tokens_from {words!r}: no word in it", hint='give a word that the model knows, such as "star"'
        )
    if len(states) > len(tokens.T_share):
        raise InputError(
            f"tokens_from {words!r}: {len(states)} tokens, for {len(tokens.T_share)} shared ones",
            hint=f"give fewer words, or --n-shared {len(states)}",
        )
    repeats = -(-len(tokens.T_share) // len(states))
    tokens.T_share.data += states.repeat(repeats, 1)[: len(tokens.T_share)].to(tokens.T_share)


def word_states(model: StableDiffusion, words: str) -> Float[Tensor, "N D"]:
    """What the text encoder says of each token of some words, without the marks of beginning and end."""
    plain = model.as_written()
    count = len(model.tokenizer(words, add_special_tokens=False).input_ids)
    texts = plain.conditioning([words]).texts[0, 0]
    return texts[1 : 1 + min(count, len(texts) - 2)]
