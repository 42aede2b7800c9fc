"""A cursor over a text, and the rules that all parts of the grammar share: names, quoted values, fields."""

import re
from dataclasses import dataclass

from tieline.dialect.request.syntax import Field, JsonStep

# A name may hold letters of any script, ASCII digits, _, $ and inner spaces; anything else has to be quoted.
_IDENTIFIER = re.compile(r"(?:[^\W\d_]|[0-9_ $])+")
_JSON_KEY = re.compile(r"[^(\-:.,>)]+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_INDEX = re.compile(r"-?[0-9]+(?=->|::|\.|,|\Z)")
_SPACES = re.compile(r"[ \t]*")

FIELD_NAME = "field name (* or [a..z0..9_$])"


@dataclass(eq=False)
class UnreadableError(Exception):
    """The text does not fit the grammar at this position. `expecting` says what would fit there."""

    position: int
    expecting: str


@dataclass(slots=True)
class Cursor:
    """A text and the position up to which it is read."""

    text: str
    position: int = 0

    @property
    def is_at_end(self) -> bool:
        return self.position == len(self.text)

    def next_is(self, piece: str) -> bool:
        """True if this piece comes next. It is not consumed."""
        return self.text.startswith(piece, self.position)

    def take(self, piece: str) -> bool:
        """Consume the piece if it comes next."""
        if self.text.startswith(piece, self.position):
            self.position += len(piece)
            return True
        return False

    def match(self, pattern: re.Pattern[str]) -> str | None:
        """Consume the text that the pattern matches here."""
        found = pattern.match(self.text, self.position)
        if found is None:
            return None
        self.position = found.end()
        return found.group()

    def expect(self, piece: str, expecting: str | None = None) -> None:
        """Consume the piece. The text does not fit the grammar if another comes next."""
        if not self.take(piece):
            raise UnreadableError(self.position, expecting or f'"{piece}"')

    def skip_spaces(self) -> None:
        """Consume spaces and tabs."""
        self.match(_SPACES)

    def end(self, expecting: str) -> None:
        """The text does not fit the grammar if anything is left of it."""
        if not self.is_at_end:
            raise UnreadableError(self.position, expecting)


def quoted_value(cursor: Cursor) -> str:
    r"""A value in double quotes. A backslash in it takes the next character literally.

    >>> quoted_value(Cursor(r'"a \"b\" \\ c"'))
    'a "b" \\ c'
    """
    found = cursor.match(_QUOTED)
    if found is None:
        raise UnreadableError(len(cursor.text), '"\\"\\""')
    return _ESCAPE.sub(r"\1", found[1:-1]) if "\\" in found else found[1:-1]


def identifier(cursor: Cursor) -> str | None:
    """Letters, digits, _, $ and inner spaces. Outer spaces are dropped.

    >>> identifier(Cursor(" a name ,b"))
    'a name'
    """
    found = cursor.match(_IDENTIFIER)
    return None if found is None else found.strip()


def _dashed(cursor: Cursor, pattern: re.Pattern[str], expecting: str) -> str:
    """Pieces joined by dashes, up to an arrow."""
    pieces: list[str] = []
    while True:
        found = cursor.match(pattern)
        if found is None:
            raise UnreadableError(cursor.position, expecting)
        pieces.append(found.strip())
        if not cursor.next_is("-") or cursor.next_is("->"):
            return "-".join(pieces)
        cursor.position += 1


def field_name(cursor: Cursor) -> str:
    """A column's or relation's name.

    >>> field_name(Cursor("entity-id->x")), field_name(Cursor('"a.b"'))
    ('entity-id', 'a.b')
    """
    return quoted_value(cursor) if cursor.next_is('"') else _dashed(cursor, _IDENTIFIER, FIELD_NAME)


def json_steps(cursor: Cursor) -> tuple[JsonStep, ...]:
    """The arrows behind a column.

    >>> [(s.key, s.is_index, s.is_text) for s in json_steps(Cursor("->tags->>-1"))]
    [('tags', False, False), ('-1', True, True)]
    """
    steps: list[JsonStep] = []
    while cursor.take("->"):
        is_text = cursor.take(">")
        index = cursor.match(_INDEX)
        if index is not None:
            steps.append(JsonStep(index, is_index=True, is_text=is_text))
            continue
        key = (
            quoted_value(cursor)
            if cursor.next_is('"')
            else _dashed(cursor, _JSON_KEY, "any non reserved character different from: .,>()")
        )
        steps.append(JsonStep(key, is_index=False, is_text=is_text))
    return tuple(steps)


def field(cursor: Cursor) -> Field:
    """A column with the path into its JSON, if there is one. Spaces around it are ignored.

    >>> field(Cursor(" metadata->retry "))
    Field(name='metadata', steps=(JsonStep(key='retry', is_index=False, is_text=False),))
    """
    cursor.skip_spaces()
    name = field_name(cursor)
    steps = json_steps(cursor)
    cursor.skip_spaces()
    return Field(name, steps)


def comma(cursor: Cursor) -> bool:
    """Consume a comma with the spaces around it, if one comes next."""
    start = cursor.position
    cursor.skip_spaces()
    if cursor.take(","):
        cursor.skip_spaces()
        return True
    cursor.position = start
    return False


def names(cursor: Cursor) -> tuple[str, ...]:
    """Names, separated by commas.

    >>> names(Cursor('id , "b c"'))
    ('id', 'b c')
    """
    found = [field_name(cursor)]
    while comma(cursor):
        found.append(field_name(cursor))
    return tuple(found)
