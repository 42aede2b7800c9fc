"""Syntax → a tree of branches: the root and its embedded resources, each with its filters, order and span."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tieline.dialect import problems
from tieline.dialect.catalogue import RELATIONSHIPS, RESOURCES, Relationship, Resource
from tieline.dialect.request.syntax import (
    Filter,
    Logic,
    OrderTerm,
    Path,
    Query,
    SelectField,
    SelectItem,
    SelectRelation,
    Span,
)


@dataclass(slots=True)
class Branch:
    """The root or an embedded resource, with the filters, order and span that the query has for it."""

    name: str
    resource: Resource
    depth: int
    items: tuple[SelectField, ...]
    children: list["Branch"]
    alias: str | None = None
    relationship: Relationship | None = None
    is_inner: bool = False
    is_spread: bool = False
    filters: list[Filter | Logic] = field(default_factory=list[Filter | Logic])
    order: tuple[OrderTerm, ...] = ()
    span: Span | None = None

    @property
    def output_name(self) -> str:
        return self.alias or self.name

    @property
    def table_alias(self) -> str:
        """The name that PostgreSQL's errors have for the rows."""
        return self.resource.name if self.depth == 0 else f"{self.resource.name}_{self.depth}"


def _relationship(origin: Resource, item: SelectRelation) -> Relationship:
    def fits(r: Relationship) -> bool:
        if item.hint is None:
            return item.name in {r.name, r.constraint} or item.name == r.column.name
        return item.name == r.name and item.hint in {r.constraint, r.column.name, r.foreign_column.name}

    found = [r for r in RELATIONSHIPS.get(origin.name, ()) if fits(r)]
    if not found:
        raise problems.no_relationship(origin.name, item.name, item.hint)
    return found[0]


def _branch(
    resource: Resource, items: tuple[SelectItem, ...], *, depth: int = 0, item: SelectRelation | None = None
) -> Branch:
    children: list[Branch] = []
    for child in items:
        if isinstance(child, SelectRelation):
            relationship = _relationship(resource, child)
            branch = _branch(relationship.resource, child.items, depth=depth + 1, item=child)
            branch.relationship = relationship
            children.append(branch)
    fields = tuple(i for i in items if isinstance(i, SelectField))
    if item is None:
        return Branch(resource.name, resource, depth, fields, children)
    return Branch(
        item.name, resource, depth, fields, children, item.alias, is_inner=item.is_inner, is_spread=item.is_spread
    )


def _find(root: Branch, path: tuple[str, ...]) -> Branch:
    """The branch at a path. It moves to the front: PostgREST answers branches that have filters or orders first."""
    branch = root
    for name in path:
        found = next((child for child in branch.children if name in {child.name, child.alias}), None)
        if found is None:
            raise problems.not_embedded(name)
        branch.children.remove(found)
        branch.children.insert(0, found)
        branch = found
    return branch


def find_resource(name: str) -> Resource:
    """The resource of this name."""
    found = RESOURCES.get(name)
    if found is None:
        raise problems.resource_unknown(name, tuple(RESOURCES))
    return found


def gather(resource: Resource, query: Query, spans: Mapping[Path, Span], *, is_read: bool) -> Branch:
    """The tree of the resources in a query; each branch gets its filters, order and span.

    The filters of a write choose the rows to be written, so its root has none.
    """
    root = _branch(resource, query.select)
    for path, filter_ in reversed(query.filters):
        if path or is_read:
            _find(root, path).filters.insert(0, filter_)
    for path, terms in reversed(query.orders):
        _find(root, path).order = terms
    for path, span in spans.items():
        _find(root, path).span = span
    for path, logic in reversed(query.logic):
        if path or is_read:
            _find(root, path).filters.insert(0, logic)
    _check_orders(root)
    _check_spreads(root, within_to_many=False)
    return root


def _check_orders(branch: Branch) -> None:
    for term in branch.order:
        if term.relation is None:
            continue
        found = next((c for c in branch.children if c.output_name == term.relation), None)
        if found is None:
            raise problems.not_embedded(term.relation)
        if found.relationship is None or not found.relationship.is_to_one:
            raise problems.related_order(branch.resource.name, found.output_name)
    for child in branch.children:
        _check_orders(child)


def _check_spreads(branch: Branch, *, within_to_many: bool) -> None:
    for child in branch.children:
        is_to_many = child.relationship is not None and not child.relationship.is_to_one
        within = child.is_spread and (within_to_many or is_to_many)
        if within and any(item.aggregate is not None for item in child.items):
            raise problems.spread_aggregate()
        _check_spreads(child, within_to_many=within)
