"""What is missing: of the record by form, of a model's predictors one by one, of the outcomes by centre."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from features.dictionary import load_dictionary
from features.predictors import Predictor, predictor_frame


def missing_by_form(cases: pd.DataFrame) -> list[dict[str, Any]]:
    """Each form of the record: its variables, the share of values recorded, and of cases with any of them."""
    by_form: dict[str, list[str]] = {}
    for variable in load_dictionary().predictors:
        by_form.setdefault(variable.form, []).append(variable.name)
    rows = []
    for form, names in by_form.items():
        present = cases.reindex(columns=names).notna()
        rows.append(
            {
                "form": form,
                "variables": len(names),
                "recorded": float(present.to_numpy().mean()),
                "begun": float(present.any(axis=1).mean()),
            }
        )
    return rows


def missing_by_predictor(
    cases: pd.DataFrame, features: pd.DataFrame, predictors: Sequence[Predictor], sets: pd.Series, names: Sequence[str]
) -> list[dict[str, Any]]:
    """Each predictor with anything missing: the share of cases without it, by set; most often missing first."""
    frame = predictor_frame(cases, features, [p.name for p in predictors])
    shares = pd.DataFrame({name: frame[(sets == name).to_numpy()].isna().mean() for name in names})
    order = shares.max(axis=1).sort_values(ascending=False, kind="stable").index
    labels = {p.name: p.label for p in predictors}
    return [{"label": labels[p], "shares": shares.loc[p].to_dict()} for p in order if shares.loc[p].max() > 0]


def known_by_centre(y: pd.Series, centres: pd.Series) -> list[tuple[str, int, float]]:
    """Each centre: its cases and the share whose outcome is known."""
    known = y.notna().groupby(centres)
    return [(str(centre), len(own), float(own.mean())) for centre, own in known]


def missing_by_centre(cases: pd.DataFrame, most: int = 16) -> pd.DataFrame:
    """The share of values that are not recorded: a row a form of the record, a column a centre, of many the largest."""
    cases = cases[cases["centre_id"].isin(largest_centres(cases["centre_id"], most))]
    by_form: dict[str, list[str]] = {}
    for variable in load_dictionary().predictors:
        by_form.setdefault(variable.form, []).append(variable.name)
    shares = {
        form: cases.reindex(columns=names).isna().mean(axis=1).groupby(cases["centre_id"]).mean()
        for form, names in by_form.items()
    }
    return pd.DataFrame(shares).T.rename_axis(columns=None)


def largest_centres(centres: pd.Series, most: int) -> list[str]:
    """The centres with most cases, in the order of their names."""
    return sorted(str(centre) for centre in centres.value_counts().index[:most])
