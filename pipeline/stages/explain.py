"""Stage ``explain``: the chosen learners' contributions for every test case, globally and in pictures."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd

from features.builders import sources_of_pain
from features.cohort import is_of_nobody
from features.findings import Findings
from features.outcomes import is_asked
from features.words import percent
from models.case_picture import case_figure
from models.drawing import case_waterfall, importance_bars, save
from models.predictor import Explained, RiskPredictor
from models.source_story import clinical_paragraph
from models.splitting import TEST_SETS
from pipeline import paths
from pipeline.files import read_cases, read_json, write_table, write_text
from pipeline.params import Params


def run(params: Params) -> None:
    shutil.rmtree(paths.EXPLAIN, ignore_errors=True)
    is_tested = read_cases(paths.SPLIT)["set"].isin(TEST_SETS)
    every = read_cases(paths.COHORT_CASES)[is_tested]
    every_feature = read_cases(paths.FEATURES)[is_tested]
    for outcome in params.train.outcomes:
        asked = is_asked(every, outcome).to_numpy()
        cases, features = (every, every_feature) if asked.all() else (every[asked], every_feature[asked])
        chosen = read_json(paths.choice(outcome))["chosen"]
        predictor = RiskPredictor.load(paths.learner_folder(outcome, chosen))
        explained = predictor.explain(cases, features)
        write_table(contribution_table(explained), paths.EXPLAIN / outcome / "contributions.parquet")
        importance = global_importance(predictor, explained)
        write_table(importance, paths.EXPLAIN / outcome / "importance.csv")
        title = f"What moves the risk of {outcome} ({chosen}, {len(cases)} test cases)"
        save(importance_bars(importance, title), paths.EXPLAIN / outcome / "importance.png")
        draw_cases(predictor, explained, cases, params.explain.waterfalls)


def contribution_table(explained: Explained) -> pd.DataFrame:
    numbers = ["risk", "risk_lower", "risk_upper", "base_log_odds"]
    return pd.concat([explained.risks[numbers], explained.contributions.add_prefix("contribution_")], axis=1)


def global_importance(predictor: RiskPredictor, explained: Explained) -> pd.DataFrame:
    """Mean absolute contribution of each predictor over the cases, largest first."""
    sizes = explained.contributions.abs().mean()
    rows = [
        {
            "predictor": p.name,
            "label": p.label,
            "group": p.group,
            "mean_abs_contribution": round(sizes[p.name], 9),
        }
        for p in predictor.bundle.predictors
    ]
    return pd.DataFrame(rows).sort_values(["mean_abs_contribution", "predictor"], ascending=[False, True])


def draw_cases(predictor: RiskPredictor, explained: Explained, cases: pd.DataFrame, wanted: int) -> None:
    """Cases spread from the lowest to the highest risk, each as a waterfall.

    Of the virtual registry also the sources of the pain, in words and as a picture; a real person's
    values, drawing and findings stay out.
    """
    order = explained.risks["risk"].sort_values(kind="stable").index
    places = np.unique(np.linspace(0.05, 0.95, wanted).round(2)) if wanted > 1 else [0.5]
    is_virtual = is_of_nobody(cases)  # one real person among them is enough
    folder = paths.EXPLAIN / predictor.bundle.outcome
    for number, place in enumerate(places[:wanted], start=1):
        case_id = order[int(place * (len(order) - 1))]
        risk = explained.risks.loc[case_id, "risk"]
        title = f"{predictor.bundle.outcome}: a case at the {percent(place)} point of the risks, risk {percent(risk)}"
        figure = case_waterfall(predictor, explained, cases if is_virtual else None, case_id, title)
        save(figure, folder / f"waterfall_{number}.png")
        if is_virtual and predictor.builder_params:
            sources = sources_of_pain(Findings(cases.loc[[case_id]]), predictor.builder_params)
            write_text(case_figure(sources, 0, "Pain expected and reported"), folder / f"sources_{number}.svg")
            write_text(clinical_paragraph(sources) + "\n", folder / f"sources_{number}.txt")
