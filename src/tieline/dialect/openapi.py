"""The OpenAPI 3.1 description of the mapping face, made from the catalogue and the caller's scopes."""

from collections.abc import Collection, Mapping
from typing import Any

from tieline.dialect.catalogue import RESOURCES, Argument, Column, Function, Resource
from tieline.dialect.functions import FUNCTIONS

Json = dict[str, Any]

# The JSON that PostgreSQL makes of the types of our columns.
_SCHEMAS: Mapping[str, Json] = {
    "text": {"type": "string"},
    "boolean": {"type": "boolean"},
    "timestamptz": {"type": "string", "format": "date-time"},
    "bigint": {"type": "integer", "format": "int64"},
    "jsonb": {"description": "Any JSON value."},
    "text[]": {"type": "array", "items": {"type": "string"}},
    "integer": {"type": "integer"},
    "double precision": {"type": "number"},
    "mapping[]": {"type": "array", "items": {"$ref": "#/components/schemas/externalIntegrationMappingWrite"}},
}
_MADE_BY_THE_SERVER = frozenset({"createdAt", "updatedAt", "createdBy", "updatedBy"})

_SHARED_PARAMETERS: Mapping[str, tuple[str, str, str]] = {
    "select": ("query", "select", "Columns, renamed (alias:column), cast (column::type), aggregated, or embedded."),
    "order": ("query", "order", "Columns with .asc or .desc and .nullsfirst or .nullslast, separated by commas."),
    "limit": ("query", "limit", "The largest number of rows to answer."),
    "offset": ("query", "offset", "The number of rows to skip."),
    "and": ("query", "and", "A tree of filters that must all hold: (a.eq.1,or(b.is.null,c.gt.2))."),
    "or": ("query", "or", "A tree of filters of which one must hold."),
    "columns": ("query", "columns", "Which keys of the body count; what a row lacks of them is null."),
    "onConflict": ("query", "on_conflict", "The columns of the unique key that resolution= is about."),
    "range": ("header", "Range", "Rows from-to, counted from 0."),
    "prefer": (
        "header",
        "Prefer",
        "return=, count=, resolution=, missing=, handling=, max-affected=, timezone=, tx=rollback.",
    ),
}
# Linters warn of components that nothing uses.
_OF_WRITES = frozenset({"columns", "onConflict"})


def _reference(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def _schema(type_: str, *, is_nullable: bool) -> Json:
    schema = dict(_SCHEMAS.get(type_, {}))
    if is_nullable and "type" in schema:
        schema["type"] = [schema["type"], "null"]
    return schema


def _row(columns: Collection[Column], required: Collection[str]) -> Json:
    schema: Json = {
        "type": "object",
        "properties": {
            c.name: _schema(c.type, is_nullable=c.is_nullable)
            | ({"readOnly": True} if c.name in _MADE_BY_THE_SERVER else {})
            for c in columns
        },
    }
    if required:
        schema["required"] = list(required)
    return schema


def _filter(column: Column) -> Json:
    return {
        "name": column.name,
        "in": "query",
        "required": False,
        "description": f"A filter on {column.name} ({column.type}): operator.value, such as eq.x, in.(a,b), is.null.",
        "schema": {"type": "string"},
    }


def _rows(schema: Json, description: str, *, may_be_empty: bool = False) -> Json:
    content: Json = {
        "application/json": {"schema": {"type": "array", "items": schema}},
        "application/vnd.pgrst.object+json": {"schema": schema},
        "text/csv": {"schema": {"type": "string"}},
    }
    if may_be_empty:
        # Generators make their code for the first type. No JSON can be read from an answer without content, text can.
        content = {"text/csv": content.pop("text/csv"), **content}
    return {
        "description": description,
        "headers": {
            "Content-Range": {"description": "Which rows of how many.", "schema": {"type": "string"}},
            "Preference-Applied": {"description": "The preferences that counted.", "schema": {"type": "string"}},
        },
        "content": content,
    }


def _operation(name: str, verb: str, summary: str, parameters: list[Json], responses: Json) -> Json:
    return {
        "operationId": f"{verb}_{name}",
        "summary": summary,
        "tags": [name],
        "parameters": parameters,
        "responses": {
            **responses,
            "4XX": _reference("responses", "Problem"),
            "default": _reference("responses", "Problem"),
        },
    }


def _shared(*names: str) -> list[Json]:
    return [_reference("parameters", name) for name in names]


def _with_body(operation: Json, row: Json) -> Json:
    # JSON alone: generators that know no CSV warn of it, and fail at one of several types with a list in it.
    description = "One row or several. Besides JSON, text/csv and application/x-www-form-urlencoded are read."
    content = {"application/json": {"schema": {"anyOf": [row, {"type": "array", "items": row}]}}}
    return {**operation, "requestBody": {"description": description, "required": True, "content": content}}


def _path(resource: Resource, *, may_write: bool) -> Json:
    name = resource.name
    row = _reference("schemas", name)
    given = _reference("schemas", f"{name}Write")
    filters = [_filter(c) for c in resource.columns.values()]
    rows = _rows(row, "The rows.")
    nothing: Json = {"204": {"description": "Done; return=representation answers the rows."}}
    told = "The rows with Prefer: return=representation, as in a page. Otherwise without content."
    inserted: Json = {"200": _rows(row, told, may_be_empty=True), "201": _rows(row, told, may_be_empty=True)}
    made: Json = {"200": rows, "201": rows}
    page = _shared("select", "order", "limit", "offset", "and", "or", "range", "prefer")
    path: Json = {"get": _operation(name, "read", f"Rows of {name}", [*filters, *page], {"200": rows, "206": rows})}
    if not (may_write and resource.is_writable):
        return path
    chosen = [*filters, *_shared("select", "order", "and", "or", "prefer")]
    identity = [{**_filter(c), "required": True} for c in resource.identity]
    path["post"] = _with_body(
        _operation(name, "insert", "Insert or upsert", _shared("select", "columns", "onConflict", "prefer"), inserted),
        given,
    )
    path["patch"] = _with_body(
        _operation(name, "update", "Change the rows of the filters", chosen, {"200": rows, **nothing}), given
    )
    path["put"] = _with_body(
        _operation(name, "put", "Upsert one row by its key", [*identity, *_shared("select", "prefer")], made | nothing),
        given,
    )
    path["delete"] = _operation(name, "delete", "Delete the rows of the filters", chosen, {"200": rows, **nothing})
    return path


def _argument(argument: Argument) -> Json:
    is_array = argument.type.endswith("[]")
    several = " A single one that itself is in braces or brackets goes by POST." if is_array else ""
    return {
        "name": argument.name,
        "in": "query",
        "required": argument.is_required,
        # An array is a parameter for each element.
        "schema": _SCHEMAS["text[]"] if is_array else {"type": "string"},
        "description": argument.type + "." + several,
    }


def _call(function: Function) -> Json:
    name = function.name
    row = _reference("schemas", f"{name}Result")
    rows = _rows(row, "The result.")
    if function.is_single:
        rows["content"]["application/json"] = {"schema": row}
    body = {"application/json": {"schema": _reference("schemas", f"{name}Arguments")}}
    result = _shared("select", "order", "limit", "offset", "prefer")
    path: Json = {
        "post": _operation(f"rpc_{name}", "call", function.description, result, {"200": rows})
        | {"requestBody": {"required": True, "content": body}}
    }
    if function.is_read_only:
        given = [*map(_argument, function.arguments), *result]
        path["get"] = _operation(f"rpc_{name}", "ask", function.description, given, {"200": rows})
    return path


def _function_schemas(function: Function) -> dict[str, Json]:
    """The arguments and the result of a function, by names: generators make a class of each."""
    arguments: Json = {
        "type": "object",
        "properties": {
            a.name: _SCHEMAS.get(a.type, {}) | ({"enum": list(a.words)} if a.words else {}) for a in function.arguments
        },
        "required": [a.name for a in function.arguments if a.is_required],
    }
    if function.ways:
        arguments["description"] = function.ways
    result = _row(function.columns.values(), ())
    return {f"{function.name}Arguments": arguments, f"{function.name}Result": result}


def _components(resources: Collection[Resource], functions: Collection[Function], *, may_write: bool) -> Json:
    schemas: Json = {}
    for function in functions:
        schemas |= _function_schemas(function)
    for resource in resources:
        columns = resource.columns.values()
        # None is required: select= chooses.
        schemas[resource.name] = _row(columns, ())
        if may_write and resource.is_writable:
            required = [c.name for c in columns if not c.is_nullable and c.default is None]
            schemas[f"{resource.name}Write"] = _row(columns, ()) | {
                "description": f"A new row gives {', '.join(required)}; a change gives what it changes."
            }
    text: Json = {"type": ["string", "null"]}
    schemas["Problem"] = {
        "type": "object",
        "properties": {"code": {"type": "string"}, "message": {"type": "string"}, "details": text, "hint": text},
        "required": ["code", "message", "details", "hint"],
    }
    problem = {"application/json": {"schema": _reference("schemas", "Problem")}}
    return {
        "schemas": schemas,
        "parameters": {
            key: {"name": name, "in": place, "required": False, "description": text_, "schema": {"type": "string"}}
            for key, (place, name, text_) in _SHARED_PARAMETERS.items()
            if may_write or key not in _OF_WRITES
        },
        "responses": {"Problem": {"description": "What was wrong.", "content": problem}},
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"},
            "apikey": {"type": "apiKey", "in": "header", "name": "apikey"},
        },
    }


def describe(scopes: Collection[str], version: str) -> Json:
    """The description for a caller with these scopes. Without api.write it contains no writes.

    >>> sorted(describe({"api.read"}, "1")["paths"]["/externalSystem"])
    ['get']
    """
    may_write = "api.write" in scopes
    functions = [f for f in FUNCTIONS.values() if f.is_read_only or may_write]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tieline: the mapping face",
            "version": version,
            "description": "Which record of yours is which record in every other system, in the PostgREST dialect.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        # Relative to the address of this document, so they hold behind every proxy.
        "servers": [{"url": "/"}, {"url": "/rest/v1", "description": "Where the Supabase clients look."}],
        "paths": {
            **{f"/{r.name}": _path(r, may_write=may_write) for r in RESOURCES.values()},
            **{f"/rpc/{f.name}": _call(f) for f in functions},
        },
        "components": _components(RESOURCES.values(), functions, may_write=may_write),
        "security": [{"bearer": []}, {"apikey": []}],
    }
