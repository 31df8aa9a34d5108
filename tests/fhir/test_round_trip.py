"""A case written as answers to the Questionnaires is read back without a loss."""

import datetime as dt
import json

import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from features.dictionary import load_dictionary
from features.errors import ValuesError
from pipeline.cli import cli
from pipeline.example import write_example
from pipeline.fhir.commands import case_bundle
from pipeline.fhir.questionnaires import forms, questionnaire
from pipeline.fhir.reading import case_of
from pipeline.fhir.specification import breaches


def values(variable):
    if variable.choices:
        return st.sampled_from(variable.codes)
    if variable.type == "number":
        return st.floats(variable.lower, variable.upper, allow_nan=False)
    if variable.type == "date":
        return st.dates(dt.date(2000, 1, 1), dt.date(2024, 1, 1)).map(dt.date.isoformat)
    return st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)


ANY_RECORD = st.dictionaries(
    st.sampled_from(load_dictionary().known_by("preoperative")), st.none(), min_size=1
).flatmap(lambda chosen: st.fixed_dictionaries({variable.name: values(variable) for variable in chosen}))


@settings(max_examples=40, deadline=None)
@given(ANY_RECORD)
def test_any_record_that_the_dictionary_allows_comes_back_as_it_was(record):
    bundle = case_bundle(record)
    case = case_of(bundle)
    assert not case.problems
    assert not case.unmapped
    assert case.record == record
    assert not breaches(bundle, "Bundle")


@pytest.fixture(scope="module")
def virtual_cases(tmp_path_factory):
    """A file of virtual cases."""
    path = tmp_path_factory.mktemp("virtual") / "cases.csv"
    write_example(path, 150, 7)
    return path


@pytest.fixture(scope="module")
def virtual_records(virtual_cases):
    return [
        {name: value for name, value in case.items() if not pd.isna(value)}
        for case in pd.read_csv(virtual_cases).to_dict("records")
    ]


def test_virtual_cases_and_the_failed_ones_of_the_page_come_back_as_they_were(made, virtual_records):
    for moment, records in (("preoperative", virtual_records), ("follow_up", made.records("workups"))):
        for record in records:
            case = case_of(case_bundle(record), known=moment)
            assert not case.problems
            assert not case.unmapped
            assert case.record == {name: value for name, value in record.items() if value is not None}


def test_cases_go_through_files_without_a_changed_value(virtual_cases, tmp_path):
    pd.read_csv(virtual_cases, dtype=str).head(20).to_csv(tmp_path / "cases.csv", index=False)
    told = [
        CliRunner().invoke(cli, ["fhir", *words], catch_exceptions=False).output
        for words in (
            ("write", str(tmp_path / "cases.csv"), "--out", str(tmp_path / "bundles")),
            ("read", str(tmp_path / "bundles"), "--out", str(tmp_path / "again.csv")),
        )
    ]
    assert "20 cases" in told[0]
    assert " 0 elements were not used" in told[1]
    before, after = (pd.read_csv(tmp_path / name).set_index("case_id") for name in ("cases.csv", "again.csv"))
    said = before.dropna(axis=1, how="all")
    pd.testing.assert_frame_equal(said, after[said.columns], check_dtype=False, check_exact=True)


def test_what_a_file_holds_and_is_not_used_is_listed_and_what_is_wrong_keeps_all_from_being_written(made, tmp_path):
    files = {
        "one.json": made.bundle(*made.chart(), {"resourceType": "Encounter"}),
        "two.json": made.bundle(made.patient()),
    }
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    words = ["fhir", "read", str(tmp_path / "one.json"), "--out", str(tmp_path / "cases.csv"), "--centre", "north"]
    CliRunner().invoke(cli, [*words, "--left-out", str(tmp_path / "left.json")], catch_exceptions=False)
    assert pd.read_csv(tmp_path / "cases.csv")[["case_id", "centre_id", "odi"]].to_numpy().tolist() == [
        ["plan", "north", 44]
    ]
    left_out = json.loads((tmp_path / "left.json").read_text())
    assert left_out["issue"][0]["details"]["text"].startswith("one.json: Bundle.entry[12].resource is not used")
    (tmp_path / "two.json").write_text(json.dumps(made.bundle(made.patient(birthDate=0))))
    wrong = CliRunner().invoke(cli, ["fhir", "read", str(tmp_path), "--out", str(tmp_path / "none.csv")])
    assert isinstance(wrong.exception, ValuesError)
    assert "two.json: Bundle.entry[0].resource.birthDate is not of the type" in str(wrong.exception)
    assert not (tmp_path / "none.csv").exists()


def enabled(item, answers):
    """Whether FHIR's own rule asks this question, given the answers so far (`enableBehavior` any)."""
    conditions = item.get("enableWhen")
    return conditions is None or any(_holds(one, answers.get(one["question"])) for one in conditions)


def _holds(condition, answer):
    if condition["operator"] == "exists":
        return (answer is not None) is condition["answerBoolean"]
    if answer is None:
        return False
    if "answerCoding" in condition:
        return answer["valueCoding"]["code"] == condition["answerCoding"]["code"]
    assert condition["operator"] == ">"
    return answer["valueDecimal"] > condition["answerDecimal"]


def flat(items):
    for item in items:
        yield item
        yield from flat(item.get("item", []))


def test_no_invented_case_answers_a_question_that_its_form_does_not_ask(made, virtual_records):
    items = {item["linkId"]: item for form in forms() for item in flat(questionnaire(form)["item"])}
    for record in (*virtual_records[:60], *made.records("workups")):
        for entry in case_bundle(record)["entry"]:
            answers = {one["linkId"]: one["answer"][0] for one in flat(entry["resource"]["item"]) if "answer" in one}
            assert not [link for link in answers if not enabled(items[link], answers)]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda item: item.update(linkId="has_diabetis"), "question"),
        (lambda item: item["answer"].append(item["answer"][0]), "answers"),
        (lambda item: item["answer"][0]["valueCoding"].update(code="7"), "answer"),
        (lambda item: item["answer"][0]["valueCoding"].update(system="http://example.org"), "answer"),
        (lambda item: item.update(answer=[{"valueBoolean": True}]), "answer"),
        (lambda item: item.update(answer=[{"valueQuantity": {"value": 1}}]), "answer"),
    ],
)
def test_an_answer_that_its_question_does_not_take_is_refused(change, rule):
    bundle = case_bundle({"has_diabetes": 1.0})
    change(bundle["entry"][0]["resource"]["item"][0])
    assert [finding.rule for finding in case_of(bundle).problems] == [rule]


def test_answers_that_are_not_complete_or_to_other_forms_say_nothing():
    bundle = case_bundle({"has_diabetes": 1.0, "odi": 44.0})
    bundle["entry"][0]["resource"]["status"] = "in-progress"
    bundle["entry"][1]["resource"]["questionnaire"] = "http://example.org/Questionnaire/other"
    case = case_of(bundle)
    assert not case.record
    assert [finding.rule for finding in case.unmapped] == ["status", "questionnaire"]
