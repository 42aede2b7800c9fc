"""deploy/nginx.conf and deploy/Caddyfile, in front of a running server."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from conftest import Server, free_port
from documents import ROOT

DEPLOY = ROOT / "deploy"
SECONDS_MAX = 20
PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
NGINX, CADDY, OPENSSL = (shutil.which(name, path=PATH) for name in ("nginx", "caddy", "openssl"))
# A request line and headers that a proxy must let through, and a body that is larger than its own defaults.
QUERY_BYTES, BODY_BYTES = 20_000, 3_000_000
HEADING = "entityType,entityId,integration,externalId\n"


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


@pytest.fixture
def nginx(server: Server, tmp_path: Path) -> Iterator[str]:
    """The address of an nginx with our file, on a port of its own, with a certificate of its own."""
    port = free_port()
    certificate, key = tmp_path / "fullchain.pem", tmp_path / "privkey.pem"
    make = [OPENSSL, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run(
        [*make, "-subj", "/CN=ids.example", "-keyout", key, "-out", certificate], check=True, capture_output=True
    )
    site = replaced(
        (DEPLOY / "nginx.conf").read_text(),
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{port} ssl http2;"),
        ("/etc/ssl/ids.example/", f"{tmp_path}/"),
        ("127.0.0.1:8400", server.url.removeprefix("http://")),
    )
    folders = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("proxy", "client_body", "fastcgi", "uwsgi", "scgi")
    )
    whole = tmp_path / "whole.conf"
    whole.write_text(
        f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; worker_processes 1; user root;"
        f" events {{}} http {{ access_log off; {folders}\n{site}\n}}"
    )
    command = [NGINX, "-p", str(tmp_path), "-c", str(whole)]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    yield from running(command, tmp_path, f"https://127.0.0.1:{port}")


@pytest.fixture
def caddy(server: Server, tmp_path: Path) -> Iterator[str]:
    """The address of a Caddy with our file, on a port of its own, without TLS."""
    port = free_port()
    file = tmp_path / "Caddyfile"
    site = replaced(
        (DEPLOY / "Caddyfile").read_text(),
        ("ids.example {", f"http://127.0.0.1:{port} {{"),
        ("127.0.0.1:8400", server.url.removeprefix("http://")),
    )
    file.write_text("{\n\tadmin off\n}\n" + site)
    options = ["--config", str(file), "--adapter", "caddyfile"]
    checked = subprocess.run([CADDY, "validate", *options], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    yield from running([CADDY, "run", *options], tmp_path, f"http://127.0.0.1:{port}")


def running(command: list[str], home: Path, url: str) -> Iterator[str]:
    # Caddy keeps files in the folders of its user.
    environment = {"PATH": PATH, "HOME": str(home)}
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=environment, **silent) as process:
        try:
            until = time.monotonic() + SECONDS_MAX
            while not answers(url):
                assert process.poll() is None, "the proxy has ended"
                assert time.monotonic() < until, "the proxy does not answer"
                time.sleep(0.05)
            yield url
        finally:
            process.terminate()


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", verify=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@pytest.mark.parametrize(
    "proxy",
    [
        pytest.param("nginx", marks=pytest.mark.skipif(not (NGINX and OPENSSL), reason="nginx is not installed")),
        pytest.param("caddy", marks=pytest.mark.skipif(CADDY is None, reason="caddy is not installed")),
    ],
)
def test_requests_of_every_size_go_through(proxy, acme, request):
    url = request.getfixturevalue(proxy)
    headers = {"authorization": f"Bearer {acme.keys['api.admin']}"}
    with httpx.Client(base_url=url, headers=headers, verify=False, timeout=60) as client:
        row = {"entityType": "item", "entityId": "a/b", "integration": "xero", "externalId": "x//y z%"}
        client.post("/externalIntegrationMapping", json=row).raise_for_status()
        found = client.get(
            "/externalIntegrationMapping?entityId=eq.a%2Fb&externalId=eq.x%2F%2Fy%20z%25&select=entityId"
        )
        assert found.json() == [{"entityId": "a/b"}]
        long = ",".join(f"X{number:06}" for number in range(QUERY_BYTES // 8))
        assert client.get(f"/externalIntegrationMapping?externalId=in.({long})").json() == []
        rows = "".join(f"item,{number},sap,{'X' * 200}{number}\n" for number in range(BODY_BYTES // 220))
        imported = client.post("/import/mappings", content=HEADING + rows, headers={"content-type": "text/csv"})
        assert imported.json()["created"] == rows.count("\n")
        with client.stream("GET", "/export/mappings?integration=eq.sap") as exported:
            assert sum(1 for _ in exported.iter_lines()) == rows.count("\n") + 1
        assert client.get("/readyz").status_code == httpx.codes.OK
        assert client.get("/externalIntegrationMapping", headers={"authorization": "Bearer tl_x"}).status_code == 401


def test_both_name_the_limits_that_they_let_through():
    shipped = (ROOT / "src" / "tieline" / "settings.toml").read_text()
    limit = int(re.search(r"^import_bytes_max = ([\d_]+)$", shipped, re.MULTILINE)[1])
    assert f"client_max_body_size {limit // 1_000_000}m;" in (DEPLOY / "nginx.conf").read_text()
    assert f"max_size {limit // 1_000_000_000}GB" in (DEPLOY / "Caddyfile").read_text()
