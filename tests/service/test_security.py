"""Who may ask, how often, and under which name; and when a service refuses to start at all."""

import re
import subprocess
import sys

import pytest

from pipeline.service import guard
from pipeline.service.errors import ServiceError
from pipeline.service.limits import CLIENTS_REMEMBERED, RateLimit
from pipeline.service.settings import Door, own_names, read_token, refuse_open_door

CASE = {"age_years": 47, "odi": 48}
TOKEN = "a-token-that-is-long-enough-for-a-clinic"


OPEN = {"/health", "/ready", "/problems", "/dictionary", "/fhir/metadata"}
"""Addresses of the OpenAPI page that are the same for everybody."""
NOT_ON_THE_PAGE = [("GET", "//screen"), ("GET", "/cds-services"), ("POST", "/cds-services/backcast-order-sign")]


def test_without_the_token_nothing_of_a_patient_is_answered(running):
    with running(token=TOKEN) as inside:
        client = inside.client
        prediction_id = client.screen(CASE, headers={"Authorization": f"Bearer {TOKEN}"}).json()["prediction_id"]
        paths = client("GET", "/openapi.json").json()["paths"]
        asked = [(method.upper(), path) for path in paths.keys() - OPEN for method in paths[path]]
        assert len(asked) > 12
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}, {"Authorization": "Bearer "}):
            for method, path in [*asked, *NOT_ON_THE_PAGE]:
                address = path.replace("{prediction_id}", prediction_id).replace("{form}", "pain-drawing")
                response = client(method, address, json=CASE, headers=headers)
                assert response.status_code == 401, path
                assert response.headers["WWW-Authenticate"] == "Bearer"
        assert {client("GET", path).status_code for path in OPEN} == {200}
        assert client.recorded() == 1


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "clinic.example"])
def test_an_address_that_others_reach_needs_a_token(host):
    with pytest.raises(ServiceError, match="so a token is needed"):
        refuse_open_door(Door(host=host, port=1))
    refuse_open_door(Door(host=host, port=1, token=TOKEN))
    refuse_open_door(Door(host="127.0.0.1", port=1))


def test_the_command_refuses_an_open_door_before_it_loads_anything(tmp_path):
    command = [sys.executable, "-m", "pipeline.cli", "serve", "--host", "0.0.0.0", "--store", str(tmp_path / "r.db")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == ServiceError.exit_status
    assert "so a token is needed" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_token_comes_from_a_file_that_others_cannot_read_or_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("BACKCAST_TOKEN", raising=False)
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o644)
    with pytest.raises(ServiceError, match="may be read by others"):
        read_token(file)
    file.chmod(0o600)
    assert read_token(file) == TOKEN
    assert read_token(None) is None
    monkeypatch.setenv("BACKCAST_TOKEN", TOKEN)
    assert read_token(None) == TOKEN
    with pytest.raises(ServiceError, match="Keep one"):
        read_token(file)
    for weak in ("short", "with a space in it, but long enough", ""):
        monkeypatch.setenv("BACKCAST_TOKEN", weak)
        with pytest.raises(ServiceError, match="at least 24"):
            read_token(None)


def test_half_a_certificate_and_one_that_is_not_there_are_refused(tmp_path):
    half, other = tmp_path / "half.pem", tmp_path / "other.pem"
    half.touch()
    for only in ({"certfile": half}, {"keyfile": half}):
        with pytest.raises(ServiceError, match="belong together"):
            refuse_open_door(Door(host="127.0.0.1", port=1, **only))
    with pytest.raises(ServiceError, match=r"^\S+/other.pem does not exist"):
        refuse_open_door(Door(host="127.0.0.1", port=1, certfile=half, keyfile=other))


def test_under_the_name_of_another_site_nothing_is_answered(running):
    """A page elsewhere can make its own name point to this machine; the browser then lets it ask."""
    with running(hosts=own_names(Door(host="127.0.0.1", port=1))) as inside:
        for host in ("evil.example", "localhost.evil.example", ""):
            response = inside.client.screen(CASE, headers={"Host": host})
            assert response.status_code == 421
        assert inside.client.screen(CASE, headers={"Host": "LOCALHOST:80"}).status_code == 200
        assert inside.client.recorded() == 1


def test_too_many_requests_are_told_when_to_ask_again(running):
    with running(requests_per_second=0.5, burst=3) as inside:
        responses = [inside.client.screen(CASE) for _ in range(5)]
        assert [response.status_code for response in responses] == [200, 200, 200, 429, 429]
        assert 1 <= int(responses[-1].headers["Retry-After"]) <= 3
        assert inside.client("GET", "/health").status_code == 200
        assert inside.client.recorded() == 3


@pytest.mark.parametrize(
    ("limits", "most_at_once", "status"),
    [({"token": TOKEN}, 256, 401), ({"burst": 1, "requests_per_second": 0.1}, 256, 429), ({}, 0, 503)],
)
def test_what_the_guard_refuses_stands_on_the_page_at_each_address(
    running, answering, monkeypatch, limits, most_at_once, status
):
    operations = answering("GET", "/openapi.json").json()["paths"]
    monkeypatch.setattr(guard, "MOST_AT_ONCE", most_at_once)
    with running(**limits) as inside:
        inside.client("GET", "/problems")
        answered = {
            (method, path): inside.client(method, path, json=CASE).status_code
            for path, methods in operations.items()
            for method in methods
        }
    unsaid = {
        place for place, given in answered.items() if str(given) not in operations[place[1]][place[0]]["responses"]
    }
    assert unsaid == set()
    assert list(answered.values()).count(status) > 12


def test_without_its_record_nothing_past_is_told_as_the_page_says(running):
    with running() as inside:
        client = inside.client
        prediction_id = client.screen(CASE).json()["prediction_id"]
        operations = client("GET", "/openapi.json").json()["paths"]
        client.record.rename(client.record.with_suffix(".away"))
        past = [path for path in operations if "{prediction_id}" in path]
        assert len(past) == 5
        for path in past:
            response = client("GET", path.replace("{prediction_id}", prediction_id))
            assert (path, response.status_code) == (path, 503)
            assert "503" in operations[path]["get"]["responses"]
            assert str(client.record.parent) not in response.text


def test_a_bucket_fills_again_at_its_rate():
    now = [0.0]
    limit = RateLimit(per_second=2, burst=2, clock=lambda: now[0])
    assert [limit.seconds_to_wait("a") for _ in range(3)] == [0, 0, 0.5]
    now[0] = 0.5
    assert [limit.seconds_to_wait("a") for _ in range(2)] == [0, 0.5]
    assert limit.seconds_to_wait("b") == 0


def test_of_too_many_clients_the_one_that_asked_longest_ago_is_forgotten():
    limit = RateLimit(per_second=1, burst=1, clock=lambda: 0.0)
    for client in range(CLIENTS_REMEMBERED):
        limit.seconds_to_wait(f"client {client}")
    assert limit.seconds_to_wait("client 0") == 1
    assert limit.seconds_to_wait("another") == 0
    assert [limit.seconds_to_wait(f"client {client}") for client in (0, 2, 1)] == [1, 1, 0]


def test_every_answer_has_its_id_and_the_headers_that_keep_a_browser_safe(service):
    given = service.screen(CASE, headers={"X-Request-ID": "theirs-1"})
    assert given.headers["X-Request-ID"] == "theirs-1"
    for response in (service("GET", "/"), given, service("GET", "/nothing"), service.screen({"odi": 101})):
        assert response.headers["X-Request-ID"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert "http" not in response.headers["Content-Security-Policy"]
        assert "Access-Control-Allow-Origin" not in response.headers
        assert "Server" not in response.headers
    for wrong in ("<script>", "x" * 65, "a b"):
        assert re.fullmatch(
            "[0-9a-f]{32}", service.screen(CASE, headers={"X-Request-ID": wrong}).headers["X-Request-ID"]
        )


def test_with_a_certificate_it_speaks_tls(served, tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        capture_output=True, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("no openssl here")
    started = served("--no-export", "--certfile", str(certificate), "--keyfile", str(key))
    response = started.client.screen(CASE, verify=str(certificate))
    assert response.status_code == 200
    assert "max-age" in response.headers["Strict-Transport-Security"]
