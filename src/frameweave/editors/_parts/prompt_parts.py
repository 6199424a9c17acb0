"""The word map of prompts as a model reads them: without weights, and in parts where they are long."""

import torch

from frameweave.editors._parts.prompt_to_prompt import Wording, WordMap, word_map
from frameweave.models.seam import Model, Said


def map_of(
    model: Model, prompts: tuple[str, str, str], *, emphasis: str = "", wording: Wording | None = None
) -> WordMap:
    """`word_map` of the second and third of three prompts that are encoded together, by what they say."""
    tokenizer = model.tokenizer
    _, source, edited = model.said(prompts)
    limit = tokenizer.model_max_length
    if source.length == limit:
        return word_map(tokenizer, source.text, edited.text, emphasis=emphasis, wording=wording)
    room = max(len(said.positions) for said in (source, edited)) + 2
    in_a_row = word_map(tokenizer, source.text, edited.text, emphasis=emphasis, limit=room)
    return spread(in_a_row, source, edited, limit)


def spread(in_a_row: WordMap, source: Said, edited: Said, limit: int) -> WordMap:
    """A map of all tokens in a row, for prompts that are encoded in parts of `limit` tokens.

    Begin, end and padding of a part take from those of the source's same part.
    """
    taken, own = torch.zeros(edited.length, edited.length), torch.zeros(edited.length)
    rows, columns = torch.tensor((0, *source.positions)), torch.tensor((0, *edited.positions))
    taken[rows[:, None], columns] = in_a_row.taken[: len(rows), : len(columns)]
    own[columns] = in_a_row.own[: len(columns)]
    for start in range(0, edited.length, limit):
        part = range(start, start + limit)
        theirs, ours = ([k for k in part if k not in said.positions] for said in (source, edited))
        for k, column in enumerate(ours):
            taken[:, column] = 0
            taken[theirs[min(k, len(theirs) - 1)], column] = 1
    return WordMap(taken, own, in_a_row.aligned)
