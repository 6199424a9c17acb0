"""The mask of the form: painted on a frame of the clip, or uploaded, and then painted further."""

from base64 import b64decode
from binascii import Error

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
