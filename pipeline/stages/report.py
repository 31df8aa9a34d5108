"""Stage ``report``: one self-contained page. Every number in it comes from an artefact; none is typed."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path
from typing import Any

import jinja2
import markupsafe
import pandas as pd

from features.axes import FLAGGED_MIMICS, LABELS, MIMICS
from features.cohort import provenance
from features.dictionary import load_dictionary
from features.outcomes import outcome_label
from models.drawing import builder_panels, performance_panels, save, truth_panels
from models.published_facts import PUBLISHED, published_table
from models.splitting import TEST_SETS
from pipeline import paths
from pipeline.files import read_cases, read_json, read_table
from pipeline.params import Params
from pipeline.report_tables import (
    characteristics,
    completeness,
    coverage_lines,
    fidelity_section,
    metric_rows,
    number,
    same_case_rows,
    with_interval,
)

ASKED = {
    "plan": "the plan reaches\nthe main source",
    **{mimic: LABELS[mimic].replace(" (", "\n(") for mimic in MIMICS},
    "all": "all pairs",
    "another_lesion": "the other source is\nanother lesion",
    "a_mimic": "the other source is\na mimic",
}
"""What is asked of the builders, as pictures and tables name it."""
SVG_NAMESPACE = ' xmlns="http://www.w3.org/2000/svg"'
"""What a file needs and a page does not."""
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
    truth = folder / "builders_truth.png"
    auroc, twins, calibration = (read_table(paths.builder_table(name)) for name in ("auroc", "twins", "calibration"))
    save(truth_panels(auroc, twins, calibration, ASKED), truth)
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
            truth=truth,
            truth_figures=truth_figures(read_json(paths.BUILDERS)),
            fidelity=fidelity_section(read_json(paths.FIDELITY_SUMMARY), read_table(paths.FIDELITY)),
            fidelity_picture=paths.FIDELITY_PICTURE,
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
        ("The plan does not reach the lesion that explains most", f"{features['plan_misses_best'].mean():.1%}"),
        ("The plan does not reach the best supported lesion", f"{features['plan_misses_likeliest'].mean():.1%}"),
        ("Support of what the plan reaches (concordance), median", f"{features['plan_support'].median():.2f}"),
        ("The plan opens the painless side alone", f"{features['side_conflict'].mean():.1%}"),
        ("A lesion and a mimic both fit", f"{features['competing'].mean():.1%}"),
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
    for mimic in FLAGGED_MIMICS:
        flags = features[f"{mimic}_flag"]
        label = f"{LABELS[mimic][0].upper()}{LABELS[mimic][1:]}: rule decided in, flagged of those"
        facts.append((label, f"{flags.notna().mean():.0%}, {flags.mean():.1%}"))
    return facts


def truth_figures(found: dict[str, Any]) -> dict[str, Any]:
    """How well the builders find the truth of virtual cases: rows of the table, and what the text says."""
    plan, lesion, twins = found["plan"], found["lesion"], found["twins"]
    asked = {"plan": plan} | {mimic: found["mimics"][mimic] for mimic in MIMICS}
    return {
        "rows": [
            {
                "question": ASKED[question].replace("\n", " "),
                "n": figures["compared"]["builders"]["n"],
                **{
                    name: with_interval(figures["compared"][name]) if name in figures["compared"] else None
                    for name in ("crude_rival", "builders", "attainable", "ratio_attainable")
                },
            }
            for question, figures in asked.items()
        ],
        "drawn": found["drawn"],
        "headline": plan["headline"],
        "ahead": with_interval(plan["compared"].get("less_crude_rival", plan["compared"]["crude_rival"])),
        "is_levelled": plan["attainable_learning_curve"]["is_levelled"],
        "gain": plan["attainable_learning_curve"]["gain_of_last_doubling"],
        "lesion": with_interval(lesion["best_lesion"]["same_level_and_side"]),
        "rival_lesion": with_interval(lesion["crude_rival"]["same_level_and_side"]),
        "twins": with_interval(twins["all"][plan["headline"]]),
        "rival_twins": with_interval(twins["all"]["crude_rival"]),
        "ahead_twins": with_interval(twins["all"]["less_crude_rival"]),
        "n_twins": twins["all"][plan["headline"]]["n"],
    }


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
        "published": published_section(outcome, choice["chosen"]),
        "picture": picture,
        "importance": explained / "importance.png",
        "cases": [told_case(picture) for picture in sorted(explained.glob("waterfall_*.png"))],
    }


def told_case(waterfall: Path) -> dict[str, Any]:
    """One case: its waterfall and, of the virtual registry alone, its sources in a picture and in words."""
    drawn = waterfall.with_name(waterfall.name.replace("waterfall", "sources")).with_suffix(".svg")
    if not drawn.exists():
        return {"waterfall": waterfall, "figure": None, "paragraph": None}
    paragraph = drawn.with_suffix(".txt").read_text(encoding="utf-8")
    # The one place where a page takes text as markup: it was written by our own stage from escaped parts.
    figure = markupsafe.Markup(drawn.read_text(encoding="utf-8").replace(SVG_NAMESPACE, ""))
    return {"waterfall": waterfall, "figure": figure, "paragraph": paragraph}


def published_section(outcome: str, chosen: str) -> dict[str, Any] | None:
    """The published equations beside the chosen learner on the same cases; None where none applies to a case."""
    compared = read_json(paths.SAME_CASES).get(outcome, {}).get(PUBLISHED)
    if compared is None:
        return None
    coverage, facts = read_table(paths.PUBLISHED_COVERAGE), published_table("applies")
    facts = facts[facts["outcome"] == outcome]
    return {
        "rows": same_case_rows(compared, [PUBLISHED, chosen]),
        "coverage": coverage_lines(
            coverage[coverage["outcome"] == outcome], published_table("inputs").set_index("term")["label"]
        ),
        "auroc": (facts["auroc_low"].min(), facts["auroc_high"].max()),
        "sources": list(dict.fromkeys(facts["source"])),
    }


def curve_of(kind: str, outcome: str) -> pd.DataFrame:
    curves = read_table(paths.curves(kind))
    return curves[curves["outcome"] == outcome]
