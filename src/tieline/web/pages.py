"""The documentation's Markdown as HTML pages, and the search over their sections. Pure: no request, no server."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib import resources
from itertools import pairwise
from typing import Any, cast

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.anchors import anchors_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name  # pyright: ignore[reportUnknownVariableType]
from pygments.util import ClassNotFound

from tieline import __version__

# The guides in the order of the menu, with their names there.
GUIDES: Mapping[str, str] = {
    "start": "Start",
    "recipes": "Recipes",
    "mapping-api": "The mapping face",
    "element-api": "The element face",
    "errors": "Problems",
    "import-export": "Import and export",
    "install": "Installation",
    "operations": "Operations",
    "from-carbon": "From Carbon",
    "from-kordiam": "From Kordiam",
}
REFERENCE = "reference"
# A word of a heading tells more about a section than a word of its text.
TITLE_WEIGHT = 10
HITS_MAX = 30
WORDS_MAX = 10
EXCERPT_CHARACTERS = 160
# Languages of our code blocks that have another name in Pygments. A `http` block holds a request and its answer, which
# the lexer of HTTP takes for one message.
LEXERS = {"http": "text", "sh": "bash"}
LIGHT, DARK = "default", "github-dark"
# The parts of a line that a reader sees.
_SHOWN = frozenset({"text", "code_inline", "softbreak"})
# Pygments has no types of its own.
lexer_named = cast(Callable[[str], Lexer], get_lexer_by_name)
formatter = cast(Callable[..., Any], HtmlFormatter)


@dataclass(frozen=True)
class Section:
    """A heading of a page and the text below it, for the search."""

    page: str
    anchor: str
    title: str
    text: str
    # Title and text as the search compares them.
    folded: tuple[str, str]


@dataclass(frozen=True)
class Page:
    """A guide: its title, its HTML and its sections."""

    title: str
    html: str
    sections: Sequence[Section]


@dataclass(frozen=True)
class Hit:
    """A section that has all words of a search, and the part of its text around the first of them."""

    section: Section
    excerpt: str


@cache
def guide(name: str) -> Page:
    """A guide as a page; `name` is one of `GUIDES`."""
    text = source(name)
    tokens = _markdown().parse(text)
    sections = list(_sections(name, tokens))
    return Page(sections[0].title, render(text), sections)


def source(name: str) -> str:
    """The Markdown of a guide."""
    return resources.files("tieline").joinpath("docs", f"{name}.md").read_text(encoding="utf-8")


def render(markdown: str) -> str:
    """Markdown as HTML, with an anchor on each heading; links between guides lead to their pages."""
    html = str(_markdown().render(markdown))
    return re.sub(r'href="(?:docs/)?([a-z-]+)\.md(#[^"]*)?"', r'href="/docs/\1\2"', html)


def search(words: str) -> list[Hit]:
    """The sections that have all of the words, those with words in their heading first."""
    wanted = words.casefold().split()[:WORDS_MAX]
    found: list[tuple[int, Hit]] = []
    for section in (section for name in GUIDES for section in guide(name).sections):
        title, text = section.folded
        weights = [TITLE_WEIGHT * title.count(word) + text.count(word) for word in wanted]
        if wanted and all(weights):
            found.append((sum(weights), Hit(section, _excerpt(section.text, wanted[0]))))
    found.sort(key=lambda one: -one[0])
    return [hit for _, hit in found[:HITS_MAX]]


@cache
def style() -> str:
    """The stylesheet of all pages: ours, and the colours of code by day and by night."""
    ours = resources.files("tieline.web").joinpath("docs.css").read_text(encoding="utf-8")
    light, dark = (str(formatter(style=name).get_style_defs("pre")) for name in (LIGHT, DARK))
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n{ours}"


def frame(title: str, body: str, current: str = "", words: str = "") -> str:
    """A whole page around a body. `current`: the guide that the menu marks. `words`: those of the search box."""
    pages = {**GUIDES, REFERENCE: "Reference"}
    links = "".join(_menu_link(name, label, is_current=name == current) for name, label in pages.items())
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)} · Tieline</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style()}</style></head><body>'
        f'<header><a href="/docs"><strong>Tieline</strong> {__version__}</a>'
        '<form action="/docs/search" role="search"><input type="search" name="q" maxlength="200" '
        f'placeholder="Search all pages" aria-label="Search all pages" value="{escape(words)}"></form></header>'
        f'<nav aria-label="Pages">{links}</nav><main>{body}</main></body></html>'
    )


def results(words: str) -> str:
    """The body of the page with the hits of a search."""
    hits = search(words)
    if not hits:
        return "<h1>Search</h1><p>No section has all of these words. Fewer or shorter words find more.</p>"
    rows = "".join(
        f'<li><a href="/docs/{hit.section.page}#{hit.section.anchor}">{escape(hit.section.title)}</a> '
        f"<small>{escape(GUIDES[hit.section.page])}</small><p>{_marked(hit.excerpt, words)}</p></li>"
        for hit in hits
    )
    return f'<h1>Search</h1><ol class="hits">{rows}</ol>'


def _menu_link(name: str, label: str, *, is_current: bool) -> str:
    mark = ' aria-current="page"' if is_current else ""
    return f'<a href="/docs/{name}"{mark}>{escape(label)}</a>'


@cache
def _markdown() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False, "highlight": _highlighted}).enable("table")
    return reader.use(anchors_plugin, max_level=4, permalink=True, permalinkSymbol="#")


def _highlighted(code: str, language: str, _attributes: str) -> str:
    """A code block with its words in spans by their kind; empty, if there is no lexer: then it stays plain."""
    try:
        lexer = lexer_named(LEXERS.get(language, language))
    except ClassNotFound:
        return ""
    return f"<pre><code>{highlight(code, lexer, formatter(nowrap=True))}</code></pre>"


def _sections(page: str, tokens: Sequence[Token]) -> Iterator[Section]:
    starts = [at for at, token in enumerate(tokens) if token.type == "heading_open"]
    for start, end in pairwise([*starts, len(tokens)]):
        heading = tokens[start + 1]
        anchor = str(tokens[start].attrs.get("id", ""))
        title, text = _plain([heading]), _plain(tokens[start + 2 : end])
        yield Section(page, anchor, title, text, (title.casefold(), text.casefold()))


def _plain(tokens: Iterable[Token]) -> str:
    """The text of tokens without marks, links and the permalink of a heading."""
    words: list[str] = []
    for token in tokens:
        if token.type == "inline":
            shown = (child for child in token.children or () if child.type in _SHOWN)
            words.append("".join(" " if child.type == "softbreak" else child.content for child in shown))
        elif token.type in {"fence", "code_block"}:
            words.append(token.content)
    return re.sub(r"\s+", " ", " ".join(words)).strip().removesuffix(" #")


def _excerpt(text: str, word: str) -> str:
    at = max(0, text.casefold().find(word))
    start = max(0, text.rfind(" ", 0, max(0, at - EXCERPT_CHARACTERS // 2)) + 1)
    excerpt = text[start : start + EXCERPT_CHARACTERS]
    return excerpt if excerpt == text[start:] else f"{excerpt.rpartition(' ')[0] or excerpt} …"


def _marked(excerpt: str, words: str) -> str:
    """The excerpt as HTML with the words of the search marked."""
    pattern = "|".join(re.escape(word) for word in words.split()[:WORDS_MAX])
    parts = re.split(f"({pattern})", excerpt, flags=re.IGNORECASE)
    return "".join(f"<mark>{escape(part)}</mark>" if at % 2 else escape(part) for at, part in enumerate(parts))
