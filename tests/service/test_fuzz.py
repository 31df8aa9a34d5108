"""Whatever is sent, be it no record at all: an answer or a problem, never a fault."""

import json
import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.dictionary import load_dictionary

REQUESTS = int(os.environ.get("BACKCAST_FUZZ", "40"))
NAMES = [variable.name for variable in load_dictionary().variables]
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
ALMOST = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=12), ANY_JSON, max_size=25)
ENOUGH = settings(
    max_examples=REQUESTS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
PATHS = st.sampled_from(["/screen", "/screen/batch", "/workup", "/workup/batch", "/outcomes"])


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
