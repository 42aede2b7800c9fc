"""Kordiam's Element External Systems: elements, and linking, unlinking and listing their external systems."""

from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from tieline import problems
from tieline.problems import FieldError
from tieline.store import elements, mappings
from tieline.store.mappings import Link, Unlink
from tieline.web import cursor, decode
from tieline.web.auth import Caller, require_scope
from tieline.web.request import Request
from tieline.web.respond import Answer
from tieline.web.server import Server

JSON = (("content-type", "application/json"),)
PAGE_SIZE, PAGE_SIZE_MAX = 20, 100
LIST_PARAMETERS = frozenset({"cursor", "size", "externalId", "systemUrl"})

T = TypeVar("T")


class NewElement(msgspec.Struct, forbid_unknown_fields=True):
    """A body of POST elements."""

    title: str
    # 7.0 is a whole number to JSON.
    id: int | float | UnsetType = UNSET


class ElementChange(msgspec.Struct, forbid_unknown_fields=True):
    """A body of PATCH: a field that is left out stays as it is."""

    title: str | UnsetType = UNSET


class ExternalElement(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """The record in the external system. A field that is left out stays as it is, null clears it."""

    external_id: str | UnsetType | None = UNSET
    link: str | UnsetType | None = UNSET


class LinkRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A body of link, in its nested or its flat form."""

    external_element: ExternalElement | UnsetType = UNSET
    external_id: str | UnsetType | None = UNSET
    link: str | UnsetType | None = UNSET
    system_url: str | UnsetType = UNSET


class UnlinkRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A body of unlink; a `systemUrl` of null means the historical binding."""

    system_url: str | UnsetType | None = UNSET


class ElementPage(msgspec.Struct, rename="camel", omit_defaults=True):
    """A page of elements; `size` is the requested one."""

    content: msgspec.Raw
    size: int
    has_more: bool
    next_cursor: str | UnsetType = UNSET


async def list_elements(server: Server, request: Request, caller: Caller) -> Answer:
    """A page of the company's elements by their ids, or those with an external id."""
    require_scope(caller, "api.read")
    values = decode.query(request, LIST_PARAMETERS)
    size = decode.query_integer(values, "size", PAGE_SIZE, PAGE_SIZE_MAX)
    last_id = cursor.decode(caller.company_id, values["cursor"]) if "cursor" in values else 0
    session = caller.session(request)
    external_id, system_url = values.get("externalId"), values.get("systemUrl")
    if external_id is not None:
        page = await elements.list_by_external_id(server.connections, session, last_id, size, external_id, system_url)
    elif system_url is not None:
        raise problems.missing_parameter("externalId", "systemUrl names the system of externalId; give externalId too.")
    else:
        page = await elements.list_after(server.connections, session, last_id, size)
    following = UNSET if page.last_id is None else cursor.encode(caller.company_id, page.last_id)
    body = ElementPage(msgspec.Raw(page.content), size, page.last_id is not None, following)
    return Answer(200, JSON, msgspec.json.encode(body))


async def add_element(server: Server, request: Request, caller: Caller) -> Answer:
    """Register an element."""
    require_scope(caller, "api.write")
    given = await decode.body(request, server, NewElement)
    decode.check_text("title", given.title, decode.TITLE_LENGTH_MAX)
    element_id = None if given.id is UNSET else decode.body_id(given.id)
    body = await elements.add(server.connections, caller.session(request), element_id, given.title)
    made: dict[str, object] = msgspec.json.decode(body)
    return Answer(201, (*JSON, ("location", f"{request.path.rstrip('/')}/{made['id']}")), body)


async def get_element(server: Server, request: Request, caller: Caller) -> Answer:
    """One element."""
    require_scope(caller, "api.read")
    element_id = decode.element_id(request.parameters["id"])
    body = await elements.find(server.connections, caller.session(request), element_id)
    return Answer(200, JSON, _there(body, element_id))


async def change_element(server: Server, request: Request, caller: Caller) -> Answer:
    """Change the fields of an element that are given."""
    require_scope(caller, "api.write")
    element_id = decode.element_id(request.parameters["id"])
    given = await decode.body(request, server, ElementChange)
    title = None if given.title is UNSET else given.title
    if title is not None:
        decode.check_text("title", title, decode.TITLE_LENGTH_MAX)
    body = await elements.change(server.connections, caller.session(request), element_id, title)
    return Answer(200, JSON, _there(body, element_id))


async def remove_element(server: Server, request: Request, caller: Caller) -> Answer:
    """Delete an element with its mappings."""
    require_scope(caller, "api.write")
    element_id = decode.element_id(request.parameters["id"])
    if not await elements.remove(server.connections, caller.session(request), element_id):
        raise problems.element_not_found(element_id)
    return Answer(204)


async def list_bindings(server: Server, request: Request, caller: Caller) -> Answer:
    """The bindings of an element, oldest first."""
    require_scope(caller, "api.read")
    element_id = decode.element_id(request.parameters["id"])
    body = await mappings.list_of_element(server.connections, caller.session(request), element_id)
    return Answer(200, JSON, _there(body, element_id))


async def link(server: Server, request: Request, caller: Caller) -> Answer:
    """Create or update the element's binding in a system."""
    require_scope(caller, "api.write")
    element_id = decode.element_id(request.parameters["id"])
    given = await decode.body(request, server, LinkRequest)
    wanted = _wanted_link(given)
    return Answer(200, JSON, await mappings.link(server.connections, caller.session(request), element_id, wanted))


async def unlink(server: Server, request: Request, caller: Caller) -> Answer:
    """Delete the element's binding in a system; the answer is the binding as it was."""
    require_scope(caller, "api.write")
    element_id = decode.element_id(request.parameters["id"])
    given = await decode.body(request, server, UnlinkRequest, default=UnlinkRequest())
    _check_system_url(given.system_url)
    wanted = Unlink(_value(given.system_url), historical=given.system_url is None)
    return Answer(200, JSON, await mappings.unlink(server.connections, caller.session(request), element_id, wanted))


def _wanted_link(given: LinkRequest) -> Link:
    """The nested and the flat form as one.

    Raises:
        Problem: 400, both forms at once, neither field, or a field that is not valid.
    """
    is_flat = given.external_id is not UNSET or given.link is not UNSET
    nested, prefix = given.external_element, "externalElement."
    if nested is UNSET:
        nested, prefix = ExternalElement(given.external_id, given.link), ""
    elif is_flat:
        message = "Give externalId and link inside externalElement or beside it, not both."
        raise problems.validation_failed(FieldError("body", "externalElement", "two-forms", message))
    _check_system_url(given.system_url)
    external_id, address = nested.external_id, nested.link
    if external_id is UNSET and address is UNSET:
        message = "At least one of externalId and link is needed."
        raise problems.validation_failed(FieldError("body", prefix + "externalId", "missing", message))
    if isinstance(external_id, str):
        decode.check_text(prefix + "externalId", external_id, decode.EXTERNAL_ID_LENGTH_MAX)
    if isinstance(address, str):
        decode.check_link(prefix + "link", address)
    return Link(
        system_url=_value(given.system_url),
        external_id=_value(external_id),
        has_external_id=external_id is not UNSET,
        link=_value(address),
        has_link=address is not UNSET,
    )


def _check_system_url(given: str | UnsetType | None) -> None:
    if isinstance(given, str):
        decode.check_not_blank("systemUrl", given)


def _value(given: T | UnsetType | None) -> T | None:
    return None if given is UNSET else given


def _there(body: bytes | None, element_id: int) -> bytes:
    if body is None:
        raise problems.element_not_found(element_id)
    return body
