"""Textual inversions: words of prompts that are read as vectors of a file.

A word of n vectors becomes n tokens, `<word>`, `<word>_1`, ..., behind those of a copy of the tokenizer. The
text encoder's table stays as it is: the encoder reads a usual token in their places, and what its table gives
there is replaced. A prompt may hold the word as it is, in angle brackets, or as ComfyUI writes it
(`embedding:word`), in upper or lower case.
"""

import copy
import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import torch
from tokenizers import AddedToken
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers import CLIPTokenizer

from frameweave.errors import InputError, ModelFolderError
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.models.text.embedding_files import EmbeddingFile, embedding_file, kind_of
from frameweave.models.text.embedding_words import pattern
from frameweave.models.text.tokenizer import ManyVectors


@contextmanager
def embeddings(model: StableDiffusion, asked: Sequence[str]) -> Generator[StableDiffusion, None, None]:
    """A model whose prompts know the words of textual inversions while the block runs.

    Such as `embeddings(model, ["easynegative.safetensors", "neg=other.safetensors"])`. The model that was
    given does not know them, and has nothing of them afterwards. Raises what `embedding_file` and
    `check_embeddings` raise.
    """
    files = [embedding_file(text) for text in asked]
    known, hooks = _with(model, files)
    try:
        yield known
    finally:
        for hook in hooks:
            hook.remove()


def with_embeddings(model: StableDiffusion, files: Sequence[EmbeddingFile]) -> StableDiffusion:
    """The same for good. Raises what `check_embeddings` raises."""
    return _with(model, files)[0] if files else model


def check_embeddings(model: StableDiffusion, files: Sequence[EmbeddingFile]) -> None:
    """Whether a model can take them.

    Raises `ModelFolderError` for textual inversions of another kind of model, `InputError` for words that
    are given twice or that the model has already.
    """
    widths = [_table(network).embedding_dim for network in model.text.networks]
    longest, known = model.tokenizer.model_max_length - 2, model.tokenizer.get_added_vocab()
    words = set[str]()
    for file in files:
        if [vectors.shape[1] for vectors in file.towers] != widths:
            raise ModelFolderError(
                f"{file.path}: a textual inversion for {file.kind}, the model is one of {kind_of(widths)}",
                hint="give one for this model, or the model that it was made for with --model",
            )
        if len(file.towers[0]) > longest:
            raise ModelFolderError(
                f"{file.path}: {len(file.towers[0])} vectors, the text encoder reads {longest} at once",
                hint="give one of fewer vectors",
            )
        if file.word.lower() in words or f"<{file.word}>" in known:
            raise InputError(
                f"embedding {file.path}: the word {file.word!r} is taken",
                hint=f"give it another one, such as {file.word}2={file.path}",
            )
        words.add(file.word.lower())


class _Words(ManyVectors):
    """Reads the words of textual inversions as all their vectors."""

    _spoken: re.Pattern[str]
    _tokens: dict[str, str]

    def all_vectors(self, text: str) -> str:
        return super().all_vectors(self._spoken.sub(self._token, text))

    def _token(self, found: re.Match[str]) -> str:
        return self._tokens[(found["bare"] or found["whole"]).lower()]


def _with(
    model: StableDiffusion, files: Sequence[EmbeddingFile]
) -> tuple[StableDiffusion, list[RemovableHandle]]:
    check_embeddings(model, files)
    if not files:
        return model, []
    tokenizers = tuple(_knowing(tokenizer, files) for tokenizer in model.text.tokenizers)
    hooks = list[RemovableHandle]()
    for number, (network, tokenizer) in enumerate(zip(model.text.networks, tokenizers, strict=True)):
        rows = {
            int(cast("int", tokenizer.convert_tokens_to_ids(token))): vector
            for file in files
            for token, vector in zip(_tokens_of(file), file.towers[number], strict=True)
        }
        hooks += _Rows(rows, usual=cast("int", tokenizer.bos_token_id)).put(network)
    return replace(model, text=model.text.with_tokenizers(tokenizers)), hooks


def _knowing(tokenizer: CLIPTokenizer, files: Sequence[EmbeddingFile]) -> CLIPTokenizer:
    """A copy that has the tokens of all vectors."""
    known = copy.deepcopy(tokenizer)
    for token in (token for file in files for token in _tokens_of(file)):
        known.add_tokens(cast("Any", AddedToken(token, normalized=False)))
    tokens = {file.word.lower(): f"<{file.word}>" for file in files}
    if isinstance(known, _Words):  # of textual inversions that the model has already
        tokens = known._tokens | tokens  # pyright: ignore[reportPrivateUsage] - it is of this class
    known.__class__ = _Words
    words = cast("_Words", known)
    words._tokens, words._spoken = tokens, pattern([*tokens])  # pyright: ignore[reportPrivateUsage]
    return known


def _tokens_of(file: EmbeddingFile) -> list[str]:
    return [f"<{file.word}>" + (f"_{k}" if k else "") for k in range(len(file.towers[0]))]


def _table(network: nn.Module) -> nn.Embedding:
    return cast("nn.Embedding", cast("Any", network).get_input_embeddings())


class _Rows:
    """Vectors that a text encoder reads for tokens that its table does not have."""

    def __init__(self, rows: dict[int, Tensor], usual: int) -> None:
        self._ids, self._usual = torch.tensor([*rows]), usual
        self._vectors = torch.stack([*rows.values()])
        self._at: Tensor | None = None
        """Of the text that is read just now: which of the vectors stands where, -1 for none."""

    def put(self, encoder: nn.Module) -> list[RemovableHandle]:
        return [
            encoder.register_forward_pre_hook(self._before, with_kwargs=True),
            _table(encoder).register_forward_hook(self._after),
        ]

    def _before(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, object]) -> Any:
        """SDXL's pooled text is read where the largest token is: there may be none above the end's."""
        ids = cast("Tensor", args[0] if args else kwargs["input_ids"])
        same = ids[..., None] == self._ids.to(ids.device)
        self._at = torch.where(same.any(-1), same.int().argmax(-1), -1)
        usual = ids.masked_fill(same.any(-1), self._usual)
        return ((usual, *args[1:]), kwargs) if args else (args, kwargs | {"input_ids": usual})

    def _after(self, _: nn.Module, args: tuple[Any, ...], given: Tensor) -> Tensor:
        at, self._at = self._at, None
        if at is None or given.is_meta or not bool((at >= 0).any()):
            return given
        at = at.to(given.device)  # the encoder may have been moved between
        own = self._vectors.to(given)[at.clamp(min=0)]
        return torch.where((at >= 0)[..., None], own, given)
