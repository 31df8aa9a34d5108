"""A case in, an explained answer out; it is in the record before it leaves, and stays as it was given."""

import socket
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from features.dictionary import load_dictionary
from models.body_figure import body_figure
from models.screening import picture_of
from pipeline.prediction_record.reading import open_record
from pipeline.service.running import listening_at

CASE = {"age_years": 47, "odi": 48, "smoking": 2, "slr_left": 1, "pain_lateral_leg_left": 8, "sex": "female"}


def test_an_answer_is_recorded_as_it_was_given(service):
    answer = service.screen(CASE).json()
    assert [outcome["outcome"] for outcome in answer["outcomes"]] == ["failure_12m", "worse_12m"]
    assert service("GET", f"/predictions/{answer['prediction_id']}").json() == {**answer, "later": []}
    with open_record(service.record) as reader:
        (kept,) = reader.entries_of(answer["prediction_id"])
    assert kept.content["inputs"] == CASE
    assert kept.entry.sha256 == answer["record_sha256"]


def test_what_names_a_person_is_not_recorded(service):
    keys = {"case_id": "Case-QXZW", "patient_id": "Patient-WZXQ", "centre_id": "north"}
    answer = service.screen({**CASE, **keys}).json()
    with open_record(service.record) as reader:
        (kept,) = reader.entries_of(answer["prediction_id"])
    assert "QXZW" not in str(kept)
    assert "WZXQ" not in str(kept)
    assert kept.content["case"]
    assert answer["input_sha256"] == service.screen(CASE).json()["input_sha256"]


def test_a_red_flag_is_answered_with_no_risk_and_is_recorded(service):
    answer = service.screen({**CASE, "has_saddle_numbness": 1}).json()
    assert answer["red_flags"][0]["action"]
    assert answer["outcomes"] == []
    assert service.recorded() == 1


def test_a_number_may_be_whole_null_is_not_recorded_and_the_key_changes_nothing(service):
    answers = [
        service.screen(case).json()
        for case in (CASE, {**CASE, "odi": 48.0}, {**CASE, "bmi_kg_m2": None, "case_id": "C1"})
    ]
    assert len({answer["input_sha256"] for answer in answers}) == 1
    assert len({answer["outcomes"][0]["risk"] for answer in answers}) == 1
    assert service.recorded() == 3


def test_a_batch_and_single_cases_have_the_same_answers(service):
    cases = [{**CASE, "odi": odi} for odi in range(10, 90, 3)]
    batch = service("POST", "/screen/batch", json=cases).json()["answers"]
    alone = [service.screen(case).json() for case in cases]
    assert [_told(answer) for answer in batch] == [_told(answer) for answer in alone]
    assert service.recorded() == 2 * len(cases)


def test_requests_at_once_have_the_answers_of_requests_one_by_one(service):
    cases = [{**CASE, "odi": odi, "nrs_back": odi % 11} for odi in range(10, 90, 2)]
    alone = [_told(service.screen(case).json()) for case in cases]
    with ThreadPoolExecutor(8) as pool:
        at_once = list(pool.map(lambda case: _told(service.screen(case).json()), cases))
    assert at_once == alone
    assert service.recorded() == 2 * len(cases)


def _told(answer):
    return {name: part for name, part in answer.items() if name not in ("prediction_id", "made_at", "record_sha256")}


def test_the_figure_of_a_prediction_is_drawn_from_the_record(answering):
    drawn = []
    for case in (CASE, {**CASE, "pain_lateral_leg_left": 0, "pain_lateral_leg_right": 8}):
        answer = answering.screen(case).json()
        drawing = answering("GET", f"/predictions/{answer['prediction_id']}/figure.svg")
        assert drawing.headers["Content-Type"].startswith("image/svg+xml")
        assert ElementTree.fromstring(drawing.text).tag.endswith("svg")
        assert drawing.text == body_figure(picture_of(answer["picture"]), "Pain expected and reported")
        drawn.append(drawing.text)
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize("named", ["0b1c2d3e-4f50-4111-8222-333344445555", "<script>", "..%2f..%2fetc"])
def test_a_prediction_that_is_not_there_is_said_without_its_name(answering, named):
    response = answering("GET", f"/predictions/{named}")
    assert response.status_code == 404
    assert named not in response.text


def test_an_erased_prediction_is_gone(running):
    with running() as inside:
        answer = inside.client.screen({**CASE, "case_id": "C1"}).json()
        inside.open_record.erase([answer["prediction_id"]], "on request")
        for part in ("", "/case", "/figure.svg"):
            response = inside.client("GET", f"/predictions/{answer['prediction_id']}{part}")
            assert (response.status_code, response.json()["type"]) == (410, "/problems#erased")


def test_what_is_served_says_where_it_comes_from(answering, bundles):
    models = answering("GET", "/models").json()["models"]
    assert [model["uri"] for model in models] == [uri for uri, _ in bundles]
    assert {model["provenance"] for model in models} == {"virtual"}
    assert answering("GET", "/health").status_code == 200
    assert answering("GET", "/ready").json()["outcomes"] == ["failure_12m", "worse_12m"]


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="no list of locks here")
def test_asking_whether_it_is_ready_leaves_the_locks_of_the_record_alone(service):
    """A file closed once loses every lock that its process had, and SQLite then damages it."""
    service.screen(CASE)
    files = [service.record, service.record.with_name("record.db-shm")]

    def locks():
        held = Path("/proc/locks").read_text().splitlines()
        return sorted(line.split(": ")[1] for line in held if any(f":{file.stat().st_ino} " in line for file in files))

    before = locks()
    assert before
    for path in ("/ready", "/health", "/models"):
        assert service("GET", path).status_code == 200
    assert locks() == before


def test_the_form_and_the_openapi_page_know_every_variable_of_the_dictionary(answering):
    names = [variable.name for variable in load_dictionary().known_by("preoperative")]
    assert [variable["name"] for variable in answering("GET", "/dictionary").json()["variables"]] == names
    schemas = answering("GET", "/openapi.json").json()["components"]["schemas"]
    assert list(schemas["Case"]["properties"]) == names
    assert "105 years" in schemas["Case"]["properties"]["age_years"]["description"]
    assert schemas["Case"]["additionalProperties"] is False
    assert "odi_12m" in schemas["FollowUp"]["properties"]


def test_no_room_is_a_507_nothing_returned_unrecorded_and_it_goes_on_once_there_is_room(running):
    """The limit is SQLite's own, so that it is met on every system."""
    with running() as inside:
        kept = inside.client.screen(CASE).json()
        (pages,) = inside.open_record._connection.execute("PRAGMA page_count").fetchone()
        inside.open_record._connection.execute(f"PRAGMA max_page_count = {pages + 15}")
        statuses = []
        for _ in range(20):
            response = inside.client.screen(CASE)
            statuses.append(response.status_code)
            if statuses[-1] != 200:
                assert response.json()["type"] == "/problems#no-room"
                assert "outcomes" not in response.json()
        assert statuses[-1] == 507
        assert inside.client.recorded() == 1 + statuses.count(200)
        inside.open_record._connection.execute("PRAGMA max_page_count = 4000000")
        assert inside.client.screen(CASE).status_code == 200
        assert inside.client("GET", f"/predictions/{kept['prediction_id']}").status_code == 200


def test_every_part_of_an_answer_leaves_at_once():
    """Asyncio tells a socket so only where the socket says that it speaks TCP."""
    with listening_at("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert (accepted.proto, accepted.type) == (socket.IPPROTO_TCP, socket.SOCK_STREAM)
