"""The files of textual inversions: vectors for a word, in the forms of the programs that train them.

A1111 and kohya    `emb_params`, or `clip_l` and `clip_g` for SDXL's two text towers
diffusers          the word itself as the only name, or `text_encoders_0` and `text_encoders_1`
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from frameweave.errors import ModelFolderError
from frameweave.models.loading.tensor_files import TensorFile, found, local, read
from frameweave.models.text.embedding_words import bare, checked, named
from frameweave.runs.identity import digest

_USUAL = ("learned_embeds.safetensors", "embeddings.safetensors", "model.safetensors")
_TOWERS = (("clip_l", "text_encoders_0"), ("clip_g", "text_encoders_1"))
"""What the vectors of each of SDXL's towers are called."""
_ONE = ("emb_params", "*", "string_to_param", "string_to_param.*")
"""What the vectors of a single tower are called where the name is not the word."""
_KINDS: dict[tuple[int, ...], str] = {
    (768,): "Stable Diffusion 1.x",
    (1024,): "Stable Diffusion 2.x",
    (1280,): "SDXL's second text encoder alone",
    (768, 1280): "SDXL",
}
"""Models by the widths of their text encoders."""
_OTHERS = {
    r"lora_(up|down|A|B|te|unet)|\.alpha$|hada_|lokr_": ("a LoRA", "give it with --lora"),
    r"t5xxl": ("a textual inversion for Stable Diffusion 3", "give one for this model"),
    r"^(model\.diffusion_model|first_stage_model|cond_stage_model)\.": (
        "a checkpoint",
        "give it with --model",
    ),
}


@dataclass(frozen=True, eq=False)
class EmbeddingFile:
    """A textual inversion that was read."""

    word: str
    """Without angle brackets."""
    path: Path
    towers: tuple[Float[Tensor, "n _"], ...]
    """Its vectors for each text tower, equally many."""

    @property
    def kind(self) -> str:
        """For which models it was made."""
        return kind_of([vectors.shape[1] for vectors in self.towers])


def kind_of(widths: Sequence[int]) -> str:
    """Models whose text encoders have these widths.

    >>> kind_of([768]), kind_of([16])
    ('Stable Diffusion 1.x', 'models with text 16 wide')
    """
    return _KINDS.get(tuple(widths)) or f"models with text {' and '.join(map(str, widths))} wide"


def embedding_file(text: str) -> EmbeddingFile:
    """The textual inversion of an `--embedding`.

    Raises `InputError` for text that cannot be read and for a word that no prompt could hold;
    `ModelFolderError` for a file that is missing, damaged, a pickle, or something else.
    """
    word, name = named(text)
    path = found(name, _USUAL, "embedding")
    file = read(path)
    said, towers = _towers(file)
    if len({len(vectors) for vectors in towers}) > 1:
        counts = " and ".join(str(len(vectors)) for vectors in towers)
        raise ModelFolderError(
            f"{path}: {counts} vectors for the two text encoders, expected equally many",
            hint="download it again",
        )
    return EmbeddingFile(word or checked(bare(said) or _title(name, path), text), path, towers)


def embedding_content(text: str) -> str:
    """What an `--embedding` does, wherever its file lies. Raises what `embedding_file` raises."""
    own = embedding_file(text)
    return f"{own.word} {digest(own.path)}"


def local_embedding(text: str) -> Path | None:
    """The file of an `--embedding` where it lies on this machine; None for one on the hub."""
    return local(named(text)[1], _USUAL, "embedding")


def _towers(file: TensorFile) -> tuple[str, tuple[Tensor, ...]]:
    """The word that the file names, if any, and the vectors of each tower."""
    keys = [*file.tensors]
    by_tower = [key for names in _TOWERS for key in names if key in file.tensors]
    known = {name for names in _TOWERS for name in names}
    if by_tower and {*keys} <= known and len(by_tower) <= len(_TOWERS):
        return "", tuple(_vectors(file, key) for key in by_tower)
    if len(keys) == 1 and not any(re.search(pattern, keys[0]) for pattern in _OTHERS):
        return ("" if keys[0] in _ONE else keys[0]), (_vectors(file, keys[0]),)
    for pattern, (what, todo) in _OTHERS.items():
        if key := next((key for key in keys if re.search(pattern, key)), None):
            raise ModelFolderError(
                f"{file.path}: {what} (it has {key}), expected a textual inversion", hint=todo
            )
    raise ModelFolderError(
        f"{file.path}: {len(keys)} tensors ({', '.join(keys[:3])}, ...), expected the vectors of one word",
        hint="give a textual inversion of A1111, kohya or diffusers",
    )


def _vectors(file: TensorFile, key: str) -> Tensor:
    found = file.tensors[key]
    if found.dim() not in (1, 2):
        raise ModelFolderError(
            f"{file.path}: {key} is {tuple(found.shape)}, expected vectors (count, width)",
            hint="give a textual inversion",
        )
    return found.reshape(-1, found.shape[-1]).float()


def _title(name: str, path: Path) -> str:
    """The word of a file that names none: its own name, or its repository's where that says nothing."""
    if path.name in _USUAL:
        return Path(name).parent.name if Path(name).name == path.name else Path(name).name
    return path.stem
