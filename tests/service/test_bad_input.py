"""What is no record is refused with every mistake at once, in the dictionary's words, and nothing is recorded."""

import json
import re
import socket
import time

import pytest

CASE = {"age_years": 47, "odi": 48}
MARKUP = "<img src=x onerror=alert(1)>"


def mistakes(response):
    assert response.status_code == 422
    assert response.headers["Content-Type"] == "application/problem+json"
    return {error["name"]: error for error in response.json()["errors"]}


def test_every_mistake_is_said_at_once_by_name_and_unit(refusing):
    found = mistakes(refusing.screen({"age_years": 300, "odi": "48", "smoking": 7, "sex": "woman", "agge_years": 1}))
    assert set(found) == {"age_years", "odi", "smoking", "sex", "agge_years"}
    age = found["age_years"]
    assert (age["pointer"], age["label"], age["unit"], age["expected"]) == (
        "#/age_years", "Age", "years", "16 to 105 years",
    )  # fmt: skip
    assert "outside 16 to 105 years" in age["detail"]
    assert "without quotation marks" in found["odi"]["detail"]
    assert "0 (never), 1 (former), 2 (current)" in found["smoking"]["detail"]
    assert "Is age_years meant" in found["agge_years"]["detail"]
    assert refusing.recorded() == 0


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("odi", "48,5", "decimal comma"),
        ("odi", True, "is true or false"),
        ("slr_left", False, "the codes are numbers, and what was not examined is left out"),
        ("slr_left", "left", "one column for each side"),
        ("odi", [48], "a list or an object"),
        ("odi", {"value": 48}, "a list or an object"),
        ("odi", 10**400, "not a finite number"),
        ("sex", 1, "a number where a word is meant"),
        ("odi_12m", 20, "known only at follow-up"),
        ("reoperation_date", "2024-01-01", "known only at follow-up"),
        ("index_date", "2999-01-01", "no day from 1990-01-01 to today"),
        ("index_date", "01.02.2024", "no day from 1990-01-01 to today"),
        ("case_id", MARKUP, "holds other signs"),
        ("case_id", "C" * 65, "longer than an identifier"),
        ("case_id", "C1\n", "holds other signs"),
        ("pain_lateral_leg_both", 3, "one column for each side"),
    ],
)
def test_a_mistake_says_what_to_do(refusing, name, value, words):
    response = refusing.screen({**CASE, name: value})
    assert words in mistakes(response)[name]["detail"]
    assert refusing.recorded() == 0


@pytest.mark.parametrize("value", [MARKUP, "Zebedee-4711", 98765.4321, ["Zebedee-4711"]])
def test_a_value_is_never_sent_back(refusing, value):
    everywhere = dict.fromkeys(["age_years", "sex", "smoking", "index_date", "case_id", "diagnosis", "odi_12m"], value)
    everywhere["case_id"] = MARKUP + str(value)
    response = refusing.screen(everywhere)
    assert response.status_code == 422
    for part in (MARKUP, "Zebedee", "98765", "<", "onerror"):
        assert part not in response.text


def test_a_name_that_is_no_name_is_counted_and_never_sent_back(refusing):
    found = refusing.screen({**CASE, MARKUP: 1, "javascript:alert(1)": 2, "\ud800": 3}).json()
    assert found["errors"][0]["name"] is None
    assert "3 fields have names that no variable can have" in found["errors"][0]["detail"]
    assert "alert" not in json.dumps(found)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "is no JSON: see line 1, column 1"),
        (b"{", "is no JSON: see line 1, column 2"),
        (b'{"odi": NaN}', "NaN and Infinity are no JSON"),
        (b'{"odi": -Infinity}', "NaN and Infinity are no JSON"),
        (b'{"odi": 1, "odi": 2}', "A name stands twice"),
        (b'{"odi": ' + b"1" * 5000 + b"}", "a number with too many digits"),
        (b"[" * 100_000, "is nested too deeply"),
        (b'{"a":' * 100_000, "is nested too deeply"),
        (b'{"odi": "\xff\xfe"}', "is not UTF-8"),
    ],
)
def test_what_is_no_json_is_refused_with_what_is_wrong_with_it(refusing, body, words):
    response = refusing.send(body)
    assert (response.status_code, response.json()["type"]) == (400, "/problems#json")
    assert words in response.json()["detail"]
    assert refusing.recorded() == 0


@pytest.mark.parametrize(
    ("body", "rule", "pointer"),
    [
        (b"null", "not_an_object", "#"),
        (b"[]", "not_an_object", "#"),
        (b'"odi"', "not_an_object", "#"),
        (b"{}", "nothing_recorded", "#"),
        (b'{"case_id": "C1"}', "nothing_recorded", "#"),
        (b'{"odi": 1e999}', "not_finite", "#/odi"),
    ],
)
def test_what_is_no_record_is_refused_by_the_rule_it_breaks(refusing, body, rule, pointer):
    response = refusing.send(body)
    assert (response.status_code, response.json()["type"]) == (422, "/problems#record")
    assert [(error["rule"], error["pointer"]) for error in response.json()["errors"]] == [(rule, pointer)]
    assert refusing.recorded() == 0


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_another_content_type_is_refused(refusing, kind):
    response = refusing.send(b'{"odi": 48}', kind)
    assert response.status_code == 415
    assert "with the header Content-Type: application/json" in response.json()["detail"]
    assert refusing.recorded() == 0


@pytest.mark.parametrize(
    ("told", "sent"),
    [("Content-Length: 50000000", b""), ("Transfer-Encoding: chunked", b"2000000\r\n" + b" " * 1_500_000)],
)
def test_fifty_megabytes_are_refused_unread(refusing, told, sent):
    """Nothing of the body was sent, or no more than what is too much already; the client still holds the rest."""
    address = refusing.address.removeprefix("http://").rsplit(":", 1)
    head = f"POST /screen HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{told}\r\n\r\n"
    with socket.create_connection((address[0], int(address[1])), timeout=30) as connection:
        connection.sendall(head.encode() + sent)
        assert connection.recv(100).startswith(b"HTTP/1.1 413")
    assert refusing.send(b" " * 50_000_000).status_code == 413
    assert refusing.screen({"odi": 101}).status_code == 422


def test_a_body_that_does_not_arrive_is_given_up(running):
    def slowly():
        yield b'{"odi":'
        time.sleep(1.0)
        yield b"48}"

    with running(body_seconds=0.2) as inside:
        response = inside.client("POST", "/screen", data=slowly(), headers={"Content-Type": "application/json"})
        assert (response.status_code, response.json()["type"]) == (408, "/problems#slow")
        assert "within 0.2 seconds" in response.json()["detail"]
        assert inside.client.recorded() == 0


def test_thousands_of_unknown_names_cost_no_more_than_a_moment(refusing):
    many = {f"unknown_variable_{i}": 1 for i in range(20_000)}
    started = time.monotonic()
    response = refusing.screen(many)
    assert time.monotonic() - started < 3
    found = response.json()
    assert response.status_code == 422
    assert len(found["errors"]) <= 101
    assert found["errors_not_listed"] >= 19_900


def test_a_batch_is_refused_as_a_whole_with_the_place_of_each_mistake(running):
    with running(batch_cases=3) as inside:
        response = inside.client("POST", "/screen/batch", json=[CASE, {"odi": 101}, {"odi": True}])
        assert [error["pointer"] for error in response.json()["errors"]] == ["#/1/odi", "#/2/odi"]
        for body in ([], [CASE] * 4, CASE, "odi"):
            response = inside.client("POST", "/screen/batch", json=body)
            assert response.status_code == 422
            assert response.json()["detail"] == "A list of 1 to 3 cases is expected."
        response = inside.client("POST", "/screen/batch", json=[CASE, 1])
        assert [(error["pointer"], error["rule"]) for error in response.json()["errors"]] == [("#/1", "not_an_object")]
        assert inside.client.recorded() == 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/screen", 405), ("DELETE", "/predictions/x", 405), ("GET", "/nothing", 404), ("GET", "/docs", 404)],
)
def test_what_is_not_there_is_a_problem_too(refusing, method, path, status):
    response = refusing(method, path)
    assert response.status_code == status
    assert response.json()["status"] == status


def test_who_looks_elsewhere_for_the_description_is_told_where_it_is(refusing):
    (address,) = re.findall(r"GET (\S+)", refusing("GET", "/docs").json()["detail"])
    assert "/screen" in refusing("GET", address).json()["paths"]
