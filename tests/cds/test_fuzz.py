"""Whatever is sent to the services: cards or a problem, never a fault, and no value of a patient in a log.

A good request is changed at random places: members are taken out, put twice, emptied, turned into other types,
or carry a value that must not come back.
"""

import copy
import json
import logging
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.service.logs import JsonLines

FEW, MANY = 150, 5000
"""Bodies; many take half a minute."""
SECRET = "Zebedee4711"
ODD = (None, "", [], {}, 0, -1, 1e308, 10**30, True, SECRET, [SECRET], {"resourceType": SECRET}, "\x00", "😀" * 50)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def places(value, found):
    """Every container of a JSON value with each of its keys."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        found.append((value, key))
        if isinstance(inner, dict | list):
            places(inner, found)
    return found


def changed(body, rng):
    """A body with a few changes at random places."""
    body = copy.deepcopy(body)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        found = places(body, [])
        if not found:
            break
        container, key = rng.choice(found)
        kind = rng.randrange(5)
        if kind == 0:
            del container[key]
        elif kind == 1 and isinstance(container, dict):
            container[SECRET] = container.pop(key)
        elif kind == 2:
            container[key] = copy.deepcopy(rng.choice(found)[0])
        elif kind == 3:
            container[key] = [container[key], container[key]]
        else:
            container[key] = copy.deepcopy(rng.choice(ODD))
    return body


@pytest.fixture
def logged(caplog):
    """What the service would have written to its log."""
    with caplog.at_level(logging.INFO):
        yield lambda: [JsonLines().format(record) for record in caplog.records]


def check(response):
    assert response.status_code < 500, response.text
    assert "Traceback" not in response.text
    if response.status_code >= 400:
        assert response.headers["Content-Type"] == "application/problem+json"
        assert SECRET not in response.text


@pytest.mark.parametrize("bodies_sent", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_a_request_changed_at_random_is_answered_or_refused(ehr, service, chart, logged, bodies_sent):
    rng = random.Random(20261123)
    ehr.chart += [chart.order(status="active"), chart.finding("slr_left", True), chart.condition("E11.9", "c2")]
    bodies = {
        "backcast-order-sign": ehr.request("order-sign", [chart.PUREED_DIET, chart.order()]),
        "backcast-patient-view": ehr.request("patient-view"),
    }
    card = "0b1c2d3e-4f50-4111-8222-333344445555"
    feedback = {"feedback": [chart.overridden(card, overrideReason={"reason": {"code": "other"}, "userComment": "x"})]}
    statuses = set()
    for number in range(bodies_sent):
        path, body = ("backcast-order-sign/feedback", feedback) if number % 10 == 0 else rng.choice([*bodies.items()])
        raw = json.dumps(changed(body, rng)).encode()
        response = service("POST", f"/cds-services/{path}", content=raw, headers={"Content-Type": "application/json"})
        check(response)
        statuses.add(response.status_code)
    assert {200, 400, 404, 422} <= statuses <= {200, 400, 404, 412, 422}
    lines = logged()
    assert len(lines) >= bodies_sent
    assert not [line for line in lines if SECRET in line or chart.PATIENT_ID in line or '"level": "error"' in line]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    path=st.sampled_from(["backcast-order-sign", "backcast-patient-view", "backcast-order-sign/feedback"]),
    body=ANY_JSON,
)
def test_any_json_is_refused(service, path, body):
    raw, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
    response = service("POST", f"/cds-services/{path}", content=raw, headers=headers)
    check(response)
    assert response.status_code == 400
