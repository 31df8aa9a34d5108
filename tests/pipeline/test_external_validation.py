"""Another site's file under a model: judged as a whole, updated by the least it asks for, or refused in one message."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import mlflow
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from features.builders import build_features
from features.completeness import WHOLE
from features.errors import BackcastError
from features.outcomes import OutcomeParams, label_columns
from features.predictors import predictor
from features.record import required_columns
from models.bundle import EVIDENCE, read_bundle, write_bundle
from models.cause_model import write_cause_model
from models.external import HARDLY, PRECISE, ROUGH, _verdict, expected_auroc, sample_verdict
from models.fitted import Recalibration
from models.metrics import auroc, calibration_intercept, calibration_slope
from models.predictor import RiskPredictor
from models.training import Development, learn
from models.updating import Site, closed_test, out_of_fold
from pipeline import ledger, paths, tracking
from pipeline.external_page import can_say, p_value
from pipeline.external_validation import validate_file
from pipeline.files import read_json, write_json
from pipeline.params import Params, load_params
from pipeline.promotions import promotion_lines
from pipeline.scoring import LoadedModel
from pipeline.site_cases import DATES, OF_PARAMS, OWN, definition, one_model, site_cases
from pipeline.stages import train
from pipeline.updated_sites import RIGHT, documented
from pipeline.updating import Asked, decision_on, update_file, write_update
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.registry import draw_registry

ROOT = Path(__file__).resolve().parents[2]
OUTCOME = "failure_12m"
NAMES = ["odi", "nrs_back", "leg_pain_duration_months", "has_compensation_claim", "education"]
CASES = 330
TOO_LOW = 1.2
"""Log-odds by which the model of these tests tells every risk too low."""
MEANT = OutcomeParams(reoperation="failed", death="unknown", baseline_floor=10)
BROUGHT = {"cases": 900, "events": 300, "metrics": {"auroc": {"estimate": 0.7123, "lower": 0.68, "upper": 0.74}}}
"""What the model of these tests brings from a test set of its own."""
PLAIN = {"encoding": "utf-8", "separator": ","}


def learned_bundle(params: Params):
    rng = np.random.default_rng(4)
    n = 2500
    X = pd.DataFrame(
        {
            "odi": rng.integers(10, 45, n) * 2.0,
            "nrs_back": rng.integers(0, 11, n) * 1.0,
            "leg_pain_duration_months": np.round(rng.exponential(12, n)),
            "has_compensation_claim": rng.integers(0, 2, n) * 1.0,
            "education": rng.integers(0, 3, n) * 1.0,
        },
        index=pd.Index([f"C{i:04d}" for i in range(n)], name="case_id"),
    )
    log_odds = -1.2 + 0.04 * X["leg_pain_duration_months"] - 0.03 * (X["odi"] - 50)
    y = (rng.random(n) < expit(log_odds)).astype(float).to_numpy()
    data = Development(OUTCOME, X, y, np.ones(n), X.index.to_numpy(dtype=str), np.arange(n) % 4)
    learned = learn(data, "logistic", [predictor(name) for name in NAMES], {"C": 0.1}, refits=6, seed=1, threads=1)
    made = train.as_bundle(learned, data, params, OUTCOME, "registry")
    line = made.recalibration
    return dataclasses.replace(made, recalibration=Recalibration(line.intercept - TOO_LOW, line.slope))


def with_outcomes(drawn: pd.DataFrame, model: RiskPredictor) -> pd.DataFrame:
    """The cases with outcomes as the model tells them, but for being commoner: no fall of the ODI, or a whole one."""
    cases = drawn.set_index("case_id")
    risk = model.risk(cases, build_features(cases, model.builder_params)).to_numpy()
    happened = np.random.default_rng(8).random(len(cases)) < expit(logit(risk) + TOO_LOW)
    is_known = drawn["odi_12m"].notna()
    return drawn.assign(
        odi_12m=drawn["odi"].where(happened, 0.0).where(is_known), reoperation_date=None, death_date=None
    )


@pytest.fixture(scope="module")
def clinic(tmp_path_factory) -> Iterator[Path]:
    """A folder with a model that tells risks too low, and a site of three centres; a real store comes when asked."""
    folder = tmp_path_factory.mktemp("clinic")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("features", "models", "pipeline", "params.yaml"):
            (folder / name).symlink_to(ROOT / name)
        patch.chdir(folder)
        # By its whole path: MLflow keeps the store behind a relative one open, in whatever folder that was.
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        patch.setenv("BACKCAST_WHO", "a statistician")
        write_bundle(learned_bundle(load_params()), folder / "model")
        write_json({WHOLE: {"temporal": BROUGHT}}, folder / "model" / EVIDENCE)
        params = RegistryParams(seed=31, cases=CASES, centres=3, first_year=2019, years=2, discordance_effect=1.0)
        drawn = with_outcomes(draw_registry(params)[0], RiskPredictor.load(folder / "model"))
        wanted = ["patient_id", "centre_id", "index_date", "record_origin", "last_contact_date"]
        columns = dict.fromkeys([*required_columns("preoperative"), *wanted, *label_columns(OUTCOME, MEANT)])
        drawn[list(columns)].to_csv(folder / "site.csv", index=False)
        yield folder
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


@pytest.fixture(scope="module")
def validated(clinic) -> tuple[dict, str]:
    """The figures of a validation, and what the command said."""
    said = validate_file(Path("site.csv"), "model", Path("validation"), **PLAIN)
    return read_json(Path("validation/validation.json")), said


@pytest.fixture(scope="module")
def updated(clinic, validated) -> tuple[dict, str]:
    """The same of an update, registered in a store of its own."""
    said = update_file(Path("site.csv"), "model", Path("update"), level=0.05, promote="never", registers=True, **PLAIN)
    return read_json(Path("update/update.json")), said


def again(promote: str, registers: bool = True, model: str = "model") -> str:
    return update_file(
        Path("site.csv"), model, Path("update"), level=0.05, promote=promote, registers=registers, **PLAIN
    )


# ---- backcast validate -------------------------------------------------------------------------------


def test_figures_are_those_of_the_scored_cases_with_a_known_outcome(clinic, validated):
    found, _ = validated
    cases = pd.read_csv("site.csv", parse_dates=["index_date", "reoperation_date", "death_date"]).set_index("case_id")
    days = (cases["reoperation_date"] - cases["index_date"]).dt.days
    fell = (cases["odi"] - cases["odi_12m"]) / cases["odi"] * 100
    y = (fell < 30 - 1e-9).astype(float).where(fell.notna() & (cases["odi"] >= 10))
    y = y.mask((cases["death_date"] - cases["index_date"]).dt.days <= 365.25).mask(days <= 365.25, 1.0)
    known = cases[y.notna() & (cases["age_years"] >= 18) & cases["planned_procedure"].notna()]
    model = RiskPredictor.load(Path("model"))
    answered = model.explain(known, build_features(known, model.builder_params)).risks["risk"].dropna()
    wanted = auroc(y[answered.index], answered)
    assert found["cases"]["known"] == len(answered)
    assert found["performance"]["auroc"]["estimate"] == pytest.approx(wanted.estimate, abs=1e-9)
    assert found["performance"]["calibration_intercept"] == calibration_intercept(y[answered.index], answered).as_json()


def test_the_flow_ends_at_the_cases_judged(validated):
    found, _ = validated
    remaining = [step["remaining"] for step in found["flow"]]
    assert remaining[0] == CASES
    assert remaining[-1] == found["cases"]["known"]
    assert sum(step["excluded"] for step in found["flow"]) == CASES - found["cases"]["known"]


def test_what_the_cases_can_say_stands_before_what_they_say(validated):
    page = Path("validation/report.html").read_text(encoding="utf-8")
    order = ["What these cases can say", "Who the cases are", "How risks agreed", "Centre by centre", "Should anything"]
    places = [page.index(f"<h2>{words}") for words in order]
    assert places == sorted(places)


def test_the_sites_figures_stand_beside_those_of_the_models_own_test_sets(validated):
    page = Path("validation/report.html").read_text(encoding="utf-8")
    rows = re.findall(r"<tr[^>]*><td>(This site|Temporal test set)</td>(.*?)</tr>", page)
    assert [name for name, _ in rows] == ["This site", "Temporal test set"]
    assert "0.71" in rows[1][1]


def test_no_case_and_no_other_host_is_in_any_file(validated):
    cases = pd.read_csv("site.csv", dtype=str)
    for path in (path for path in Path("validation").iterdir() if path.suffix != ".png"):
        text = path.read_text(encoding="utf-8")
        assert not set(re.findall(r"\w+", text)) & {*cases["case_id"], *cases["patient_id"]}, path
        if path.suffix == ".html":
            assert not re.findall(r"(?:src|href)=[\"'](?!data:|#)", text)


def test_a_model_that_tells_too_low_is_told_so_and_provenance_is_never_lost(validated):
    found, said = validated
    assert "Risks are too low on average" in said
    assert found["closed_test"]["method"] != "original"
    assert found["provenance"] == "virtual"  # the cases are; the model of this test is not
    assert "Of the virtual registry" in Path("validation/report.html").read_text(encoding="utf-8")


def test_centres_are_pooled_and_small_groups_are_counted_alone(validated):
    found, _ = validated
    assert found["centres"]["heterogeneity"]["auroc"]["centres"] == 3
    assert Path("validation/centres.png").exists()
    for row in found["subgroups"]:
        if row["known"] < 20:
            assert {value["estimate"] for value in row["metrics"].values()} == {None}
    of_all = next(row for row in found["subgroups"] if row["variable"] == "all")
    for variable in ("sex", "completeness"):
        groups = [row for row in found["subgroups"] if row["variable"] == variable]
        assert sum(row["cases"] for row in groups) in (0, of_all["cases"])


def test_a_predictor_that_is_never_recorded_is_named(validated):
    found, _ = validated
    mix = {row["name"]: row for row in found["case_mix"]}
    assert sum(row["importance"] for row in mix.values()) == pytest.approx(1, abs=1e-6)
    assert mix["leg_pain_duration_months"]["is_key"]
    assert mix["odi"]["missing"] < 0.1


def test_the_run_is_linked_to_the_model_and_holds_the_evidence(clinic, validated):
    with tracking.store() as client:
        experiment = client.get_experiment_by_name(tracking.VALIDATING)
        (run,) = client.search_runs([experiment.experiment_id])
        files = [file.path for file in client.list_artifacts(run.info.run_id, "validation")]
    assert run.data.tags["bundle_sha256"] == validated[0]["model"]["bundle_sha256"]
    assert run.data.metrics["external/auroc"] == pytest.approx(validated[0]["performance"]["auroc"]["estimate"])
    assert {"validation/report.html", "validation/validation.json"} <= set(files)


def test_an_earlier_result_is_replaced_and_anything_else_is_not(clinic, validated, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(BackcastError, match="holds something else"):
        validate_file(Path("site.csv"), "model", tmp_path, **PLAIN)
    assert (tmp_path / "thesis.txt").exists()


def test_a_note_among_the_results_is_not_lost(clinic, validated):
    note = Path("validation/my_notes.txt")
    note.write_text("to discuss")
    with pytest.raises(BackcastError, match="holds something else"):
        validate_file(Path("site.csv"), "model", Path("validation"), **PLAIN)
    note.unlink()
    with pytest.raises(BackcastError, match="holds the model itself"):
        again("never", model="update/bundle")


def test_the_label_is_that_of_development_or_of_params_yaml_and_says_which():
    params = load_params(ROOT / "params.yaml")
    bundle = learned_bundle(params)
    own = dataclasses.replace(bundle, cohort={**bundle.cohort, "baseline_floor": 24, "minimum_age_years": 50})
    found = definition(own, params)
    assert (found.source, found.outcome.baseline_floor, found.cohort.minimum_age_years) == (OWN, 24, 50)
    found = definition(dataclasses.replace(bundle, cohort={}), params)
    assert (found.source, found.outcome) == (OF_PARAMS, params.cohort.outcomes[OUTCOME])


def test_each_label_names_the_columns_that_it_is_made_from():
    assert label_columns(OUTCOME, MEANT) == ("odi", "odi_12m", "index_date", "death_date", "reoperation_date")
    assert label_columns("reoperation_24m", OutcomeParams()) == ("index_date", "reoperation_date", "last_contact_date")
    anchors = ("global_assessment_leg_12m", "global_assessment_back_12m")
    asked = label_columns("not_improved_12m", OutcomeParams(death="as_reported"))
    assert set(asked) == {*anchors, "diagnosis"}


# ---- how much cases can say --------------------------------------------------------------------------


def test_the_expected_auroc_is_that_of_outcomes_drawn_from_the_risks():
    rng = np.random.default_rng(0)
    risk = expit(rng.normal(-1, 1, 40_000)).round(2)
    seen = auroc((rng.random(len(risk)) < risk).astype(float), risk)
    assert seen.lower < expected_auroc(risk, np.ones(len(risk))) < seen.upper


def test_more_cases_say_more():
    risk = expit(np.random.default_rng(0).normal(-0.8, 0.8, 6000))
    verdicts = [sample_verdict(risk[:n], np.ones(n), 0.3) for n in (60, 400, 6000)]
    assert [len(found.of(HARDLY)) for found in verdicts] == [3, 1, 0]
    assert len(verdicts[2].of(PRECISE)) == 4
    widths = [[one.width for one in found.precisions] for found in verdicts]
    assert np.all(np.diff(widths, axis=0) < 0)


def test_what_cases_can_say_counts_them_by_their_weights():
    risk = expit(np.random.default_rng(0).normal(-0.8, 0.8, 600))
    weights = np.where(risk > np.median(risk), 3.0, 1.0)
    found = sample_verdict(risk, weights, 0.3)
    thrice = np.repeat(risk, weights.astype(int))
    assert found.cases == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    assert found.expected_prevalence == pytest.approx(thrice.mean())
    assert found.expected_auroc == pytest.approx(expected_auroc(thrice, np.ones(len(thrice))))
    assert found.expected_prevalence > risk.mean() + 0.02


def test_a_verdict_turns_where_the_width_wanted_ends():
    assert [_verdict(times) for times in (1.0, 1.01, 3.0, 3.01)] == [PRECISE, ROUGH, ROUGH, HARDLY]


def test_reoperations_of_a_site_stand_for_those_that_it_lost_from_sight(clinic):
    """Weights by the product-limit curve of the site's own censoring, worked here case by case."""
    params = load_params()
    bundle = dataclasses.replace(learned_bundle(params), outcome="reoperation_24m")
    drawn = draw_registry(
        RegistryParams(seed=5, cases=250, centres=2, first_year=2019, years=2, discordance_effect=1.0)
    )[0]
    day = drawn["last_contact_date"].dropna().index[::3]
    drawn.loc[day, "last_contact_date"] = drawn.loc[day, "index_date"]  # a third is lost from sight at once
    later = pd.to_timedelta(np.arange(len(day)) * 7 % 700, unit="D")
    drawn.loc[day, "last_contact_date"] = (pd.to_datetime(drawn.loc[day, "index_date"]) + later).dt.strftime("%Y-%m-%d")
    drawn.loc[day, ["reoperation_date", "death_date"]] = None
    columns = dict.fromkeys([*required_columns("preoperative"), "patient_id", "centre_id", *DATES])
    drawn[list(columns)].to_csv("reoperations.csv", index=False)
    model = LoadedModel("a model", RiskPredictor(bundle, "x"))
    site = site_cases(Path("reoperations.csv"), model, params, **PLAIN)
    dates = {name: pd.to_datetime(site.cases[name]) for name in DATES}
    event = (dates["reoperation_date"] - dates["index_date"]).dt.days.to_numpy(float)
    seen = (dates["last_contact_date"] - dates["index_date"]).dt.days.to_numpy(float)
    horizon = 24 * 365.25 / 12
    happened, lost = event <= horizon, ~(event <= horizon) & ~(seen >= horizon)
    until = np.minimum(np.where(happened, event, np.nan_to_num(seen)), horizon)
    still = [
        np.prod(
            [1 - (lost & (until == at)).sum() / (until >= at).sum() for at in np.unique(until[lost & (until < own)])]
        )
        for own in until
    ]
    assert lost.sum() > 40
    np.testing.assert_allclose(site.weights, np.where(lost, 0, 1 / np.array(still)), rtol=1e-9)
    assert int(np.nansum(site.y)) == happened.sum() > 5


def test_one_risk_for_all_has_no_verdict():
    assert sample_verdict(np.full(100, 0.3), np.ones(100), 0.3) is None


def test_what_cannot_be_said_names_the_cases_that_would_be_needed():
    criteria = [
        {"measure": "auroc", "width": 0.12, "wanted": 0.1, "needed": 500, "verdict": ROUGH},
        {"measure": "calibration_slope", "width": 0.9, "wanted": 0.2, "needed": 4012, "verdict": HARDLY},
    ]
    assert can_say({"sample_size": {"criteria": criteria}}) == [
        "These cases say roughly how well risks order the cases (to within 0.06).",
        "These cases hardly say whether risks are too extreme or too timid (to within 0.45); "
        "4,012 cases would be needed.",
    ]
    assert p_value(0.04) == "0.040"


# ---- backcast update ---------------------------------------------------------------------------------


def test_the_updated_model_is_the_old_one_on_another_line_and_adds_up(clinic, updated):
    told, _ = updated
    old, new = (RiskPredictor.load(Path(folder)) for folder in ("model", "update/bundle"))
    cases = pd.read_csv("site.csv").set_index("case_id").head(40)
    features = build_features(cases, old.builder_params)
    before, after = (model.explain(cases, features) for model in (old, new))
    log_odds = after.risks["base_log_odds"] + after.contributions.sum(axis=1)
    np.testing.assert_allclose(log_odds, logit(after.risks["risk"]), atol=1e-12)
    line = told["intercept"]["estimate"] + told["slope"]["estimate"] * logit(before.risks["risk"])
    np.testing.assert_allclose(log_odds, line, atol=1e-8)
    assert told["intercept"]["estimate"] == pytest.approx(TOO_LOW, abs=0.6)
    widths = [np.median(logit(each.risks["risk_upper"]) - logit(each.risks["risk_lower"])) for each in (before, after)]
    assert widths[1] > widths[0]


def test_an_updated_bundle_says_whose_cases_changed_it_without_a_name_or_a_day(clinic, updated):
    (facts,) = read_bundle(Path("update/bundle")).updates
    head = json.loads(Path("update/bundle/bundle.json").read_text(encoding="utf-8"))
    assert facts["parent_sha256"] == RiskPredictor.load(Path("model")).sha256
    assert (facts["centres"], facts["provenance"], head["provenance"]) == (3, "virtual", "virtual")
    assert not re.search(r"\b20[12]\d-\d\d", json.dumps(facts))
    assert head["development"] == json.loads(Path("model/bundle.json").read_text(encoding="utf-8"))["development"]


def test_what_becomes_of_a_risk_is_told_as_widely_as_the_line_is_known(updated):
    told, _ = updated
    half = next(row for row in told["moved"] if row["before"] == 0.5)  # log-odds 0: the intercept alone moves it
    assert logit(half["after"]) == pytest.approx(told["intercept"]["estimate"])
    width = told["intercept"]["upper"] - told["intercept"]["lower"]
    assert logit(half["upper"]) - logit(half["lower"]) == pytest.approx(width, rel=0.45)  # six refits know it so well


def test_both_cards_tell_what_was_changed(clinic, updated):
    before, after = (Path(f"update/model_card_{when}.html").read_text(encoding="utf-8") for when in ("before", "after"))
    assert "None: risks are those of its development." in before
    assert f"On {updated[0]['cases']} cases of another site" in after
    assert "virtual registry" in after
    assert "virtual registry" not in before  # that model was of a registry


def test_an_update_is_registered_under_its_alias_and_not_as_champion(clinic, updated):
    assert "alias updated; champion stays" in updated[1]
    with tracking.store() as client:
        version = client.get_model_version_by_alias(tracking.model_name(OUTCOME), tracking.UPDATED)
        assert tracking.champion(client, OUTCOME) is None
        assert version.tags["parent_bundle_sha256"] == updated[0]["parent_sha256"]
        assert "cases of another site" in version.description
        fetched = tracking.bundle_of(f"models:/{version.name}/{version.version}", clinic / "fetched")
    assert read_bundle(fetched).updates == read_bundle(Path("update/bundle")).updates
    first = ledger.lines(paths.promotions())[0]
    assert (first["decision"], first["challenger"]["version"]) == ("updated", str(version.version))
    assert any("updated" in line for line in promotion_lines())


def test_the_same_cases_make_the_same_model_and_no_second_version(clinic, updated):
    n_lines = len(ledger.lines(paths.promotions()))
    assert "is backcast-failure_12m version 1 already" in again("never")
    assert read_json(Path("update/update.json"))["sha256"] == updated[0]["sha256"]
    assert len(ledger.lines(paths.promotions())) == n_lines


def test_an_update_becomes_champion_by_the_rule_or_by_hand_and_the_ledger_tells_which(clinic, updated):
    with tracking.store() as client:
        name = tracking.model_name(OUTCOME)
        assert "there was none" in again("by-rule")
        assert str(tracking.champion(client, OUTCOME).version) == "1"
        client.delete_registered_model_alias(name, tracking.CHAMPION)
        assert "somebody's own decision" in again("anyway")
        assert str(tracking.champion(client, OUTCOME).version) == "1"
    lines = ledger.lines(paths.promotions())
    assert [line["decision"] for line in lines] == ["updated", "promoted", "promoted"]
    assert [line["rule"].get("promote", "the rule") for line in lines] == ["never", "the rule", "anyway"]


def test_a_model_that_is_right_is_left_as_it_is(clinic, updated):
    said = update_file(
        Path("site.csv"), "update/bundle", Path("second"), level=0.05, promote="never", registers=False, **PLAIN
    )
    assert "The closed test at 0.05 asks for no change (" in said
    assert not Path("second").exists()


def test_cases_that_updated_a_model_are_told_to_judge_it_no_longer(clinic, updated, validated):
    said = validate_file(Path("site.csv"), "update/bundle", Path("judged_by_its_own"), **PLAIN)
    assert "These very cases updated the model" in said
    assert "No validation." in Path("judged_by_its_own/report.html").read_text(encoding="utf-8")
    assert not validated[0]["updated_on_these"]


def test_by_the_rule_an_update_is_held_against_the_champion_out_of_fold(clinic, updated, tmp_path):
    params, model = load_params(), one_model("model")
    site = site_cases(Path("site.csv"), model, params, **PLAIN)
    cases = Site.of(site.risk, site.y, site.weights, site.patients)
    made = write_update(Asked(site, cases, closed_test(cases, 0.05), model, params), tmp_path)
    apart = expit(out_of_fold(cases, 0.05, params.train.seed))
    told = made.figures["after"]["calibration_intercept"]
    assert told == calibration_intercept(cases.y, apart, cases.weights).as_json()
    assert abs(told["estimate"]) > 1e-6  # on the cases that updated it, it would be 0 by construction
    champion = SimpleNamespace(version="7", tags={"bundle_sha256": model.predictor.sha256})
    decided, differences = decision_on(made, champion, "by-rule")
    conditions = {condition.name: condition for condition in decided.conditions}
    assert list(conditions) == ["log loss", "net benefit", "calibration slope"]
    assert differences["log_loss"]["upper"] < 0  # risks too low by 1.2 in log-odds are far from right
    assert conditions["log loss"].is_met
    assert decided.is_promoted == all(condition.is_met for condition in decided.conditions)
    slope = calibration_slope(cases.y, made.out_of_fold)
    assert f"{slope.lower:.3f} to {slope.upper:.3f}" in conditions["calibration slope"].found


# ---- bad input ---------------------------------------------------------------------------------------


def spoilt(change: str) -> Path:
    """The site's file with one mistake."""
    cases = pd.read_csv("site.csv", dtype=str)
    if change == "another layout":
        cases = pd.DataFrame({"Provider Code": ["A"], "Age Band": ["60 to 69"]})
    elif change == "no outcome":
        cases = cases.drop(columns=["odi_12m", "death_date"])
    elif change == "everybody":
        cases = cases.assign(odi_12m=cases["odi"], reoperation_date=None)
    elif change == "nobody":
        cases = cases.assign(odi_12m="0", reoperation_date=None)
    elif change == "nothing asked":
        cases = cases.assign(odi_12m=None)
    elif change == "twelve cases":
        cases = cases.head(12)
    elif change == "children":
        cases = cases.assign(age_years="17")
    elif change == "two mistakes":
        cases = cases.assign(odi="0.4", nrs_back="11")
    path = Path(f"{change.replace(' ', '_')}.csv")
    cases.to_csv(path, index=False)
    return path


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ("another layout", 5, ["names not one column of the dictionary"]),
        ("no outcome", 6, ["odi_12m is missing", "death_date is missing"]),
        ("everybody", 10, ["0 without it"]),
        ("nobody", 10, ["0 with it"]),
        ("nothing asked", 10, ["odi_12m is recorded of no case; failure_12m is known of 0 cases"]),
        ("twelve cases", 10, ["fewer than 5 of either"]),
        ("children", 9, [f"no case of {CASES} meets the criteria", "adult"]),
        ("two mistakes", 8, ["odi never exceeds 1", "nrs_back is outside"]),
    ],
)
def test_a_file_that_cannot_be_judged_is_one_message_and_leaves_nothing(clinic, change, status, words):
    with pytest.raises(BackcastError) as refused:
        validate_file(spoilt(change), "model", Path("nowhere"), **PLAIN)
    assert refused.value.exit_status == status
    assert [word for word in words if word not in str(refused.value)] == []
    assert not [path for path in Path().iterdir() if "nowhere" in path.name]


def test_the_causes_of_a_failure_are_no_risk(clinic):
    params = load_params()
    write_cause_model(params.cause, params.derive, Path("causes"))
    with pytest.raises(BackcastError, match="ranks the causes of a failure and tells no risk"):
        validate_file(Path("site.csv"), "causes", Path("nowhere"), **PLAIN)


def test_a_broken_model_is_refused_by_name(clinic, tmp_path):
    write_bundle(learned_bundle(load_params()), tmp_path / "broken")
    (tmp_path / "broken" / "refits.json").write_text("[]")
    with pytest.raises(BackcastError, match=r"refits.json changed since the model was made") as refused:
        update_file(
            Path("site.csv"), str(tmp_path / "broken"), Path("nowhere"), level=0.05, promote="never", registers=True,
            **PLAIN,
        )  # fmt: skip
    assert refused.value.exit_status == 11


def test_a_command_ends_with_the_status_of_the_mistake(backcast):
    answer = backcast("validate", "--model", "nowhere", "site.csv")
    assert (answer.status, answer.says("nowhere is neither a bundle folder")) == (3, False)  # no params.yaml here
    assert backcast("update", "site.csv").says("Missing option '--model'")


# ---- what the simulation found -----------------------------------------------------------------------


def test_the_page_prints_the_table_of_the_simulation():
    page = (ROOT / "docs/how_to" / "external_validation.md").read_text(encoding="utf-8")
    for table in documented(pd.read_csv(ROOT / "docs/how_to" / "external_validation.csv")):
        assert table in page


def test_the_page_says_of_the_table_what_stands_in_it():
    page = (ROOT / "docs/how_to" / "external_validation.md").read_text(encoding="utf-8")
    said = " ".join(page.split())
    rows = pd.read_csv(ROOT / "docs/how_to" / "external_validation.csv").set_index(["shift", "cases"])
    changed, right, slope = 1 - rows["original"], RIGHT, "what is known tells less"
    off = (rows["error_after"] - rows["original"] * rows["error_before"]) / changed
    level = ["failure commoner", "failure rarer"]
    found = [round(100 * changed[shift, 150]) for shift in (*level, "commoner, and tells less")]
    assert f"at {found[0]} to {found[1]} of a hundred sites of 150 cases, one of eight points at {found[2]}" in said
    assert min(changed[shift, 400] for shift in (*level, "commoner, and tells less")) >= 0.935
    shares = [f"{100 * rows.loc[(slope, cases), 'intercept_and_slope']:.0f} %" for cases in (150, 400, 2000)]
    assert "{} of sites of 150 cases, {} of 400 and {} of 2,000".format(*shares) in said
    before, after = (rows.loc[(slope, 150), name] for name in ("error_before", "error_after"))
    assert f"they are {before:.1f} points off before it and {after:.1f} after" in said
    assert [round(off[right, cases]) for cases in (150, 400, 2000)] == [9, 5, 2]
    assert "nine points off. At 400 cases such a site is five points off, at 2,000 two" in said
    held = 100 * rows["risk_covered"].sort_index()
    assert min(held[shift, cases] for shift in level for cases in (150, 400, 2000)) >= 95
    assert f"({held[slope, 150]:.0f} % at 150, {held[slope, 400]:.0f} % at 400)" in said
    little = [right, "none but the model's own error", "scans misread more often", "pain drawn more widely"]
    spread = [f"{min(held.loc[little, n]):.0f} to {max(held.loc[little, n]):.0f} % at {n}" for n in (150, 400)]
    assert f"({spread[0]}, {spread[1]})" in said
