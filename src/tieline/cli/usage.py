"""Wrong usage: one sentence for each mistake, with the nearest names for a mistyped one."""

from collections.abc import Iterable
from itertools import chain

from cyclopts import App, CycloptsError, UnknownCommandError, UnknownOptionError, UnusedCliTokensError, ValidationError
from rich.text import Text

from tieline.wire.nearest import did_you_mean


def explain(error: CycloptsError) -> Text:
    """The sentence for a mistake."""
    return Text(_sentence(error))


def require_no_option(_type: object, value: str) -> None:
    """Refuse a mistyped option where a name is expected; a single hyphen is a name (standard input).

    Raises:
        ValueError: the name begins with two hyphens.
    """
    if value.startswith("--"):
        raise ValueError(value)


def _sentence(error: CycloptsError) -> str:
    match error:
        case UnknownCommandError():
            return _unknown_command(error)
        case UnknownOptionError():
            options = chain.from_iterable(one.names for one in error.argument_collection if one.parse)
            return _unknown_option(error.token.keyword or error.token.value, options)
        case ValidationError() if error.app is not None and isinstance(error.__cause__, ValueError):
            options = chain.from_iterable(one.names for one in error.app.assemble_argument_collection())
            return _unknown_option(str(error.__cause__), options)
        case UnusedCliTokensError():
            surplus = " ".join(error.unused_tokens or [])
            return f"There is no place for {surplus!r} in this command; --help shows its form."
        case _:
            return str(error)


def _unknown_command(error: CycloptsError) -> str:
    assert error.unused_tokens, "an unknown command is a token that is left over"
    assert error.app is not None, "the parser names the app that was asked"
    given = error.unused_tokens[0]
    names = [name for name in error.app if not name.startswith("-") and _is_shown(error.app, name)]
    return f"There is no command {given!r}.{did_you_mean(given, names)} The commands are {', '.join(names)}."


def _is_shown(app: App, name: str) -> bool:
    return bool(app[name].show)


def _unknown_option(given: str, options: Iterable[str]) -> str:
    name = given.split("=", 1)[0]
    names = [option for option in options if option.startswith("-")]
    return f"There is no option {name}.{did_you_mean(name, names)} --help shows them all."
