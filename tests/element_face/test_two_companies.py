"""Two companies use both faces, and each also sends ids, cursors and values of the other.

A model knows what each may see. No foreign value is ever in an answer, and no request changes a foreign row.
"""

import re

import httpx
import psycopg
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

ELEMENTS = "/api/v2/elements"
MAPPING = "/externalIntegrationMapping"
STEPS = settings(
    max_examples=20, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False
)

sides = st.sampled_from([0, 1])
ids = st.integers(1, 4)
# Few of them, so that the two companies get in each other's way as often as they can.
words = st.sampled_from(["A", "B", "C"])
systems = st.sampled_from([None, "https://crm.example", "https://erp.example", "https://mine.example"])

# The integration that an address means to either company; the third one is of neither.
KNOWN = {None: "crm", "https://crm.example": "crm", "https://erp.example": "erp"}
WIDE = ["companyId=not.is.null", "or=(id.neq.x,id.is.null)", "select=*,company(*)"]


def mark(side: int, word: str) -> str:
    """An external id that names its company."""
    return f"{'left' if side == 0 else 'right'}-{word}"


class Companies(RuleBasedStateMachine):
    """`made` gives a new pair of companies."""

    made: staticmethod

    @initialize()
    def start(self) -> None:
        self.companies = self.made()
        self.conn = psycopg.connect(self.companies[0].database.dsn, autocommit=True)
        self.clients = [company.client() for company in self.companies]
        self.cursors: list[list[str]] = [[], []]
        self.mapping_ids: list[list[str]] = [[], []]
        for side, company in enumerate(self.companies):
            company.has_system("crm", "https://crm.example", default=True)
            company.has_system("erp", "https://erp.example")
            company.has_system(mark(side, "own"), f"https://{mark(side, 'own')}.example")
        # The rows that each company has: element → title, (element, system) → external id.
        self.titles: list[dict[int, str]] = [{}, {}]
        self.links: list[dict[tuple[int, str], str]] = [{}, {}]
        self.rows = [self.stored(0), self.stored(1)]

    def teardown(self) -> None:
        for client in getattr(self, "clients", []):
            client.close()
        if hasattr(self, "conn"):
            self.conn.close()

    def stored(self, side: int) -> list[tuple]:
        """All rows of a company."""
        tables = ("element", "externalIntegrationMapping", "externalSystem", "mappingChange")
        each = [f'select to_jsonb(t)::text from tieline."{table}" t where "companyId" = $1' for table in tables]
        with psycopg.RawCursor(self.conn) as cursor:
            return cursor.execute(" union all ".join(each) + " order by 1", (self.companies[side].id,)).fetchall()

    def send(self, side: int, method: str, path: str, **options) -> httpx.Response:
        """A request of one company; checks that the other's rows stay and that nothing of them is in the answer."""
        response = self.clients[side].request(method, path, **options)
        assert response.status_code < 500, response.text
        other = 1 - side
        foreign = mark(other, "")
        said = response.text + str(response.headers)
        asked = str(options) + path
        # A refusal may name values of its own request.
        for word in re.findall(foreign + r"\w*", said):
            assert word in asked, (word, said)
        assert self.companies[other].id not in said.replace(asked, "")
        assert self.stored(other) == self.rows[other]
        self.rows[side] = self.stored(side)
        return response

    @rule(side=sides, element_id=ids)
    def add(self, side, element_id):
        title = mark(side, f"t{element_id}")
        response = self.send(side, "POST", ELEMENTS, json={"id": element_id, "title": title})
        assert response.status_code == (409 if element_id in self.titles[side] else 201)
        self.titles[side].setdefault(element_id, title)

    @rule(side=sides, element_id=ids)
    def remove(self, side, element_id):
        response = self.send(side, "DELETE", f"{ELEMENTS}/{element_id}")
        assert response.status_code == (204 if self.titles[side].pop(element_id, None) else 404)
        self.links[side] = {place: word for place, word in self.links[side].items() if place[0] != element_id}

    @rule(side=sides, element_id=ids, word=words)
    def change(self, side, element_id, word):
        title = mark(side, word)
        response = self.send(side, "PATCH", f"{ELEMENTS}/{element_id}", json={"title": title})
        assert response.status_code == (200 if element_id in self.titles[side] else 404)
        if element_id in self.titles[side]:
            self.titles[side][element_id] = title

    @rule(side=sides, element_id=ids, system=systems, word=words, owner=sides)
    def link(self, side, element_id, system, word, owner):
        """`owner`: the company whose word the external id is. A company may use the other's word as a text."""
        external_id = mark(owner, word)
        if owner != side:
            # If the other's word itself were stored, it would look like a leak.
            external_id = f"{'l' if side == 0 else 'r'}:{word}"
        given = {"externalId": external_id, **({} if system is None else {"systemUrl": system})}
        response = self.send(side, "POST", f"{ELEMENTS}/{element_id}/external-element/link", json=given)
        integration = KNOWN.get(system)
        holder = [e for (e, i), held in self.links[side].items() if (i, held) == (integration, external_id)]
        if element_id not in self.titles[side]:
            assert response.status_code == 404
        elif integration is None:
            assert response.status_code == 400
        elif holder and holder != [element_id]:
            assert response.status_code == 409
            assert response.json()["conflictingElementId"] == holder[0]
        else:
            assert response.status_code == 200
            self.links[side][(element_id, integration)] = external_id

    @rule(side=sides, element_id=ids, system=systems)
    def unlink(self, side, element_id, system):
        given = {} if system is None else {"systemUrl": system}
        response = self.send(side, "POST", f"{ELEMENTS}/{element_id}/external-element/unlink", json=given)
        place = (element_id, KNOWN.get(system))
        if element_id not in self.titles[side]:
            assert response.status_code == 404
        elif place[1] is None:
            assert response.status_code == 400
        else:
            assert response.status_code == (200 if self.links[side].pop(place, None) else 404)

    @rule(side=sides, owner=sides)
    def link_into_a_system_that_one_of_them_has(self, side, owner):
        given = {"externalId": mark(side, "x"), "systemUrl": f"https://{mark(owner, 'own')}.example"}
        response = self.send(side, "POST", f"{ELEMENTS}/1/external-element/link", json=given)
        if side != owner:
            assert response.status_code in (400, 404)
        elif response.status_code == 200:
            self.links[side][(1, mark(side, "own"))] = mark(side, "x")

    @rule(side=sides, size=st.integers(1, 3), owner=sides)
    def list_elements(self, side, size, owner):
        cursor = self.cursors[owner][-1] if self.cursors[owner] else None
        parameters = {"size": size, **({} if cursor is None else {"cursor": cursor})}
        response = self.send(side, "GET", ELEMENTS, params=parameters)
        if cursor is not None and owner != side:
            assert response.status_code == 400
            return
        page = response.json()
        for element in page["content"]:
            assert self.titles[side][element["id"]] == element["title"]
        if page["hasMore"]:
            self.cursors[side].append(page["nextCursor"])

    @rule(side=sides, owner=sides, word=words)
    def look_up(self, side, owner, word):
        external_id = mark(owner, word)
        found = self.send(side, "GET", ELEMENTS, params={"externalId": external_id}).json()["content"]
        held = {element for (element, _), held in self.links[side].items() if held == external_id}
        assert {element["id"] for element in found} == held

    @rule(side=sides)
    def read_mappings(self, side):
        rows = self.send(side, "GET", MAPPING).json()
        shown = {(int(row["entityId"]), row["integration"]): row["externalId"] for row in rows}
        assert shown == self.links[side]
        self.mapping_ids[side] = [row["id"] for row in rows]

    @rule(side=sides, query=st.sampled_from(WIDE))
    def read_mappings_widely(self, side, query):
        rows = self.send(side, "GET", f"{MAPPING}?{query}").json()
        assert len(rows) == len(self.links[side])

    @rule(side=sides)
    def write_to_a_mapping_of_the_other(self, side):
        for mapping_id in self.mapping_ids[1 - side][:2]:
            path = f"{MAPPING}?id=eq.{mapping_id}"
            assert self.send(side, "GET", path).json() == []
            response = self.send(
                side, "PATCH", path, json={"link": "https://x.example"}, headers={"prefer": "return=representation"}
            )
            assert response.json() == []
            self.send(side, "DELETE", path)

    @rule(side=sides)
    def write_a_mapping_for_the_other(self, side):
        row = {"entityType": "item", "entityId": "1", "integration": "crm", "companyId": self.companies[1 - side].id}
        for method, path in (("POST", MAPPING), ("PATCH", f"{MAPPING}?integration=eq.crm")):
            body = row if method == "POST" else {"companyId": row["companyId"]}
            response = self.clients[side].request(method, path, json=body)
            assert response.status_code in ((403,) if method == "POST" else (403, 204))
            assert self.stored(1 - side) == self.rows[1 - side]
            assert self.stored(side) == self.rows[side]

    @invariant()
    def each_sees_its_own(self):
        if not hasattr(self, "clients"):
            return
        for side in (0, 1):
            for element_id, title in self.titles[side].items():
                element = self.send(side, "GET", f"{ELEMENTS}/{element_id}").json()
                assert element["title"] == title
                break


def test_two_companies_see_and_change_nothing_of_each_other(new_company):
    class Made(Companies):
        made = staticmethod(lambda: (new_company(), new_company()))

    run_state_machine_as_test(Made, settings=STEPS)
