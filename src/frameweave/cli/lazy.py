"""The functions of the commands by name, such as `frameweave.cli.lazy:data prepare`.

The command line asks for one when its command is called or its help is shown, so that no other command's
settings are imported.
"""

from collections.abc import Callable

from frameweave.cli.calling import call
from frameweave.cli.commands import BY_NAME
from frameweave.cli.flags import function_of


def __getattr__(name: str) -> Callable[..., None]:
    command = BY_NAME.get(name)
    if command is None:
        raise AttributeError(name)

    def called(*inputs: object, **flags: object) -> None:
        call(command, inputs, flags)

    return function_of(command, called)
