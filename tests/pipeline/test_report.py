"""The report, the model card and the checklists, of a small study whose artefacts are written here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.builders import BuilderParams, build_features
from features.cohort import CohortParams, cohort_flow, outcome_flow
from features.dictionary import load_dictionary
from features.outcomes import OutcomeParams, outcome_labels
from features.predictors import candidate_predictors
from models.bundle import FORMAT, HEAD_KEYS
from models.metrics import decision_curve, performance, roc_points, smooth_calibration_curve
from models.splitting import split_cases
from pipeline import paths
from pipeline.files import write_json, write_table
from pipeline.params import Params, load_params
from pipeline.reporting.page import TEMPLATES
from pipeline.reporting.sections import SECTIONS
from pipeline.stages import report
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.registry import draw_registry

ROOT = Path(__file__).resolve().parents[2]
OUTCOME = "failure_12m"
LEARNERS = ("prevalence", "logistic")
THRESHOLDS = [0.2, 0.3]
DATES = ("index_date", "operation_date", "followup_date", "reoperation_date", "death_date", "last_contact_date")


@pytest.fixture(scope="module")
def params(tmp_path_factory) -> Params:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^  outcomes: \[.*\]$", f"  outcomes: [{OUTCOME}]", text)
    path = tmp_path_factory.mktemp("params") / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return load_params(path)


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory) -> Path:
    """What the stages before the report leave, as far as a report cannot do without it."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_study()
    return folder


def write_study() -> None:
    drawn = draw_registry(
        RegistryParams(seed=5, cases=260, centres=4, first_year=2019, years=3, discordance_effect=1.0)
    )[0]
    drawn = drawn if drawn.index.name == "case_id" else drawn.set_index("case_id")
    cases = drawn.assign(**{name: pd.to_datetime(drawn[name]) for name in DATES if name in drawn.columns})
    included, flow = cohort_flow(cases, CohortParams())
    cases = cases[included]
    labels = outcome_labels(cases, {OUTCOME: OutcomeParams()})
    preoperative = [v.name for v in load_dictionary().known_by("preoperative") if v.name in cases.columns]
    features = build_features(cases[preoperative], BuilderParams(mimic_priors={"sacroiliac": 0.15, "piriformis": 0.05,
                                                                               "hip": 0.1}))  # fmt: skip
    split = split_cases(cases, test_centres=1, folds=3, seed=4)
    write_table(cases[preoperative], paths.COHORT_CASES)
    write_table(labels, paths.OUTCOMES)
    write_table(pd.concat([flow, outcome_flow(cases, labels, [OUTCOME])], ignore_index=True), paths.FLOW)
    write_table(features, paths.FEATURES)
    write_table(split, paths.SPLIT)
    write_trained(labels[OUTCOME])
    write_evaluated(labels[OUTCOME], split["set"])


def write_trained(y: pd.Series) -> None:
    learners = {
        learner: {
            "log_loss": 0.6,
            "recalibration": {"intercept": 0.01, "slope": 0.97},
            "ends_of_grid": ["C"] if learner == "logistic" else [],
        }
        for learner in LEARNERS
    }
    choice = {"chosen": "logistic", "best": "logistic", "rule": "simplest candidate", "learners": learners}
    write_json(choice, paths.choice(OUTCOME))
    predictors = [
        {"name": p.name, "label": p.label, "group": p.group, "form": p.form} for p in candidate_predictors(OUTCOME, 12)
    ]
    head = dict.fromkeys(HEAD_KEYS, "none") | {
        "format": FORMAT,
        "outcome": OUTCOME,
        "outcome_label": "label",
        "predictors": predictors,
        "hyperparameters": {"C": 0.1},
        "development": {"cases": 120, "events": 37, "prevalence": 0.31, "fingerprint": "f" * 64},
        "explanation": "interventional",
        "code_sha256": "c" * 64,
        "files": {"model.json": "a" * 64},
    }
    write_json(head, paths.learner_folder(OUTCOME, "logistic") / "bundle.json")


def write_evaluated(y: pd.Series, sets: pd.Series) -> None:
    rng = np.random.default_rng(8)
    known = y.notna() & sets.isin(["temporal", "geographic"])
    metrics: dict[str, Any] = {}
    curves: dict[str, list[pd.DataFrame]] = {"roc": [], "calibration": [], "decision": []}
    predictions = []
    for learner in LEARNERS:
        risk = pd.Series(0.3 if learner == "prevalence" else rng.uniform(0.1, 0.6, len(y)), index=y.index)
        metrics[learner] = {}
        for test_set in ("temporal", "geographic"):
            own = known & (sets == test_set)
            measured = performance(y[own], risk[own], thresholds=THRESHOLDS, seed=1)
            metrics[learner][test_set] = {name: value.as_json() for name, value in measured.items()}
            drawn = {
                "roc": pd.DataFrame(roc_points(y[own], risk[own])),
                "calibration": pd.DataFrame(smooth_calibration_curve(y[own], risk[own], seed=1)),
                "decision": pd.DataFrame(decision_curve(y[own], risk[own], [0.1, 0.2, 0.3])),
            }
            for kind, curve in drawn.items():
                curves[kind].append(curve.assign(outcome=OUTCOME, learner=learner, test_set=test_set))
            predictions.append(
                pd.DataFrame({"case_id": y[own].index, "learner": learner, "test_set": test_set,
                              "y_true": y[own].to_numpy(), "risk": risk[own].to_numpy()})
            )  # fmt: skip
    write_json({OUTCOME: metrics}, paths.METRICS)
    for kind, tables in curves.items():
        write_table(pd.concat(tables, ignore_index=True), paths.curves(kind))
    write_table(pd.concat(predictions, ignore_index=True), paths.predictions(OUTCOME))


@pytest.fixture
def study(artefacts, tmp_path, monkeypatch) -> Path:
    """A copy of the artefacts that a test may spoil, as the working directory."""
    for path in artefacts.rglob("*"):
        if path.is_file():
            target = tmp_path / path.relative_to(artefacts)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def reported(artefacts, params) -> dict[str, bytes]:
    """Every file of the report of the unspoilt study."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(artefacts)
        report.run(params)
        return written()


def written() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(paths.REPORT.parent.iterdir())}


def page_of(files: dict[str, bytes]) -> str:
    return files["report.html"].decode()


def change(path: Path, edit: Callable[[Any], None]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    edit(content)
    write_json(content, path)


def test_it_leaves_a_page_a_card_and_two_checklists(reported):
    assert {"report.html", "model_card.html", "tripod_ai.csv", "source_attributes.csv", f"{OUTCOME}.png"} <= set(
        reported
    )


@pytest.mark.parametrize("name", ["report.html", "model_card.html"])
def test_a_page_needs_nothing_from_elsewhere(reported, name):
    text = reported[name].decode()
    assert not re.search(r"""(?:src|href|action)\s*=\s*["']?(?!["'#]|data:)""", text)
    assert not re.search(r"@import|url\(|<script|<link|<iframe", text)
    assert "data:image/png;base64," in text or name == "model_card.html"


def test_a_changed_artefact_changes_the_page_and_nothing_else_does(study, params, reported):
    """Twice from the same files the same bytes; then one figure of each kind is changed, and only it is seen."""
    report.run(params)
    assert written() == reported

    def worse(metrics: dict) -> None:
        found = metrics[OUTCOME]["logistic"]["temporal"]["auroc"]
        found.update(estimate=0.9137, lower=0.9024, upper=0.9246)

    change(paths.METRICS, worse)
    change(paths.choice(OUTCOME), lambda choice: choice["learners"]["logistic"].update(log_loss=0.87654))
    flow = pd.read_csv(paths.FLOW)
    flow.loc[0, "remaining"] = 7654321
    write_table(flow, paths.FLOW)
    cases = pd.read_parquet(paths.COHORT_CASES)
    write_table(cases.assign(age_years=71.0, record_origin="registry"), paths.COHORT_CASES)
    report.run(params)
    before, after = page_of(reported), page_of(written())
    for words in ("0.90 to 0.92", "0.8765", "7,654,321 cases recorded", "71 (71 to 71)"):
        assert words not in before, words
        assert words in after, words
    assert "0.90 to 0.92" in written()["model_card.html"].decode()
    for name in ("report.html", "model_card.html"):
        assert "Made from the virtual registry" not in written()[name].decode()


def test_what_a_study_does_not_have_is_left_out_and_said(reported):
    page = page_of(reported)
    for key, title in (("validation", "Centre by centre"), ("fidelity", "Is the virtual registry like real ones?")):
        assert f'<h2 id="{key}"' not in page
        assert f"Left out: {title}" in page
    for key in ("summary", "participants", "missing", "performance", "limits", "checklists"):
        assert f'<h2 id="{key}"' in page


def test_a_grid_that_may_be_too_narrow_is_told_of_its_learner_alone(reported):
    page = page_of(reported)
    assert "The best setting of logistic stands at the end of its grid (C): a wider one might do better." in page
    assert page.count("the end of its grid") == 1


def test_no_case_is_named(reported, artefacts):
    named = pd.read_parquet(artefacts / paths.COHORT_CASES).reset_index()
    everything = b"".join(content for name, content in reported.items() if not name.endswith(".png")).decode()
    text = re.sub(r"base64,[A-Za-z0-9+/=]+", "", everything)
    for column in ("case_id", "patient_id"):
        assert not [value for value in named[column].unique() if value in text]


@pytest.mark.parametrize("name", ["report.html", "model_card.html"])
def test_provenance_is_on_both_pages(reported, name):
    assert "Made from the virtual registry" in reported[name].decode()


NAMES_WITH_DIGITS = ("SHA-256", "95&nbsp;%", "HTI-1", "E50", "E90")
"""What a page may say with a digit in it: the level of an interval, a rule, measures by their names."""


@pytest.mark.parametrize("template", sorted(TEMPLATES.rglob("*.j2")), ids=lambda path: path.stem)
def test_a_template_types_no_number(template):
    text = template.read_text(encoding="utf-8")
    text = re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}", " ", text, flags=re.S)
    text = re.sub(r"<style>.*?</style>|<[^>]*>", " ", text, flags=re.S)
    for name in NAMES_WITH_DIGITS:
        text = text.replace(name, " ")
    assert re.findall(r"\S*\d\S*", text) == []


def test_every_section_has_its_template_and_no_template_is_unused():
    assert {section.key for section in SECTIONS} == {
        path.name.removesuffix(".html.j2") for path in (TEMPLATES / "sections").glob("*.j2")
    }


def test_nothing_is_called_complete(reported):
    page = re.sub(r"base64,[A-Za-z0-9+/=]+", "", page_of(reported))
    checklists = page[page.index('id="checklists"') : page.index('id="reproduce"')]
    assert not re.search(r"\bcompleted?\b", checklists)
    assert re.search(r"\d+ of 52: evidence, \d+ draft, \d+ author needed", checklists)
    assert re.search(r"\d+ of 31 answered", checklists)
