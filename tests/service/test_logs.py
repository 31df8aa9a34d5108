"""A log tells what was asked and how it ended, and nothing of whom."""

import json
import logging

from pipeline.service.logs import JsonLines

SECRET = "Zebedee4711"
CASE = {"age_years": 47.123, "odi": 48}


def test_a_value_that_was_sent_is_in_no_log_whatever_was_wrong_with_it(served):
    started = served("--no-export")
    client = started.client
    answer = client.screen({**CASE, "case_id": SECRET, "patient_id": SECRET, "centre_id": SECRET}).json()
    for name in ("odi", "sex", "index_date", "odi_12m", SECRET, "diagnosis", "smoking"):
        client.screen({**CASE, name: SECRET})
    for body in (SECRET, f'{{"odi": "{SECRET}"', f'["{SECRET}"]', f'"{SECRET}"', "[" * 100_000 + SECRET):
        client.send(body.encode())
        client.send(body.encode(), path="/outcomes")
        client.send(body.encode(), path="/screen/batch")
    client.send(b"{}", SECRET)
    client("GET", f"/predictions/{SECRET}")
    client("GET", f"/{SECRET}?{SECRET}={SECRET}")
    client(SECRET, "/screen")
    client("GET", "/", headers={"X-Request-ID": f"<{SECRET}>", "Authorization": SECRET, "User-Agent": SECRET})
    client("POST", "/outcomes", json={"case_id": SECRET, "odi_12m": 3})
    client("GET", f"/predictions/{answer['prediction_id']}")
    assert started.end() == 0
    log = started.log.read_text()
    assert SECRET not in log
    assert "47.123" not in log
    assert answer["prediction_id"] not in log
    lines = [line for line in started.lines() if line["event"] == "request"]
    assert {"/screen", "/predictions/{prediction_id}", "none"} <= {line["route"] for line in lines}
    assert {200, 400, 404, 415, 422} <= {line["status"] for line in lines}
    assert all(line["ms"] > 0 and line["response_bytes"] > 0 for line in lines if line["method"] != "other")
    assert "other" in {line["method"] for line in lines}
    assert max(line["status"] for line in lines) < 500


def test_a_fault_is_told_by_kind_and_place_and_never_by_its_message(running, caplog, screener, monkeypatch):
    def broken(records):
        raise RuntimeError(SECRET)

    monkeypatch.setattr(screener, "answers", broken)
    with caplog.at_level(logging.INFO, "backcast.service"), running() as inside:
        response = inside.client.screen(CASE)
        assert inside.client.recorded() == 0
    assert response.status_code == 500
    assert response.json()["request_id"] == response.headers["X-Request-ID"]
    assert SECRET not in response.text
    (fault,) = [line for line in map(_line, caplog.records) if line.get("status") == 500]
    assert fault["error"] == "RuntimeError"
    assert "broken" in fault["at"][-1]
    assert SECRET not in json.dumps([_line(record) for record in caplog.records])


def test_what_another_library_says_is_withheld():
    record = logging.LogRecord("asyncio", logging.ERROR, "", 0, "Task failed: %s", (SECRET,), None)
    assert SECRET not in json.dumps(_line(record))


def _line(record):
    return json.loads(JsonLines().format(record))
