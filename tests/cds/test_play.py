"""A hospital's system from discovery to feedback: every answer is a card, and what became of it is in the record."""

import re
from urllib.parse import urlsplit

import pytest

from features.words import percent
from pipeline.cds.cards import known_part, missing_items
from pipeline.cds.services import services
from pipeline.prediction_record.reading import open_record

PREFETCH = re.compile(
    r"[A-Z][A-Za-z]+(/\{\{context\.patientId\}\}"
    r"|\?patient=\{\{context\.patientId\}\}(&status=[a-z]+)?(&code=[^&,]+\|[^&,]*)?(&_sort=-[a-z]+)?(&_count=\d+)?)"
)
"""The subset of FHIR that CDS Hooks recommends: a read, or a search by references, tokens, _sort and _count."""


def test_discovery_says_what_each_service_is_for_and_asks_only_what_every_client_can_do(ehr, chart):
    found = ehr.discover()
    assert list(found) == ["patient-view", "order-sign"]
    for service in found.values():
        assert {"hook", "id", "title", "description", "prefetch", "usageRequirements"} == service.keys()
        chart.refuse_empty(service)
        assert all(PREFETCH.fullmatch(query) for query in service["prefetch"].values())
        assert set(services()[service["id"]].required) <= service["prefetch"].keys()


def test_from_discovery_to_feedback(ehr, service, chart):
    ehr.discover()
    (card,) = ehr.cards("order-sign", [chart.PUREED_DIET, chart.order()])
    assert card["indicator"] == "warning"
    assert card["summary"].startswith("High risk. ODI fell by less than 30 % within 12 months: ")
    answer = service("GET", f"/predictions/{card['uuid']}").json()
    assert percent(answer["outcomes"][0]["risk"]) in card["summary"]
    suggestion = next(one["uuid"] for one in card["suggestions"] if one["label"].startswith("Complete the work-up"))
    assert ehr.feed_back("order-sign", chart.accepted(card["uuid"], suggestion)).json() == {"stored": 1}
    reason = card["overrideReasons"][1]
    later = chart.overridden(card["uuid"], overrideReason={"reason": reason, "userComment": "Second opinion: go on."})
    assert ehr.feed_back("order-sign", later).json() == {"stored": 1}
    made, first, second = service.kept(card["uuid"])
    assert made.entry.kind == "prediction"
    assert first.content == {
        "outcome": "accepted",
        "accepted": "complete_work_up",
        "given": {"at": "2026-11-20T10:00:00+00:00"},
    }
    assert second.content["outcome"] == "overridden"
    assert second.content["reason"] == "decided_with_patient"
    assert second.content["given"]["comment"] == "Second opinion: go on."
    told = service("GET", f"/predictions/{card['uuid']}").json()["later"]
    assert [one["kind"] for one in told] == ["feedback", "feedback"]


def test_a_low_risk_is_said_without_advice(ehr, chart):
    ehr.chart = [one for one in ehr.chart if one is not chart.SMOKING] + [
        {**chart.SMOKING, "valueCodeableConcept": {"coding": [{"system": chart.SNOMED, "code": "266919005"}]}}
    ]
    ehr.chart[2] = chart.observation("97909-6", 30, "{score_0_100}")
    (card,) = ehr.cards("order-sign", [chart.order()])
    assert card["indicator"] == "info"
    assert card["summary"].startswith("ODI fell by less than 30 % within 12 months: ")
    assert "suggestions" not in card
    assert "Lowered by: " in card["detail"]


def test_a_red_flag_comes_first_and_there_is_no_risk(ehr, service, chart):
    ehr.chart.append(chart.finding("has_saddle_numbness", True))
    (card,) = ehr.cards("order-sign", [chart.order()])
    assert card["indicator"] == "critical"
    assert card["summary"].startswith("Red flag: ")
    assert "| Risk" not in card["detail"]
    assert [one["label"] for one in card["suggestions"]] == ["Act on the red flag first"]
    assert service.kept(card["uuid"])[0].entry.kind == "red_flag"


def test_a_summary_of_many_red_flags_is_cut_and_all_stand_below(ehr, chart):
    """CDS Hooks has fewer than 140 characters for a summary."""
    asked = (
        "has_saddle_numbness",
        "has_progressive_weakness",
        "has_upper_motor_neurone_signs",
        "has_recent_major_trauma",
    )
    ehr.chart += [chart.finding(name, True) for name in (*asked, "has_fever_or_infection_signs", "has_cancer_history")]
    (card,) = ehr.cards("order-sign", [chart.order()])
    assert card["summary"].endswith(" …")
    said = card["summary"].removeprefix("Red flag: ").removesuffix(" …")
    assert said.partition(",")[0] in card["detail"]
    assert card["detail"].count("\n- **") >= 3


@pytest.mark.parametrize("age", [17, 9])
def test_a_red_flag_comes_before_everything_else(ehr, chart, age):
    ehr.chart = [chart.patient(age), chart.finding("has_saddle_numbness", True)]
    (card,) = ehr.cards("order-sign", [chart.order()])
    assert card["indicator"] == "critical"


@pytest.mark.parametrize(("age", "more"), [(17, {}), (9, {}), (61, {"deceasedBoolean": True})])
def test_somebody_for_whom_no_model_was_made_has_a_card_without_a_forecast(ehr, service, chart, age, more):
    ehr.chart[0] = chart.patient(age, **more)
    before = service.recorded()
    (card,) = ehr.cards("order-sign", [chart.order()])
    assert card["summary"].startswith("Not applicable")
    assert "uuid" not in card
    assert service.recorded() == before


def test_with_too_little_recorded_a_card_says_first_what_would_matter_most(ehr, chart):
    ehr.chart = [chart.patient()]
    (card,) = ehr.cards("order-sign", [chart.order()])
    assert card["indicator"] == "info"
    assert card["summary"].startswith("Too little is recorded")
    assert "Disability (ODI)" in card["summary"]
    assert "Smokes now" in card["summary"]


def test_what_moves_the_risk_most_is_asked_for_first(answerers):
    predictor = answerers[0].predictors[0]
    part = dict(zip(predictor.names, predictor.importance, strict=True))
    own = {about.label: part[about.name] for about in predictor.bundle.predictors if about.name != "share_best_lesion"}
    items = missing_items(predictor, predictor.names, {})
    assert [item for item in items if item in own] == sorted(own, key=lambda label: -own[label])[: len(items)]
    assert known_part(predictor, predictor.names) == 0
    assert known_part(predictor, []) == pytest.approx(1)


def test_somebody_unlike_everybody_has_a_card_that_says_so(ehr, chart):
    ehr.chart[2] = chart.observation("97909-6", 0, "{score_0_100}")
    ehr.chart[-1] = chart.finding("leg_pain_duration_months", {"value": 50, "system": chart.UCUM, "code": "a"})
    (card,) = ehr.cards("order-sign", [chart.order()])
    assert card["summary"].startswith("Not applicable: hardly anybody like this patient")
    assert "uuid" in card


def test_nothing_is_said_where_no_operation_on_the_lumbar_spine_is_ordered(ehr, service, chart):
    before = service.recorded()
    hip = chart.order("27130")
    for orders in (
        [chart.PUREED_DIET],
        [hip],
        [chart.order(status="revoked")],
        [{"resourceType": "ServiceRequest"}],
        [],
    ):
        assert ehr.cards("order-sign", orders) == []
    assert service.recorded() == before


def test_a_chart_that_is_opened_has_a_card_where_an_operation_is_listed_or_our_forms_are_answered(ehr, chart):
    ehr.chart = [one for one in ehr.chart if one is not chart.LEG_PAIN_MONTHS]
    assert ehr.cards("patient-view") == []
    ehr.chart.append(chart.LEG_PAIN_MONTHS)
    assert len(ehr.cards("patient-view")) == 1
    ehr.chart = [*chart.CHART[:-1], chart.order(status="active")]
    assert len(ehr.cards("patient-view")) == 1


def test_a_card_of_a_virtual_model_says_that_it_is_not_for_patients(ehr, chart):
    (card,) = ehr.cards("order-sign", [chart.order()])
    assert "not for patients" in card["source"]["label"]
    assert "not for patients" in card["detail"]


def test_the_link_leads_to_the_page_with_the_case(ehr, service, chart):
    (card,) = ehr.cards("order-sign", [chart.order()])
    address = urlsplit(card["links"][0]["url"])
    assert f"{address.scheme}://{address.netloc}" == "https://cds.example.org"
    assert address.fragment == f"filled/{card['uuid']}"
    assert service("GET", f"/predictions/{card['uuid']}/case").json() == {
        "age_years": 61.0, "sex": "female", "diagnosis": "spinal_stenosis", "odi": 48.0, "nrs_back": 6.0,
        "nrs_leg": 8.0, "smoking": 2.0, "leg_pain_duration_months": 9.0, "planned_procedure": "decompression",
    }  # fmt: skip


def test_behind_a_proxy_every_address_begins_with_the_one_that_clients_call(served, chart):
    """The proxy asks by a name of its own."""
    outside = "https://backcast.hospital.example"
    with served(base_url=outside) as one:
        (card,) = chart.Ehr(one).cards("order-sign", [chart.order()])
        assert card["links"][0]["url"].startswith(f"{outside}/#filled/")
        assert one("GET", "/fhir/metadata").json()["implementation"]["url"] == f"{outside}/fhir"
        target = f"{outside}/fhir/RiskAssessment/{card['uuid']}"
        (entry,) = one("GET", "/fhir/Provenance", params={"target": target}).json()["entry"]
        assert entry["fullUrl"] == f"{outside}/fhir/Provenance/{card['uuid']}"


def test_old_answers_and_measurements_are_left_out_and_counted(ehr, service, chart):
    ehr.chart[2] = chart.observation("97909-6", 48, "{score_0_100}", days=400)
    (card,) = ehr.cards("order-sign", [chart.order()])
    assert "odi" not in service("GET", f"/predictions/{card['uuid']}/case").json()
    assert "Too old and left out, of answers and measurements: 1." in card["detail"]


def test_a_patient_and_an_order_stand_in_the_record_as_pseudonyms_alone(ehr, service, chart):
    (card,) = ehr.cards("order-sign", [chart.order(id="order-Zebedee")])
    (kept,) = service.kept(card["uuid"])
    assert kept.content["patient"]
    assert kept.content["case"]
    assert "Zebedee" not in str(kept)
    assert chart.PATIENT_ID not in str(kept)


def test_the_same_case_has_the_same_risk_by_cds_hooks_and_by_rest(ehr, service, chart):
    (card,) = ehr.cards("order-sign", [chart.order()])
    case = service("GET", f"/predictions/{card['uuid']}/case").json()
    by_rest, by_hook = service("POST", "/screen", json=case).json(), service.kept(card["uuid"])[0].answer
    assert by_rest["input_sha256"] == by_hook["input_sha256"]
    for one, other in zip(by_rest["outcomes"], by_hook["outcomes"], strict=True):
        assert abs(one["risk"] - other["risk"]) < 1e-12


def test_feedback_that_comes_again_and_late_is_stored_each_time(ehr, service, chart):
    (card,) = ehr.cards("order-sign", [chart.order()])
    same = chart.overridden(card["uuid"], outcomeTimestamp="2027-05-01T08:00:00+02:00")
    foreign = {"reason": {"system": "https://ehr.example.org/reasons", "code": "d7ecf885"}}
    assert ehr.feed_back("order-sign", same, same).json() == {"stored": 2}
    assert ehr.feed_back("patient-view", {**same, "overrideReason": foreign}).json() == {"stored": 1}
    _, *later = service.kept(card["uuid"])
    assert [kept.content["given"]["at"] for kept in later] == ["2027-05-01T08:00:00+02:00"] * 3
    assert later[-1].content["reason"] == "of_the_client"
    assert later[-1].content["given"]["reason"] == foreign["reason"]
    with open_record(service.record) as reader:
        assert reader.verdict().holds


def test_what_a_clinician_wrote_does_not_go_to_mlflow(ehr, service, chart):
    """What stands at the root of feedback is exported to tracking, which has no authentication."""
    (card,) = ehr.cards("order-sign", [chart.order()])
    ehr.feed_back("order-sign", chart.overridden(card["uuid"], overrideReason={"userComment": "as Mrs Q wishes"}))
    content = service.kept(card["uuid"])[1].content
    assert {name for name, value in content.items() if isinstance(value, str)} == {"outcome"}


def test_an_empty_search_may_come_as_an_empty_list(ehr, chart):
    request = ehr.request("order-sign", [chart.order()])
    request["prefetch"]["procedures"] = {"resourceType": "Bundle", "type": "searchset", "total": 0, "entry": []}
    assert len(ehr.post("order-sign", request).json()["cards"]) == 1
