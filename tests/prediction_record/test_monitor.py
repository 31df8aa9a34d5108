"""Which answers and outcomes `backcast monitor` counts, and that it tells an alarm."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.builders import BuilderParams
from features.errors import FileFormatError
from features.predictors import predictor
from models.bundle import Bundle, bundle_sha256, write_bundle
from models.distributions import development_distributions
from models.encoding import fitted_encoding
from models.experience import SimilarCases, seen_in
from models.fitted import LinearModel, Recalibration
from pipeline.example import write_example
from pipeline.params import MonitorParams
from pipeline.prediction_record.commands import drift_reference
from pipeline.prediction_record.monitor import (
    answers_of,
    development_reference,
    monitored,
    read_reference,
    reference_of,
    told,
    write_monitored,
)
from pipeline.prediction_record.reading import open_record

PARAMS = MonitorParams(minimum_predictions=20, minimum_known=20, calibration_intercept=0.3, stability_index=0.2)
BUILDER_PARAMS = BuilderParams(
    mimic_priors={"sacroiliac": 0.15, "piriformis": 0.05, "hip": 0.1}, mimic_flag_threshold=0.5
)


@pytest.fixture
def answers(path):
    def of():
        with open_record(path) as reader:
            return answers_of(reader, BUILDER_PARAMS)

    return of


def test_the_last_answer_of_a_case_counts_and_erased_ones_are_counted(record, answers, answered):
    record.append(answered(0.2), {"odi": 40.0}, {"case_id": "C1", "centre_id": "K1"})
    last = record.append(answered(0.6), {"odi": 60.0}, {"case_id": "C1", "centre_id": "K1"})
    gone = record.append(answered(0.4), {"odi": 50.0}, {"case_id": "C2"})
    record.append(answered(0.4, red_flags=["infection"], cautions=[], outcomes=[]), {}, {"case_id": "C3"})
    record.erase([gone.prediction_id], "on request")
    found = answers()
    assert (found.replaced, found.erased) == (1, 1)
    assert found.risks.loc[last.prediction_id, "failure_12m"] == 0.6
    assert found.predictors.loc[last.prediction_id, "odi"] == 60.0
    assert found.about["has_red_flag"].tolist() == [0, 1]
    assert found.about["has_caution"].tolist() == [1, 0]
    assert found.about["missing_predictors"].tolist() == [0.5, 1.0]


def test_an_outcome_counts_once_its_horizon_has_passed(record, answers, answered, clock):
    """Before that only early failures are known, and every model would seem too hopeful."""
    made = record.append(answered(), {}, {"case_id": "C1"}).prediction_id
    clock.later(days=200)
    record.attach_outcomes({made: {"labels": {"failure_12m": 1}}})
    early = answers()
    assert early.known["failure_12m"].isna().all()
    assert early.known_early == 1
    clock.later(days=200)
    record.attach_outcomes({made: {"labels": {"failure_12m": 1}}})
    assert answers().known["failure_12m"].tolist() == [1.0]


def test_an_alarm_is_told_drawn_and_tabled(record, answers, answered, clock, tmp_path):
    rng = np.random.default_rng(5)
    made = [
        record.append(
            answered(float(risk)), {"odi": float(odi), "age_years": 60.0}, {"case_id": f"C{i}", "centre_id": "K1"}
        )
        for i, (risk, odi) in enumerate(zip(rng.uniform(0.1, 0.3, 120), rng.normal(70, 8, 120), strict=True))
    ]
    clock.later(days=400)
    record.attach_outcomes({one.prediction_id: {"labels": {"failure_12m": i % 2}} for i, one in enumerate(made)})
    before = pd.DataFrame({"odi": rng.normal(45, 10, 2000), "age_years": 60.0})
    reference = reference_of(before, {"failure_12m": pd.Series(rng.uniform(0.1, 0.3, 2000))})
    found = monitored(answers(), reference, PARAMS)
    alarms = "\n".join(found.alarms)
    assert "failure_12m, all centres: 50 % had it where" in alarms
    assert "failure_12m, centre K1" in alarms
    assert "odi drifted" in alarms
    assert "risk of failure_12m drifted" not in alarms
    assert "120 cases answered (0 answered again later, 0 erased)" in told(found)[0]
    written = write_monitored(found, tmp_path / "monitor", PARAMS)
    assert {file.name for file in written} == {
        "calibration.csv", "answers.csv", "calibration.png", "drift.csv", "drift.png",
    }  # fmt: skip
    table = pd.read_csv(tmp_path / "monitor" / "calibration.csv")
    assert table.query("by == 'all'")["known"].tolist() == [120]


def test_an_empty_record_says_so(record, answers, tmp_path):
    found = monitored(answers(), None, PARAMS)
    assert told(found)[0].startswith("0 cases answered")
    assert found.alarms == []
    assert [file.name for file in write_monitored(found, tmp_path, PARAMS)] == ["calibration.csv", "answers.csv"]


@pytest.fixture
def small_bundle(tmp_path):
    """A linear model of two predictors, as a bundle folder."""
    two = [predictor("odi"), predictor("age_years")]
    frame = pd.DataFrame({"odi": np.linspace(10, 90, 50), "age_years": np.linspace(25, 80, 50)})
    encoding = fitted_encoding(frame, two, linear=True)
    columns = encoding.encode(frame)
    model = LinearModel(encoding, columns.mean(axis=0), columns.std(axis=0), np.full(columns.shape[1], 0.2), -0.7)
    folder = tmp_path / "bundle"
    write_bundle(
        Bundle(
            outcome="failure_12m",
            outcome_label="ODI fell by less than 30 %",
            horizon_months=12,
            learner="logistic",
            hyperparameters={},
            provenance="virtual",
            predictors=tuple(two),
            recalibration=Recalibration(),
            builder_params=vars(BUILDER_PARAMS),
            development={"cases": 50, "prevalence": 0.33},
            model=model,
            seen=seen_in(frame, two),
            similar=SimilarCases.learned(model.contributions(frame)[1], np.arange(50) % 3 == 0, np.ones(50)),
            distributions=development_distributions(frame, model.log_odds(frame)),
        ),
        folder,
    )
    return folder


def test_a_reference_of_a_file_holds_what_its_model_sees_and_no_case(small_bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    cases = tmp_path / "cases.csv"
    write_example(cases, 240, 3)
    out = tmp_path / "reference.json"
    said = drift_reference(cases, out, [str(small_bundle)], encoding="utf-8", separator=",")
    assert "2 predictors and 1 risks of 240 cases" in said
    reference = read_reference(out)
    drawn = pd.read_csv(cases)
    assert reference["predictors"]["odi"]["cases"] == 240
    assert reference["predictors"]["odi"]["missing"] == pytest.approx(drawn["odi"].isna().mean(), abs=1e-6)
    assert sum(reference["risks"]["failure_12m"]["shares"]) == pytest.approx(1, abs=1e-5)
    assert not any(case_id in out.read_text() for case_id in drawn["case_id"])
    out.write_text('{"format": 0}')
    with pytest.raises(FileFormatError, match="no reference of format 1"):
        read_reference(out)


@pytest.mark.parametrize("is_fetched", [True, False], ids=["fetched", "named by its folder"])
def test_answers_are_held_against_the_development_of_the_model_that_gave_them(
    record, answers, answered, small_bundle, tmp_path, is_fetched
):
    """Its disabilities lay between 10 and 90; these lie around 80."""
    model = {"uri": str(small_bundle), "sha256": bundle_sha256(small_bundle)}
    if is_fetched:
        small_bundle.rename(tmp_path / model["sha256"])
        model["uri"] = "models:/backcast-failure_12m/3"
    rng = np.random.default_rng(7)
    for odi, age in zip(rng.normal(80, 4, 60), rng.uniform(25, 80, 60), strict=True):
        given = answered(0.4)
        given["outcomes"][0]["model"] = model
        record.append(given, {"odi": float(odi), "age_years": float(age)})
    reference = development_reference(answers(), tmp_path)
    found = monitored(answers(), reference, PARAMS)
    assert [alarm.split(" drifted")[0] for alarm in found.alarms] == ["risk of failure_12m", "odi"]
    assert set(reference["predictors"]) == {"odi", "age_years"}
    assert "Drift of 3 predictors and risks: alarm 2, no alarm 1" in "\n".join(told(found))


def test_a_model_that_is_not_at_hand_or_not_the_same_is_no_reference(record, answers, answered, small_bundle, tmp_path):
    given = answered(0.4)
    given["outcomes"][0]["model"] = {"uri": str(small_bundle), "sha256": "c3" * 32}
    record.append(given, {"odi": 40.0})
    assert development_reference(answers(), tmp_path) is None
    assert "Drift is not judged" in "\n".join(told(monitored(answers(), None, PARAMS)))


def test_a_reoperation_that_some_were_not_watched_for_long_enough_is_weighted_for(record, answers, answered, clock):
    """A fifth is reoperated after 100 days, and half of the others are lost sight of after 300.

    Among those whose outcome is known a third was reoperated; of all it is a fifth, and that was expected.
    """
    made = []
    for place in range(200):
        given = answered(0.2)
        given["outcomes"][0] |= {"outcome": "reoperation_24m", "horizon_months": 24}
        made.append(record.append(given, {"odi": 40.0}, {"case_id": f"C{place}"}).prediction_id)
    of_ten = [(1, 100)] * 2 + [(None, 300)] * 4 + [(0, 800)] * 4
    said = [{"labels": {"reoperation_24m": label}, "days": {"reoperation_24m": day}} for label, day in of_ten * 20]
    clock.later(days=800)
    record.attach_outcomes(dict(zip(made, said, strict=True)))
    (of_all,) = monitored(answers(), None, PARAMS).calibration.query("by == 'all'").to_dict("records")
    assert (of_all["predictions"], of_all["known"]) == (200, 120)
    assert of_all["observed"] == pytest.approx(0.2)
    assert of_all["verdict"] == "no alarm"
    assert "weighted for 80 lost to follow-up" in "\n".join(told(monitored(answers(), None, PARAMS)))
    record.attach_outcomes({one: {"labels": content["labels"]} for one, content in zip(made, said, strict=True)})
    without_days = monitored(answers(), None, PARAMS)
    assert without_days.calibration.query("by == 'all'")["observed"].tolist() == [pytest.approx(1 / 3)]
    assert "120 came without a day, so that those lost to follow-up are not weighted for" in "\n".join(
        told(without_days)
    )
