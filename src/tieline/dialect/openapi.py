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


def _rows(schema: Json, description: str) -> Json:
    return {
        "description": description,
        "headers": {
            "Content-Range": {"description": "Which rows of how many.", "schema": {"type": "string"}},
            "Preference-Applied": {"description": "The preferences that counted.", "schema": {"type": "string"}},
        },
        "content": {
            "application/json": {"schema": {"type": "array", "items": schema}},
            "application/vnd.pgrst.object+json": {"schema": schema},
            "text/csv": {"schema": {"type": "string"}},
        },
    }


def _operation(name: str, verb: str, summary: str, parameters: list[Json], responses: Json) -> Json:
    return {
        "operationId": f"{verb}_{name}",
        "summary": summary,
        "tags": [name],
        "parameters": parameters,
        "responses": {**responses, "default": _reference("responses", "Problem")},
    }


def _shared(*names: str) -> list[Json]:
    return [_reference("parameters", name) for name in names]


def _with_body(operation: Json, row: Json) -> Json:
    content = {
        "application/json": {"schema": {"oneOf": [row, {"type": "array", "items": row}]}},
        "text/csv": {"schema": {"type": "string"}},
        "application/x-www-form-urlencoded": {"schema": {"type": "object"}},
    }
    return {**operation, "requestBody": {"required": True, "content": content}}


def _path(resource: Resource, *, may_write: bool) -> Json:
    name = resource.name
    row = _reference("schemas", name)
    given = _reference("schemas", f"{name}Write")
    filters = [_filter(c) for c in resource.columns.values()]
    rows = _rows(row, "The rows.")
    nothing: Json = {"204": {"description": "Done; return=representation answers the rows."}}
    made: Json = {"200": rows, "201": rows}
    page = _shared("select", "order", "limit", "offset", "and", "or", "range", "prefer")
    path: Json = {"get": _operation(name, "read", f"Rows of {name}", [*filters, *page], {"200": rows, "206": rows})}
    if not (may_write and resource.is_writable):
        return path
    chosen = [*filters, *_shared("select", "order", "and", "or", "prefer")]
    identity = [{**_filter(c), "required": True} for c in resource.identity]
    path["post"] = _with_body(
        _operation(name, "insert", "Insert or upsert", _shared("select", "columns", "onConflict", "prefer"), made),
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
    return {
        "name": argument.name,
        "in": "query",
        "required": argument.is_required,
        "schema": {"type": "string"},
        "description": argument.type + ("; an array literal: {a,b}." if argument.type.endswith("[]") else ""),
    }


def _call(function: Function) -> Json:
    name = function.name
    row = _row(function.columns.values(), ())
    rows = _rows(row, "The result.")
    if function.is_single:
        rows["content"]["application/json"] = {"schema": row}
    body: Json = {
        "type": "object",
        "properties": {
            a.name: _SCHEMAS.get(a.type, {}) | ({"enum": list(a.words)} if a.words else {}) for a in function.arguments
        },
        "required": [a.name for a in function.arguments if a.is_required],
    }
    result = _shared("select", "order", "limit", "offset", "prefer")
    path: Json = {
        "post": _operation(f"rpc_{name}", "call", function.description, result, {"200": rows})
        | {"requestBody": {"required": True, "content": {"application/json": {"schema": body}}}}
    }
    if function.is_read_only:
        given = [*map(_argument, function.arguments), *result]
        path["get"] = _operation(f"rpc_{name}", "ask", function.description, given, {"200": rows})
    return path


def _components(resources: Collection[Resource]) -> Json:
    schemas: Json = {}
    for resource in resources:
        columns = resource.columns.values()
        schemas[resource.name] = _row(columns, [c.name for c in columns if not c.is_nullable])
        if resource.is_writable:
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
        },
        "paths": {
            **{f"/{r.name}": _path(r, may_write=may_write) for r in RESOURCES.values()},
            **{f"/rpc/{f.name}": _call(f) for f in functions},
        },
        "components": _components(RESOURCES.values()),
        "security": [{"bearer": []}, {"apikey": []}],
    }
