"""Stage ``report``: one self-contained page. Every number in it comes from an artefact; none is typed."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from features.axes import LABELS, MIMICS
from features.cohort import provenance
from features.dictionary import load_dictionary
from features.outcomes import outcome_label
from models.drawing import builder_panels, performance_panels, save
from models.splitting import TEST_SETS
from pipeline import paths
from pipeline.files import read_cases, read_json, read_table
from pipeline.params import Params
from pipeline.report_tables import characteristics, completeness, metric_rows, number

TEMPLATE = Path(__file__).resolve().parent.parent / "templates" / "report.html.j2"


def run(params: Params) -> None:
    folder = paths.REPORT.parent
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    cases, split = read_cases(paths.COHORT_CASES), read_cases(paths.SPLIT)
    features = read_cases(paths.FEATURES)
    metrics = read_json(paths.METRICS)
    builders = folder / "builders.png"
    save(builder_panels(features, cases["diagnosis"]), builders)
    page = (
        environment()
        .get_template(TEMPLATE.name)
        .render(
            provenance=provenance(cases),
            n_cases=len(cases),
            n_variables=len(load_dictionary().predictors),
            flow=read_table(paths.FLOW).to_dict("records"),
            sample_size=read_table(paths.SAMPLE_SIZE).to_dict("records"),
            sets=split["set"].value_counts().to_dict(),
            characteristics=characteristics(cases, split["set"]),
            completeness=completeness(cases),
            builders=builders,
            builder_facts=builder_facts(features),
            outcomes=[outcome_section(outcome, metrics[outcome], folder) for outcome in params.train.outcomes],
            test_sets=TEST_SETS,
            labels=LABELS,
        )
    )
    paths.REPORT.write_text(page, encoding="utf-8")


def environment() -> jinja2.Environment:
    """Templates with everything escaped; `picture` embeds a file, so that the page has no outside host."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE.parent), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters["picture"] = lambda path: "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
    made.filters["number"] = number
    return made


def builder_facts(features: pd.DataFrame) -> list[tuple[str, str]]:
    """What the builders found in the cohort, in a line each."""
    known = features["concordance_unknown"] == 0
    facts = [
        ("Cases with a drawing and a scan, so that concordance is known", f"{known.mean():.0%}"),
        ("Pain explained by the best single lesion, median", f"{features['share_best_lesion'].median():.2f}"),
        ("Pain explained by all lesions together, median", f"{features['share_all_lesions'].median():.2f}"),
        (
            "A mimic explains more than the best lesion",
            f"{(features['margin_lesion_mimic'] < 0)[known].mean():.1%}",
        ),
        ("The plan does not reach the best lesion", f"{features['plan_misses_best'].mean():.1%}"),
        ("Numbering of the levels in doubt", f"{features['numbering_uncertain'].mean():.1%}"),
    ]
    for mimic in MIMICS:
        examined = features[f"{mimic}_tests_done"] > 0
        flagged = features.loc[examined, f"{mimic}_flag"].mean()
        facts.append(
            (
                f"{LABELS[mimic][0].upper()}{LABELS[mimic][1:]}: examined in, flagged of those",
                f"{examined.mean():.0%}, {flagged:.1%}",
            )
        )
    return facts


def outcome_section(outcome: str, metrics: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Everything the page says of one outcome."""
    choice = read_json(paths.choice(outcome))
    roc, calibration, decision = (curve_of(kind, outcome) for kind in ("roc", "calibration", "decision"))
    picture = folder / f"{outcome}.png"
    title = f"{outcome}: {outcome_label(outcome)}"
    save(performance_panels(roc, calibration, decision, choice["chosen"], title), picture)
    explained = paths.EXPLAIN / outcome
    return {
        "name": outcome,
        "label": outcome_label(outcome),
        "choice": choice,
        "rows": metric_rows(metrics, choice["chosen"]),
        "picture": picture,
        "importance": explained / "importance.png",
        "waterfalls": sorted(explained.glob("waterfall_*.png")),
    }


def curve_of(kind: str, outcome: str) -> pd.DataFrame:
    curves = read_table(paths.curves(kind))
    return curves[curves["outcome"] == outcome]
