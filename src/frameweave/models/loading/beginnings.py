"""What a file is that has the name of a safetensors file and cannot be read as one: its beginning tells."""

from pathlib import Path

from frameweave.errors import ModelFolderError

_AGAIN = "copy or download it again"
_CONVERT = "convert it to safetensors elsewhere"
_TEXT = (
    "a web page or a text in place of the weights",
    "download the file again: some sites ask for a login first",
)
_KINDS = {
    b"PK\x03\x04": ("a pickle of PyTorch, whatever its name says", _CONVERT),
    b"\x80": ("a pickle, whatever its name says", _CONVERT),
    b"GGUF": ("a GGUF file, whose weights are quantised", "give the safetensors file of the model"),
    b"version https://git-lfs": (
        "a pointer of Git LFS in place of the weights",
        "run 'git lfs pull', or download the file itself",
    ),
    b"<": _TEXT,
    b"{": _TEXT,
}


def unreadable(file: Path, error: Exception) -> ModelFolderError:
    """The error for a file of which safetensors raised one."""
    try:
        with file.open("rb") as opened:
            start = opened.read(32)
    except OSError as unread:
        return ModelFolderError(f"{file}: cannot be read ({unread.strerror})", hint="check its permissions")
    has_table = start[8:9] == b"{"  # after its length, whose bytes may be those of any kind
    for beginning, (what, todo) in _KINDS.items():
        if start.lstrip().startswith(beginning) and not has_table:
            return ModelFolderError(f"{file}: {what}", hint=todo)
    if file.suffix.lower() != ".safetensors":
        return ModelFolderError(f"{file}: not a safetensors file", hint="give one")
    what = "empty" if not start else f"damaged or cut off ({error})"
    return ModelFolderError(f"{file}: {what}", hint=_AGAIN)
