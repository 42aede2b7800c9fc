"""The documentation as web pages without outside assets: guides, both APIs, and a page for each problem."""

import re
from functools import cache
from html import escape
from importlib import resources
from typing import Any

import msgspec
from markdown_it import MarkdownIt

from tieline import __version__, problems
from tieline.dialect.answer import describe
from tieline.web import element_openapi
from tieline.web.request import Request
from tieline.web.respond import Answer
from tieline.web.server import Server
from tieline.wire.scopes import SCOPES

GUIDES = {
    "element-api": "The element face",
    "errors": "Problems",
    "mapping-api": "The mapping face",
    "import-export": "Import and export",
    "operations": "Operations",
}
# The pages load nothing from elsewhere, run no scripts, and cannot be framed.
SECURITY = (
    (
        "content-security-policy",
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
)
HTML = (("content-type", "text/html; charset=utf-8"), *SECURITY)
STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1rem 1.25rem 4rem }
nav a { margin-right: 1.2rem } h1 { line-height: 1.2 } h2 { margin-top: 2.2rem }
pre, code { font: 0.88em/1.45 ui-monospace, monospace } pre { overflow-x: auto; padding: .8rem; border-radius: .4rem }
pre, th { background: color-mix(in srgb, currentColor 8%, transparent) }
table { border-collapse: collapse; display: block; overflow-x: auto; margin: 1rem 0 }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem }
th, td { border: 1px solid color-mix(in srgb, currentColor 20%, transparent) }
"""

Json = dict[str, Any]


async def index(_server: Server, _request: Request) -> Answer:
    """Both faces at a glance."""
    return Answer(200, HTML, _index().encode())


async def guide(_server: Server, request: Request) -> Answer:
    """A guide as a page.

    Raises:
        Problem: 404, there is no guide of this name.
    """
    name = request.parameters["name"].removesuffix(".md")
    if name not in GUIDES:
        raise problems.endpoint_not_found(request.path)
    return Answer(200, HTML, _guide(name).encode())


async def problem(_server: Server, request: Request) -> Answer:
    """The page of a problem, whose address is the problem's `type`.

    Raises:
        Problem: 404, there is no problem of this name.
    """
    slug = request.parameters["slug"]
    if slug not in problems.TITLES:
        raise problems.endpoint_not_found(request.path)
    return Answer(200, HTML, _problem(slug).encode())


async def element_description(_server: Server, _request: Request) -> Answer:
    """The OpenAPI document of the element face."""
    return Answer(200, (("content-type", "application/json"),), _element_description())


@cache
def _element_description() -> bytes:
    return msgspec.json.encode(element_openapi.describe())


@cache
def _index() -> str:
    mapping_face = describe(frozenset(SCOPES), __version__)
    return _page(
        "Tieline",
        "<p>Which record of yours is which record in every other system.</p>"
        + _api(element_openapi.describe(), "/api/v2/openapi.json")
        + _api(mapping_face, "/"),
    )


@cache
def _guide(name: str) -> str:
    text = resources.files("tieline").joinpath("docs", f"{name}.md").read_text(encoding="utf-8")
    return _page(GUIDES[name], _rendered(text))


@cache
def _problem(slug: str) -> str:
    text = resources.files("tieline").joinpath("docs", "errors.md").read_text(encoding="utf-8")
    section = re.search(rf"^## {slug}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section is not None, "a test holds the problems and their sections together"
    return _page(problems.TITLES[slug], f"<p><code>{slug}</code></p>{_rendered(section[1])}")


def _rendered(markdown: str) -> str:
    """Markdown as HTML, with an anchor on each heading; links between guides lead to their pages."""
    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    html = re.sub(r"<(h[2-4])>(.*?)</\1>", _anchored, html)
    return re.sub(r'href="(?:docs/)?([a-z-]+)\.md(#[^"]*)?"', r'href="/docs/\1\2"', html)


def _anchored(heading: re.Match[str]) -> str:
    anchor = re.sub(r"[^a-z0-9-]+", "-", re.sub(r"<[^>]*>", "", heading[2]).lower()).strip("-")
    return f'<{heading[1]} id="{anchor}">{heading[2]}</{heading[1]}>'


def _api(document: Json, address: str) -> str:
    rows = [
        f"<tr><td><code>{method.upper()}</code></td><td><code>{escape(path)}</code></td>"
        f"<td>{escape(operation.get('summary', ''))}</td><td>{_parameters(operation)}</td></tr>"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method != "parameters"
    ]
    return (
        f"<h2>{escape(document['info']['title'])}</h2><p>{escape(document['info'].get('description', ''))} "
        f'OpenAPI: <a href="{address}"><code>{address}</code></a></p>'
        f"<table><tr><th>method</th><th>path</th><th></th><th>parameters</th></tr>{''.join(rows)}</table>"
    )


def _parameters(operation: Json) -> str:
    names = [
        parameter.get("name") or parameter["$ref"].rpartition("/")[2] for parameter in operation.get("parameters", [])
    ]
    return " ".join(f"<code>{escape(name)}</code>" for name in names)


def _page(title: str, body: str) -> str:
    links = "".join(f'<a href="/docs/{name}">{escape(label)}</a>' for name, label in GUIDES.items())
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        f'<nav><a href="/docs">Tieline {__version__}</a>{links}</nav><h1>{escape(title)}</h1>{body}</body></html>'
    )
