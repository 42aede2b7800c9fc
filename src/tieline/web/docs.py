"""The documentation as web pages without outside assets: guides, both APIs, and a page for each problem."""

import asyncio
import re
from base64 import b64encode
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from html import escape
from typing import Any
from urllib.parse import parse_qs

import msgspec

from tieline import __version__, problems
from tieline.dialect.answer import describe
from tieline.web import element_openapi, pages
from tieline.web.request import Request
from tieline.web.respond import Answer
from tieline.web.server import Server
from tieline.wire import accept
from tieline.wire.scopes import SCOPES

# The longest text of a search; the search box sends no more.
WORDS_CHARACTERS_MAX = 200
# So much of the query is read. A character takes up to twelve bytes of it.
QUERY_BYTES_MAX = 3_000

Json = dict[str, Any]


def is_asked_by_a_browser(request: Request) -> bool:
    """Tell whether the client asks for a page at the service's address, not for the description of the API there."""
    if request.path != "/" or request.method not in {"GET", "HEAD"}:
        return False
    return accept.best(request.header(b"accept") or "", ["application/json", "text/html"]) == "text/html"


def welcome() -> Answer:
    """Lead a browser to the first page."""
    return Answer(303, (("location", "/docs"), ("vary", "accept")))


async def index(_server: Server, _request: Request) -> Answer:
    """The first page."""
    return await _made(lambda: _guide("start"))


async def guide(_server: Server, request: Request) -> Answer:
    """A guide as a page.

    Raises:
        Problem: 404, there is no guide of this name.
    """
    name = request.parameters["name"].removesuffix(".md")
    if name == pages.REFERENCE:
        return await _made(_reference)
    if name not in pages.GUIDES:
        raise problems.endpoint_not_found(request.path)
    return await _made(lambda: _guide(name))


async def search(_server: Server, request: Request) -> Answer:
    """The sections of all guides that have the words of the parameter `q`."""
    given = parse_qs(request.query[:QUERY_BYTES_MAX].decode("latin-1")).get("q", [""])
    words = given[0][:WORDS_CHARACTERS_MAX].strip()
    return await _made(lambda: pages.frame("Search", pages.results(words), words=words))


async def problem(_server: Server, request: Request) -> Answer:
    """The page of a problem, whose address is the problem's `type`.

    Raises:
        Problem: 404, there is no problem of this name.
    """
    slug = request.parameters["slug"]
    if slug not in problems.TITLES:
        raise problems.endpoint_not_found(request.path)
    return await _made(lambda: _problem(slug))


async def element_description(_server: Server, _request: Request) -> Answer:
    """The OpenAPI document of the element face."""
    return Answer(200, (("content-type", "application/json"),), _element_description())


@cache
def _element_description() -> bytes:
    return msgspec.json.encode(element_openapi.describe())


@cache
def _headers() -> tuple[tuple[str, str], ...]:
    """The pages load nothing from elsewhere, run no scripts, and cannot be framed."""
    style = b64encode(sha256(pages.style().encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return (
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", policy),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
    )


async def _made(make: Callable[[], str]) -> Answer:
    """A page, made beside the event loop: the first time, all guides are read, for up to a second."""
    page = await asyncio.to_thread(make)
    return Answer(200, _headers(), page.encode())


@cache
def _guide(name: str) -> str:
    page = pages.guide(name)
    return pages.frame(page.title, page.html, name)


@cache
def _reference() -> str:
    apis = (
        "<h1>Reference</h1>"
        + _api(element_openapi.describe(), "/api/v2/openapi.json")
        + _api(describe(frozenset(SCOPES), __version__), "/")
    )
    return pages.frame("Reference", apis, pages.REFERENCE)


@cache
def _problem(slug: str) -> str:
    section = re.search(rf"^## {slug}\n(.*?)(?=^## |\Z)", pages.source("errors"), re.MULTILINE | re.DOTALL)
    assert section is not None, "a test holds the problems and their sections together"
    title = problems.TITLES[slug]
    body = f"<h1>{escape(title)}</h1><p><code>{slug}</code></p>{pages.render(section[1])}"
    return pages.frame(title, body, "errors")


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
        f"OpenAPI: <code>GET {address}</code></p>"
        f"<table><tr><th>method</th><th>path</th><th>purpose</th><th>parameters</th></tr>{''.join(rows)}</table>"
    )


def _parameters(operation: Json) -> str:
    names = [
        parameter.get("name") or parameter["$ref"].rpartition("/")[2] for parameter in operation.get("parameters", [])
    ]
    return " ".join(f"<code>{escape(name)}</code>" for name in names)
