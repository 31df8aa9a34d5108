"""The service does what its OpenAPI page says: what the page allows is answered as it says, all else is refused.

Requests are drawn from the page by schemathesis, and so are the checks of each response: status, content type
and schema as declared, no fault, nothing accepted that the page does not allow.
"""

import logging

import pytest
from hypothesis import HealthCheck, given, settings

FEW, MANY = 8, 1000
"""Requests of each kind to each operation; many make more than ten thousand in all."""
SAID_BY_THE_PAGE = {
    "is_boolean", "later_variable", "not_a_choice", "not_a_list", "not_a_number", "not_an_identifier", "not_an_object",
    "not_finite", "not_one_value", "out_of_range", "unknown_column",
}  # fmt: skip
"""Rules that the page states; others hold between fields, cases and days, such as that something is recorded at all."""
DRAWN = pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])


@pytest.fixture(scope="module")
def operations(answering):
    """What can be asked, by the page of a running service."""
    import schemathesis  # here, since it takes long to load and every worker reads this file

    page = schemathesis.openapi.from_url(answering.address + "/openapi.json", config=schemathesis.Config.from_dict({}))
    return [found.ok() for found in page.get_all_operations()]


@pytest.fixture
def no_fault(caplog):
    """Whatever was asked, the service logged no error."""
    yield
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


def asked(operation, mode, examples, check):
    """Ask an operation what the page allows (`positive`), or what it does not (`negative`), and check each response."""

    from schemathesis import GenerationMode

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=GenerationMode(mode)))
    def ask(case):
        check(case, case.call())

    ask()


@DRAWN
def test_what_the_page_allows_is_answered_as_it_says(operations, answering, no_fault, examples):
    from schemathesis.checks import positive_data_acceptance

    def check(case, response):
        case.validate_response(response, excluded_checks=[positive_data_acceptance])
        if response.status_code == 422:
            assert not SAID_BY_THE_PAGE & {error["rule"] for error in response.json().get("errors", ())}
        elif case.path in ("/screen", "/workup"):
            recorded = answering("GET", f"/predictions/{response.json()['prediction_id']}").json()
            assert {**response.json(), "later": []} == recorded

    for operation in operations:
        asked(operation, "positive", examples, check)


@DRAWN
def test_what_the_page_does_not_allow_is_refused(operations, answering, no_fault, examples):
    def check(case, response):
        case.validate_response(response)
        assert response.status_code in (400, 415, 422)

    before = answering.recorded()
    for operation in operations:
        if operation.body:
            asked(operation, "negative", examples, check)
    assert answering.recorded() == before
