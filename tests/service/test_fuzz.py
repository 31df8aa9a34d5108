"""Whatever is sent: an answer or a problem, never a fault, and what is answered is recorded."""

import datetime as dt
import json
import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.dictionary import load_dictionary
from pipeline.service.request_model import case_model

REQUESTS = int(os.environ.get("BACKCAST_FUZZ", "40"))
NAMES = [variable.name for variable in load_dictionary().variables]
SCHEMA = case_model().model_json_schema()["properties"]
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def _values(schema):
    """Values that the OpenAPI page allows for a field."""
    (kind,) = [option for option in schema["anyOf"] if option["type"] != "null"]
    if "enum" in kind:
        return st.sampled_from(kind["enum"])
    if kind["type"] == "number":
        return st.floats(kind["minimum"], kind["maximum"])
    if kind.get("format") == "date":
        return st.dates(min_value=_FIRST, max_value=_LAST).map(str)
    return st.from_regex(kind["pattern"], fullmatch=True)


_FIRST, _LAST = dt.date(1990, 1, 1), dt.date(2024, 1, 1)
ALLOWED = st.lists(st.sampled_from(sorted(SCHEMA)), min_size=1, max_size=25, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: st.none() | _values(SCHEMA[name]) for name in names})
)
ALMOST = st.tuples(ALLOWED, st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=12), ANY_JSON, max_size=3)).map(
    lambda parts: parts[0] | parts[1]
)
ENOUGH = settings(
    max_examples=REQUESTS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
PATHS = st.sampled_from(["/screen", "/screen/batch", "/outcomes"])


@ENOUGH
@given(case=ALLOWED)
def test_what_the_openapi_page_allows_is_answered(answering, case):
    response = answering.screen(case)
    if any(value is not None for name, value in case.items() if name in _PREDICTORS):
        assert response.status_code == 200, response.json()["errors"][0]["rule"]
        assert answering("GET", f"/predictions/{response.json()['prediction_id']}").status_code == 200
    else:
        assert response.json()["errors"][0]["rule"] == "nothing_recorded"


_PREDICTORS = {variable.name for variable in load_dictionary().predictors}


@ENOUGH
@given(path=PATHS, body=ANY_JSON | ALMOST | st.lists(ALMOST, max_size=3))
def test_any_json_is_answered_or_refused(answering, path, body):
    _check(answering.send(json.dumps(body).encode(), path=path))


@ENOUGH
@given(path=PATHS, body=st.binary(max_size=200), kind=st.sampled_from(["application/json", "application/json; x", "x"]))
def test_any_bytes_are_answered_or_refused(answering, path, body, kind):
    _check(answering.send(body, kind, path=path))


@ENOUGH
@given(method=st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE"]), path=st.text(max_size=30))
def test_any_address_is_answered_or_refused(answering, method, path):
    _check(answering(method, "/predictions/" + path))


def _check(response):
    assert response.status_code < 500
    if response.status_code >= 400 and response.content:
        assert response.headers["Content-Type"] == "application/problem+json"
        assert "Traceback" not in response.text
