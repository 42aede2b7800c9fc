"""A short notation for tests of batches: mappings of one integration and type, and rows that change them.

`1:A` mapping 1 has the external id A; `1:A*` it shares the id; `1:-` it has none; `+q` metadata. `1=A` row: mapping 1
gets A; `1=A*` and shares it; `1=null` loses its id; `1=!` stops sharing; `1=` leaves the id out; `+q` gives metadata.
"""

from dataclasses import dataclass

from hypothesis import strategies as st

from tieline.store.batches.plan import Standing, Wish

INTEGRATION, ENTITY_TYPE = "xero", "item"


@dataclass(frozen=True)
class Mapping:
    entity: str
    external_id: str | None
    is_shared: bool = False
    mark: str | None = None


@dataclass(frozen=True)
class Row:
    entity: str
    external_id: str | None = None
    is_shared: bool = False
    gives_external_id: bool = True
    gives_shared: bool = False
    mark: str | None = None

    @property
    def json(self) -> dict:
        """The row as it is sent."""
        row: dict = {"entityType": ENTITY_TYPE, "entityId": self.entity, "integration": INTEGRATION}
        if self.gives_external_id:
            row["externalId"] = self.external_id
        if self.gives_shared:
            row["allowDuplicateExternalId"] = self.is_shared
        if self.mark:
            row["metadata"] = {"mark": self.mark}
        return row


def entity(name: str) -> tuple[str, str, str]:
    return INTEGRATION, ENTITY_TYPE, name


def mapping(text: str) -> Mapping:
    """Read `1:A*+q`."""
    name, _, rest = text.partition(":")
    external_id, _, mark = rest.partition("+")
    return Mapping(
        name, None if external_id == "-" else external_id.rstrip("*"), external_id.endswith("*"), mark or None
    )


def registry(text: str) -> list[Mapping]:
    """Read `1:A 2:B`."""
    return [mapping(word) for word in text.split()]


def row(text: str) -> Row:
    """Read `1=A*+q`."""
    name, _, rest = text.partition("=")
    external_id, _, mark = rest.partition("+")
    if external_id == "!":
        return Row(name, gives_external_id=False, gives_shared=True, mark=mark or None)
    if not external_id:
        return Row(name, gives_external_id=False, mark=mark or None)
    is_shared = external_id.endswith("*")
    given = None if external_id == "null" else external_id.rstrip("*")
    return Row(name, given, is_shared, gives_shared=is_shared, mark=mark or None)


def batch(text: str) -> list[Row]:
    """Read `1=A, 2=B`."""
    return [row(word.strip()) for word in text.split(",")]


def standing(of: Mapping) -> Standing:
    return Standing(f"m{of.entity}", entity(of.entity), of.external_id, of.is_shared)


def wish(index: int, of: Row, there: dict[str, Mapping]) -> Wish:
    """The row as the rule sees it: a field that is left out has no value."""
    same = of.mark is None or (of.entity in there and there[of.entity].mark == of.mark)
    external_id = of.external_id if of.gives_external_id else None
    shares = of.is_shared and of.gives_shared
    return Wish(
        index, entity(of.entity), external_id, shares, of.gives_external_id, of.gives_shared, says_the_rest=same
    )


ENTITIES, IDS = ["1", "2", "3", "4", "5"], ["A", "B", "C", "D"]


@st.composite
def registries(draw) -> list[Mapping]:
    """Mappings that the partial unique key allows: of those with one id at most one does not share it."""
    found, alone = [], set()
    for name in draw(st.lists(st.sampled_from(ENTITIES), unique=True)):
        external_id = draw(st.none() | st.sampled_from(IDS))
        shared = draw(st.booleans()) if external_id not in alone else True
        if external_id is not None and not shared:
            alone.add(external_id)
        found.append(Mapping(name, external_id, shared))
    return found


ROWS = st.lists(
    st.builds(
        Row,
        st.sampled_from([*ENTITIES, "6"]),
        st.none() | st.sampled_from([*IDS, "E"]),
        st.booleans(),
        st.booleans(),
        st.booleans(),
        st.sampled_from([None, "q"]),
    ),
    min_size=1,
    max_size=7,
)
HOW = st.fixed_dictionaries(
    {"on_conflict": st.sampled_from(["report", "move", "skip"]), "on_existing": st.sampled_from(["update", "keep"])}
)
