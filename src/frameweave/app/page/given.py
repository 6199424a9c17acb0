"""What is given beside the clip: a mask, and frames that were edited in another program."""

from base64 import b64decode
from binascii import Error
from collections.abc import Sequence
from pathlib import Path

from frameweave.app.page.controls import Value
from frameweave.app.page.fields import lines
from frameweave.app.uploads import Uploads
from frameweave.errors import InputError

_BEGINS = "data:image/png;base64,"


def png_in(address: str) -> bytes:
    """The PNG that the painter has told as an address. Raises `InputError` for anything else."""
    try:
        if not address.startswith(_BEGINS):
            raise Error
        return b64decode(address.removeprefix(_BEGINS), validate=True)
    except Error as error:
        raise InputError("the mask is no PNG picture", hint="paint it anew") from error


def anchors_of(value: Value, uploads: Uploads) -> tuple[str, ...] | None:
    """As `EditOptions.anchor` has them; the form counts frames from 1. Raises `InputError`."""
    found = [_parted(line) for line in lines(value) or ()]
    return tuple(f"{number - 1}={uploads.known(name).path}" for number, name in found) or None


def shown_anchors(anchors: object) -> Value:
    """The lines for `EditOptions.anchor`."""
    given = [str(one).partition("=") for one in anchors] if isinstance(anchors, tuple | list) else []
    return "\n".join(f"{int(number) + 1}: {Path(file).name}" for number, _, file in given)


def with_more(value: Value, names: Sequence[str]) -> str:
    """The lines with further uploads, each for the first frame that has none."""
    found = list(lines(value) or ())
    taken = {_parted(line)[0] for line in found}
    for name in names:
        number = next(n for n in range(1, len(taken) + 2) if n not in taken)
        taken.add(number)
        found.append(f"{number}: {name}")
    return "\n".join(found)


def _parted(line: str) -> tuple[int, str]:
    number, colon, name = line.partition(":")
    if not colon or not number.strip().isdecimal() or int(number) < 1 or not name.strip():
        raise InputError(
            f"edited frames: {line!r}, expected the number of a frame and a picture",
            hint="write 40: and the picture's name behind it; the first frame is 1",
        )
    return int(number), name.strip()
