"""What is wrong with a command line that could not be read, in plain words."""

from cyclopts import CoercionError, CycloptsError, MissingArgumentError, UnusedCliTokensError
from cyclopts.argument import Argument

from frameweave.cli.commands import BY_NAME

_FLAG = "--"


def told(error: CycloptsError) -> tuple[str, str]:
    """What was found and expected, and what to do."""
    called = " ".join(error.command_chain or ())
    command = BY_NAME.get(called)
    help_ = f"see frameweave {called} --help"
    example = f"for example: frameweave {command.example}" if command else help_
    if isinstance(error, UnusedCliTokensError):
        found = ", ".join(error.unused_tokens or ())
        prompts = command is not None and any(one.name.startswith("prompt") for one in command.inputs)
        hint = 'put a prompt in quotes: "a red car"' if prompts else help_
        return f"{found}: not expected here", hint
    argument: Argument | None = getattr(error, "argument", None)
    if argument is None:
        return _line(str(error)), ""
    about = argument.parameter.help or ""
    if isinstance(error, MissingArgumentError):
        if not argument.name.startswith(_FLAG):
            return f"{argument.name} is missing: {_line(about)}".rstrip("."), example
        return f"{argument.name}: nothing behind it, expected a value", example
    if isinstance(error, CoercionError) and error.target_type is bool and error.token is not None:
        names = " or ".join(name for name in argument.names if name.startswith(_FLAG))
        return f"{argument.name} is {error.token.value}, expected nothing behind it", f"give {names}"
    return _line(str(error)), ""


def _line(text: str) -> str:
    return " ".join(text.split())
