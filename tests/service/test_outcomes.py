"""What became of a case, sent as JSON, is attached to its predictions."""

import datetime as dt

CASE = {"age_years": 47, "odi": 48, "diagnosis": "disc_herniation"}
LATER = (dt.date.today() - dt.timedelta(days=1)).isoformat()


def test_an_outcome_is_attached_to_the_predictions_of_its_case(service):
    answer = service.screen({**CASE, "case_id": "C1"}).json()
    service.screen({**CASE, "case_id": "C2"})
    counts = service("POST", "/outcomes", json=[{"case_id": "C1", "odi_12m": 40}, {"case_id": "C9", "odi_12m": 4}])
    assert counts.json() == {
        "cases": 2, "unmatched": 1, "attached": 1, "corrected": 0, "unchanged": 0, "not_known": 0,
    }  # fmt: skip
    (later,) = service("GET", f"/predictions/{answer['prediction_id']}").json()["later"]
    assert later["kind"] == "outcome"
    assert later["content"]["labels"]["failure_12m"] == 1
    assert service("POST", "/outcomes", json={"case_id": "C1", "odi_12m": 40}).json()["unchanged"] == 1


def test_what_says_nothing_or_not_of_whom_is_refused(service):
    cases = [
        {"odi_12m": 40},
        {"case_id": "C1", "age_years": 50},
        {"case_id": "C2", "odi_12m": 140},
        {"case_id": "C2", "operation_date": LATER, "reoperation_date": "2001-01-01"},
    ]
    pointers: list[list[str]] = []
    for case in (cases[:2], cases[2:3], cases[3:], [{"case_id": "C3", "odi_12m": 3}] * 2, [5]):
        response = service("POST", "/outcomes", json=case)
        assert response.status_code == 422
        pointers.append([error["pointer"] for error in response.json()["errors"]])
    assert pointers == [
        ["#/0", "#/1"],
        ["#/0/odi_12m"],
        ["#/0/reoperation_date"],
        ["#/0/case_id", "#/1/case_id"],
        ["#/0"],
    ]
