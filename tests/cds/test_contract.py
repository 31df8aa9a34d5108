"""Recorded pairs of request and response, after the specification's own examples, in our words and data.

`recorded/` holds one exchange a file, for whoever builds a client. What is new each time stands there as a word:
an id as `UUID`, a moment as `TIME`, a share as `N %`. `{{today}}` in a request is the day. After a change that is
meant, `BACKCAST_RECORD=1 pytest tests/cds/test_contract.py` writes the responses anew; read what changed.
"""

import datetime as dt
import json
import os
import re
import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

RECORDED = Path(__file__).parent / "recorded"
EXCHANGES = sorted(path.stem for path in RECORDED.glob("*.json"))
NEW_EACH_TIME = {
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}": "UUID",
    r"\d{4}-\d\d-\d\d \d\d:\d\d UTC": "TIME",
    r"(?<!than )\b\d+ %(?! interval)": "N %",
    r"\([0-9a-f]{12}\)": "(SHA)",
    r'"request_id": "[0-9a-f]{32}"': '"request_id": "ID"',
}


def normalised(content):
    text = json.dumps(content, ensure_ascii=False)
    for pattern, word in NEW_EACH_TIME.items():
        text = re.sub(pattern, word, text)
    return json.loads(text)


@pytest.mark.parametrize("name", EXCHANGES)
def test_a_recorded_request_has_its_recorded_response(service, chart, name):
    path = RECORDED / f"{name}.json"
    exchange = json.loads(path.read_text(encoding="utf-8"))
    request = json.loads(json.dumps(exchange["request"]).replace("{{today}}", dt.date.today().isoformat()))
    response = service(request["method"], request["path"], json=request.get("body"))
    for card in response.json().get("cards", []):
        chart.refuse_card(card)
    given = {"status": response.status_code, "body": normalised(response.json())}
    if os.environ.get("BACKCAST_RECORD") == "1":
        path.write_text(
            json.dumps({**exchange, "response": given}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    assert given == json.loads(path.read_text(encoding="utf-8"))["response"]


def test_there_is_an_exchange_for_each_step():
    assert len(EXCHANGES) >= 8


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    odi=st.none() | st.integers(0, 50).map(lambda half: 2.0 * half),
    height=st.none() | st.tuples(st.floats(1.4, 2.1), st.sampled_from([("m", 1), ("cm", 100), ("[in_i]", 1 / 0.0254)])),
    bmi=st.floats(16, 55),
    in_pounds=st.booleans(),
    smokes=st.sampled_from([None, "449868002", "266919005"]),
    procedure=st.sampled_from(["63047", "63030", "22612"]),
    age=st.integers(18, 95),
    extra=st.dictionaries(st.text(max_size=8), st.none() | st.text(max_size=8), max_size=3),
)
def test_every_request_that_the_specification_allows_has_one_card_and_the_same_risk_as_by_rest(
    service, chart, odi, height, bmi, in_pounds, smokes, procedure, age, extra
):
    """Units convert, members that the specification does not know are passed over, the way in changes nothing."""
    charted = [chart.patient(age), chart.LEG_PAIN_MONTHS]
    charted += [] if odi is None else [chart.observation("97909-6", odi, "{score_0_100}")]
    if height is not None:
        metres, (unit, factor) = height
        weight = bmi * metres**2
        charted.append(chart.observation("8302-2", metres * factor, unit))
        charted.append(
            chart.observation("29463-7", weight / (0.45359237 if in_pounds else 1), "[lb_av]" if in_pounds else "kg")
        )
    if smokes:
        charted.append(
            {**chart.SMOKING, "valueCodeableConcept": {"coding": [{"system": chart.SNOMED, "code": smokes}]}}
        )
    ehr = chart.Ehr(service, charted)
    response = ehr.call("order-sign", [chart.order(procedure, id=str(uuid.uuid4()))], extension=extra)
    (card,) = response.json()["cards"]
    chart.refuse_card(card)
    case = service("GET", f"/predictions/{card['uuid']}/case").json()
    assert case.get("odi") == odi
    if height is not None:
        assert case["bmi_kg_m2"] == pytest.approx(bmi, rel=1e-12)
    by_rest, by_hook = service("POST", "/screen", json=case).json(), service.kept(card["uuid"])[0].answer
    for one, other in zip(by_rest["outcomes"], by_hook["outcomes"], strict=True):
        assert abs(one["risk"] - other["risk"]) < 1e-12
