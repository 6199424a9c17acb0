"""Puts a trained adaptor into the package as `strangers`, for the editors in which it is shown to help.

`python tools/package_adaptor.py runs/strangers/r8/adaptor`, after the training that stands in
docs/experiments/strangers.md.
"""

import argparse
from dataclasses import replace

from frameweave.adaptor.adaptor import FILE, load_adaptor
from frameweave.adaptor.packaged import STRANGERS, packaged_folder
from frameweave.world.grammar import unknown_words
from frameweave.world.words import STRANGE_LOOKS, STRANGE_NOUNS, STRANGE_PLACES

EDITORS = ("framewise", "text2video_zero", "tokenflow", "vidtome", "delta", "vid2vid_zero")
"""In docs/results/README.md it helps in these."""
_WEAK = frozenset({"with", "blocks", "low", "old", "soft", "video", "floor", "focus", "quality"})
"""Words of strangers' captions that may stand in any prompt."""


def words() -> list[str]:
    """What tells prompts about strangers from others."""
    texts = [*STRANGE_NOUNS]
    texts += [text for said in (STRANGE_PLACES | STRANGE_LOOKS).values() for text in said]
    return [word for word in unknown_words(" ".join(texts).replace("{}", " ")) if word not in _WEAK]


def main() -> None:
    """Write it with the card that `--adaptor auto` reads."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("adaptor", help="the folder of the trained one")
    adaptor, folder = load_adaptor(asked.parse_args().adaptor), packaged_folder(STRANGERS)
    assert folder is not None
    schedule = f"0-1:{adaptor.card.strength:g}"
    card = replace(adaptor.card, words=words(), strength_schedules=dict.fromkeys(EDITORS, schedule))
    replace(adaptor, card=card).save(folder)
    for file in folder.iterdir():  # the other layouts are made by `frameweave export`
        if file.name != FILE:
            file.unlink()


if __name__ == "__main__":
    main()
