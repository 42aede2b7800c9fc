"""Two companies with access tokens, refresh tokens, cursors and ids of each other, in any order.

A model knows which token is good, whose it is and what it may do; a foreign one is as good as none.
"""

import httpx
import psycopg
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

ELEMENTS = "/api/v2/elements"
MAPPING = "/externalIntegrationMapping"
SCOPES = ("api.read", "api.write", "api.admin")
# Three thousand steps, besides those of test_two_companies.
STEPS = settings(
    max_examples=40, stateful_step_count=75, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False
)
TABLES = ("element", "externalIntegrationMapping", "externalSystem", "mappingChange", "refreshToken", "revokedToken")

sides = st.sampled_from([0, 1])
scopes = st.sampled_from(SCOPES)
numbers = st.integers(0, 1000)


class Tokens(RuleBasedStateMachine):
    """`made` gives a new pair of companies."""

    made: staticmethod

    @initialize()
    def start(self) -> None:
        self.companies = self.made()
        self.conn = psycopg.connect(self.companies[0].database.dsn, autocommit=True)
        self.caller = httpx.Client(base_url=self.companies[0].server.url, timeout=60)
        # Access tokens with company and scope; refresh tokens that are not spent; cursors; ids of mappings.
        self.access: list[tuple[int, str, str]] = []
        self.refresh: list[tuple[int, str, str]] = []
        self.spent: list[tuple[int, str, str]] = []
        self.cursors: list[list[str]] = [[], []]
        self.mapping_ids: list[list[str]] = [[], []]
        self.key_ids = [self.ids_of_keys(side) for side in (0, 1)]
        for side, company in enumerate(self.companies):
            company.has_system("crm", "https://crm.example", default=True)
            for element in range(1, 5):
                company.has_element(element, f"{self.mark(side)}-{element}")
            self.log_in(side, "api.admin", "api.admin")
            self.log_in(side, "api.read", "api.read")
            self.link(side, 1)
        self.rows = [self.stored(0), self.stored(1)]

    def teardown(self) -> None:
        if hasattr(self, "conn"):
            self.conn.close()
            self.caller.close()

    @staticmethod
    def mark(side: int) -> str:
        return "left" if side == 0 else "right"

    def ids_of_keys(self, side: int) -> dict[str, str]:
        company = self.companies[side]
        return dict(
            company.database.execute('select name, id from tieline."apiKey" where "companyId" = %s', company.id)
        )

    def stored(self, side: int) -> list[tuple]:
        """All rows of a company."""
        each = [f'select to_jsonb(t)::text from tieline."{table}" t where "companyId" = $1' for table in TABLES]
        with psycopg.RawCursor(self.conn) as cursor:
            return cursor.execute(" union all ".join(each) + " order by 1", (self.companies[side].id,)).fetchall()

    def send(self, side: int, method: str, path: str, **options) -> httpx.Response:
        """A request as a company: the other's rows stay, and nothing of them is in the answer."""
        response = self.caller.request(method, path, **options)
        assert response.status_code < 500, response.text
        said = response.text + str(response.headers)
        assert self.mark(1 - side) not in said
        assert self.companies[1 - side].id not in said
        assert self.stored(1 - side) == self.rows[1 - side]
        self.rows[side] = self.stored(side)
        return response

    def link(self, side: int, element: int) -> None:
        headers = {"authorization": f"Bearer {self.companies[side].keys['api.write']}"}
        given = {"externalId": f"{self.mark(side)}-{element}"}
        self.caller.post(f"{ELEMENTS}/{element}/external-element/link", headers=headers, json=given)

    @rule(side=sides, key=scopes, asked=scopes, owner=sides)
    def log_in_with_whatever_id(self, side, key, asked, owner):
        """`owner`: the company whose key's id comes with the secret."""
        if side != owner:
            given = self.credentials(side, key, asked) | {"client_id": self.key_ids[owner][key]}
            assert self.send(side, "POST", "/api/v2/auth/token", json=given).status_code == 401
        else:
            self.log_in(side, key, asked)
            self.rows[side] = self.stored(side)

    def credentials(self, side: int, key: str, asked: str) -> dict[str, str]:
        return {
            "grant_type": "client_credentials",
            "client_id": self.key_ids[side][key],
            "client_secret": self.companies[side].keys[key],
            "scope": asked,
        }

    def log_in(self, side: int, key: str, asked: str) -> None:
        response = self.caller.post("/api/v2/auth/token", json=self.credentials(side, key, asked))
        if SCOPES.index(asked) > SCOPES.index(key):
            assert response.status_code == 400
            return
        self.access.append((side, asked, response.json()["access_token"]))
        self.refresh.append((side, asked, response.json()["refresh_token"]))

    @rule(which=numbers)
    def refresh_one(self, which):
        if self.refresh:
            side, scope, token = self.refresh.pop(which % len(self.refresh))
            response = self.send(side, "POST", "/api/v2/auth/refresh", json={"refresh_token": token})
            assert response.status_code == 200
            assert response.json()["scope"] == scope
            self.access.append((side, scope, response.json()["access_token"]))
            self.spent.append((side, scope, token))

    @rule(which=numbers, owner=sides)
    def refresh_a_token_under_the_name_of_a_company(self, which, owner):
        """The part of the token that names the company is replaced by the other company's."""
        mine = [token for side, _, token in self.refresh if side == owner]
        theirs = [token for side, _, token in self.refresh if side != owner]
        if mine and theirs:
            name, secret = theirs[0].partition(".")[0], mine[which % len(mine)].partition(".")[2]
            response = self.send(owner, "POST", "/api/v2/auth/refresh", json={"refresh_token": f"{name}.{secret}"})
            assert response.status_code == 401

    @rule(which=numbers, element=st.integers(1, 5))
    def write_with_a_token(self, which, element):
        side, scope, token = self.access[which % len(self.access)]
        headers = {"authorization": f"Bearer {token}"}
        path = f"{ELEMENTS}/{element}/external-element/link"
        given = {"externalId": f"{self.mark(side)}-{element}"}
        status = self.send(side, "POST", path, headers=headers, json=given).status_code
        assert status == (403 if scope == "api.read" else 404 if element == 5 else 200)
        row = {"entityType": "item", "entityId": str(element), "integration": "erp", "externalId": self.mark(side)}
        upsert = {**headers, "prefer": "resolution=merge-duplicates"}
        row["externalId"] += str(element)
        status = self.send(side, "POST", MAPPING, headers=upsert, json=row).status_code
        assert status in ((403,) if scope == "api.read" else (200, 201, 409))

    @rule(which=numbers)
    def read_with_a_token(self, which):
        side, _, token = self.access[which % len(self.access)]
        headers = {"authorization": f"Bearer {token}"}
        listed = self.send(side, "GET", ELEMENTS, headers=headers, params={"size": "2"}).json()
        assert all(element["title"].startswith(self.mark(side)) for element in listed["content"])
        self.cursors[side].append(listed["nextCursor"])
        rows = self.send(side, "GET", MAPPING, headers=headers).json()
        assert {row["companyId"] for row in rows} <= {self.companies[side].id}
        self.mapping_ids[side] = [row["id"] for row in rows]

    @rule(which=numbers, owner=sides)
    def follow_a_cursor_of_whomever(self, which, owner):
        side, _, token = self.access[which % len(self.access)]
        if self.cursors[owner]:
            cursor = self.cursors[owner][which % len(self.cursors[owner])]
            headers = {"authorization": f"Bearer {token}"}
            response = self.send(side, "GET", ELEMENTS, headers=headers, params={"cursor": cursor, "size": "2"})
            if response.status_code == 200:
                assert {element["title"] for element in response.json()["content"]} == {
                    f"{self.mark(side)}-{element}" for element in (3, 4)
                }
            else:
                assert (response.status_code, side != owner) == (400, True)

    @rule(which=numbers, method=st.sampled_from(["GET", "PATCH", "DELETE"]))
    def use_an_id_of_the_other(self, which, method):
        side, scope, token = self.access[which % len(self.access)]
        for mapping_id in self.mapping_ids[1 - side][:2]:
            headers = {"authorization": f"Bearer {token}", "prefer": "return=representation"}
            body = {"json": {"link": "https://x.example"}} if method == "PATCH" else {}
            response = self.send(side, method, f"{MAPPING}?id=eq.{mapping_id}", headers=headers, **body)
            if method != "GET" and scope == "api.read":
                assert response.status_code == 403
            else:
                assert response.json() == []

    @rule(which=numbers, header=st.sampled_from(["apikey", "authorization"]))
    def present_a_refresh_token_as_a_key(self, which, header):
        if self.refresh:
            side, _, token = self.refresh[which % len(self.refresh)]
            headers = {header: token if header == "apikey" else f"Bearer {token}"}
            assert self.send(side, "GET", ELEMENTS, headers=headers).status_code == 401


def test_tokens_of_two_companies_open_nothing_of_each_other(new_company):
    class Made(Tokens):
        made = staticmethod(lambda: (new_company(), new_company()))

    run_state_machine_as_test(Made, settings=STEPS)


def test_an_unknown_id_and_a_foreign_one_are_answered_alike(acme, other):
    for company in (acme, other):
        company.has_system("crm", "https://crm.example", default=True)
    other.has_element(7_000_000_001)
    with other.client() as theirs:
        theirs.post(f"{ELEMENTS}/7000000001/external-element/link", json={"externalId": "A"})
        [foreign] = [row["id"] for row in theirs.get(MAPPING).json()]
    unknown = foreign[:-1] + ("0" if foreign[-1] != "0" else "1")

    def said(method, path, *words, **body):
        with acme.client(**{"x-request-id": "same", "prefer": "return=representation"}) as caller:
            response = caller.request(method, path, **body)
        differs = ("date", "server-timing", "x-ratelimit-remaining", "x-ratelimit-reset")
        headers = sorted((name, value) for name, value in response.headers.items() if name not in differs)
        text = response.text
        for word in words:
            text = text.replace(word, "ID")
        return response.status_code, [one for one in headers if one[0] != "content-length"], text

    link = {"json": {"externalId": "B"}}
    for method, path, body in (
        ("GET", "", {}),
        ("PATCH", "", {"json": {"title": "x"}}),
        ("DELETE", "", {}),
        ("GET", "/external-elements", {}),
        ("POST", "/external-element/link", link),
        ("POST", "/external-element/unlink", {}),
    ):
        answers = [said(method, f"{ELEMENTS}/{one}{path}", one, **body) for one in ("7000000001", "7000000002")]
        assert answers[0] == answers[1]
    for method, body in (("GET", {}), ("PATCH", {"json": {"link": "https://x.example"}}), ("DELETE", {})):
        answers = [said(method, f"{MAPPING}?id=eq.{one}", one, **body) for one in (foreign, unknown)]
        assert answers[0] == answers[1]
