"""The tokenizer of a text encoder: read from its folder, and tried before it is used."""

import re
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from transformers import CLIPTextConfig, CLIPTokenizer

from frameweave.errors import ModelFolderError
from frameweave.models.loading.weights import check_files, unloadable

_SPECIAL = 2  # words that every tokenizer and every encoded text has: begin and end
_NOT_SAID = 10**6  # the library's length of texts where a folder says none is far above


def clip_tokenizer(
    source: str, part: str, encoder: CLIPTextConfig, *, cut: bool = False, pad_token: str | None = None
) -> CLIPTokenizer:
    """The tokenizer in a part of a folder or hub repository; `pad_token` fills texts up in place of its own.

    One that says no longest text takes what the text encoder takes; with `cut` every one does. Raises
    `ModelFolderError` for one that cannot be read, and for one that does not fit the encoder, as that of an
    empty folder.
    """
    folder = Path(source) / part
    local = Path(source).is_dir()
    if local:
        check_files(folder)
    positions = encoder.max_position_embeddings
    try:
        tokenizer = CLIPTokenizer.from_pretrained(source, subfolder=part, local_files_only=local)
        if pad_token is not None:
            tokenizer.pad_token = pad_token
        words = len(tokenizer)
        if cut or tokenizer.model_max_length > _NOT_SAID:
            tokenizer.model_max_length = positions
        length = int(tokenizer.model_max_length)
        tried = tokenizer("a", padding="max_length", truncation=True, max_length=min(length, positions))
        largest = max(tried.input_ids)
    except Exception as error:
        raise unloadable(folder, error) from error
    fits = _SPECIAL < words <= encoder.vocab_size and _SPECIAL < length <= positions
    if not fits or largest >= encoder.vocab_size:
        raise ModelFolderError(
            f"{folder}: {words} words and texts of up to {length} tokens, the text encoder takes "
            f"{encoder.vocab_size} words and {positions} tokens",
            hint="copy the tokenizer folder again, with all its files",
        )
    if any(f"{token}_1" in tokenizer.get_added_vocab() for token in tokenizer.get_added_vocab()):
        tokenizer.__class__ = ManyVectors
    return tokenizer


class ManyVectors(CLIPTokenizer):
    """Reads the word of a textual inversion as all its vectors: <x> is <x> <x>_1 <x>_2, as in diffusers."""

    def __call__(self, text: Any = None, *others: Any, **named: Any) -> Any:
        whole = self.all_vectors(text) if isinstance(text, str) else [self.all_vectors(one) for one in text]
        return super().__call__(whole, *others, **named)

    def all_vectors(self, text: str) -> str:
        """The text with every vector of each such word; one that has them written out stays as it is."""
        added = self.get_added_vocab()
        for token in added:
            following = takewhile(added.__contains__, (f"{token}_{k}" for k in count(1)))
            if rest := " ".join(following):
                alone = rf"{re.escape(token)}(?!_\d|\s+{re.escape(token)}_1)"
                text = f"{token} {rest}".join(re.split(alone, text))
        return text


def unseen(tokenizer: CLIPTokenizer, text: str) -> str:
    """The end of a text that is beyond the longest one which its encoder takes; empty when all of it fits."""
    longest = tokenizer.model_max_length - _SPECIAL
    words = tokenizer(text, add_special_tokens=False).input_ids
    return str(tokenizer.decode(words[longest:])).strip() if len(words) > longest else ""
