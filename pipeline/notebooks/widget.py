"""A pain drawing to touch: sliders of pain by region, and the answer beside them, which moves.

In Jupyter it lives. In a page without a kernel the same output is a picture with a sentence: both are kinds of one
output, of which each reader shows the one it can.
"""

from __future__ import annotations

from features.words import percent
import html

import ipywidgets as widgets
import numpy as np
import pandas as pd
from IPython.display import display

from features.axes import LABELS, REGIONS, SIDES
from features.builders import BuilderParams, build_features, sources_of_pain
from features.dictionary import load_dictionary
from features.findings import Findings
from models.case_picture import case_figure
from models.predictor import RiskPredictor
from models.screening import ranked_sources
from models.source_figure import support_bars
from pipeline.notebooks.door import png

STILL = (
    "In Jupyter there are sliders here: the pain of each region, 0 to 10, on the side you choose. Move one, and the "
    "hatching, the ranking of the sources and the risk move with it. Shown is one such move: the same pain, drawn on "
    "the other side."
)


def drawing_to_touch(case: pd.DataFrame, params: BuilderParams, predictor: RiskPredictor | None = None) -> None:
    """Show the drawing of one case with sliders of its pain.

    Parameters
    ----------
    case : DataFrame
        One row in the dictionary's layout, which stays as it is.
    params : BuilderParams
    predictor : RiskPredictor, optional
        Whose risk moves along.
    """
    names = pain_variables()
    side = widgets.ToggleButtons(options=SIDES, description="side", value=painful_side(case))
    sliders = {region: _slider(region, case) for region in REGIONS}
    body, bars, words = widgets.HTML(), widgets.Image(format="png"), widgets.HTML()
    touched = case.copy()
    as_recorded = supports(case, params)

    def answer(*_: object) -> None:
        for region, slider in sliders.items():
            touched[names[region, side.value]] = float(slider.value)
        body.value, words.value = drawing(touched, params), risk_words(case, touched, predictor)
        bars.value = png(support_bars(ranked(touched, params), "Where the pain comes from", as_recorded))

    def turn(*_: object) -> None:
        for region, slider in sliders.items():
            slider.unobserve_all()
            slider.value = _felt(touched, names[region, side.value])
            slider.observe(answer, "value")
        answer()

    side.observe(turn, "value")
    turn()
    controls = widgets.VBox([side, *sliders.values()], layout=widgets.Layout(min_width="400px"))
    beside = widgets.VBox([words, bars, body], layout=widgets.Layout(width="720px"))
    alive = widgets.HBox([controls, beside])._repr_mimebundle_()
    display({**alive, "text/html": still(case, params, predictor)}, raw=True)


def still(case: pd.DataFrame, params: BuilderParams, predictor: RiskPredictor | None = None) -> str:
    """The same without a kernel, as HTML: one move of the drawing, and what it does to the answer."""
    moved = mirrored(case)
    return f"{risk_words(case, moved, predictor)}{drawing(moved, params)}<p><em>{html.escape(STILL)}</em></p>"


def mirrored(case: pd.DataFrame) -> pd.DataFrame:
    """The case with its pain of the lower body drawn on the other side."""
    names = pain_variables()
    left, right = ([names[region, side] for region in REGIONS] for side in SIDES)
    drawn = case.reindex(columns=[*dict.fromkeys([*case.columns, *left, *right])])
    drawn[[*left, *right]] = drawn[[*right, *left]].to_numpy()
    return drawn


def pain_variables() -> dict[tuple[str, str], str]:
    """The variable of each region of the lower body and side."""
    found = [v for v in load_dictionary().predictors if v.item == "pain"]
    return {(dict(v.coordinates)["region"], dict(v.coordinates)["side"]): v.name for v in found}


def painful_side(case: pd.DataFrame) -> str:
    """The side on which more pain is drawn."""
    felt = Findings(case).pain[0].sum(axis=0)
    return SIDES[int(np.argmax(felt))]


def drawing(case: pd.DataFrame, params: BuilderParams) -> str:
    """Pain expected over pain reported, as SVG text."""
    return case_figure(sources_of_pain(Findings(case), params), 0, "Pain expected and reported")


def ranked(case: pd.DataFrame, params: BuilderParams) -> list[dict[str, object]]:
    return ranked_sources(sources_of_pain(Findings(case), params), 0)


def supports(case: pd.DataFrame, params: BuilderParams) -> dict[str, float]:
    """The support of each ranked source, by its label."""
    return {str(one["label"]): float(one["support"]) for one in ranked(case, params)}  # type: ignore[arg-type]


def risk_words(before: pd.DataFrame, after: pd.DataFrame, predictor: RiskPredictor | None) -> str:
    """The risk after a change of the record, against that before, as HTML."""
    if predictor is None:
        return ""
    risks = [_risk(case, predictor) for case in (before, after)]
    label, moved = html.escape(predictor.bundle.outcome_label), "" if risks[0] == risks[1] else f", was {risks[0]}"
    return f"<p>Risk ({label}): <b>{risks[1]}</b>{moved}</p>"


def _risk(case: pd.DataFrame, predictor: RiskPredictor) -> str:
    found = predictor.explain(case, build_features(case, predictor.builder_params)).risks.iloc[0]
    return f"{percent(found['risk'])} ({percent(found['risk_lower'])} to {percent(found['risk_upper'])})"


def _slider(region: str, case: pd.DataFrame) -> widgets.IntSlider:
    return widgets.IntSlider(
        min=0, max=10, description=LABELS.get(region, region.replace("_", " ")), continuous_update=False,
        style={"description_width": "200px"}, layout=widgets.Layout(width="390px"),
    )  # fmt: skip


def _felt(case: pd.DataFrame, name: str) -> int:
    value = case[name].iloc[0] if name in case.columns else np.nan
    return 0 if pd.isna(value) else round(float(value))
