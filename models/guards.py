"""Guards against a leak: a model that is too good to be true, and the ways in which that comes about.

| guard | fires when | runs in |
|---|---|---|
| shared patients | a patient stands on both sides of a split (`models.splitting`) | split, appraise, train |
| own row | a derived feature of a case changes when the other cases are absent | appraise |
| shadow model | the preoperative columns of a record, all together or one alone, know the outcome | appraise |
| permuted outcomes | the recipe predicts outcomes that were shuffled | appraise |
| learned model | a learner's AUROC out of fold is above what registries ever reached | train |

The AUROC that raises the alarm (`train.leak_alarm_auroc`) is one for all outcomes. A label that is partly
arithmetic in its baseline, as a percent change is, comes nearer to it than others and is not excused: whoever
has looked can overrule the alarm by the name of the outcome. That a fold's model learns from its own rows alone
is a property of the code: the tests plant an outlier in held-out rows and see that no fitted number moves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata
from xgboost import XGBClassifier

from features.dictionary import load_dictionary
from features.errors import LeakError
from features.predictors import Predictor
from features.words import percent
from models.discrimination import auroc
from models.encoding import Floats
from models.estimates import Estimate
from models.fitted import sigmoid
from models.learners import settings
from models.training import Development, in_threads, learn

SUSPECTS_NAMED = 3
SHADOW_TREES = {
    "n_estimators": 50,
    "max_depth": 3,
    "learning_rate": 0.15,
    "colsample_bytree": 0.5,
    "max_bin": 64,
    "tree_method": "hist",
    "importance_type": "total_gain",
    "n_jobs": 1,
}
"""Quick, and greedy enough to find one telling column among hundreds; nobody is ever shown its risks."""
MISSED_ABOVE = 0.025  # how often the lower limit of a 95 % interval lies above what it estimates
CHANCE_STANDARD_ERRORS = 4.0  # of an AUROC of shuffled outcomes: a false alarm once in 30,000


def refuse_leak(
    outcome: str, X: pd.DataFrame, y: Floats, log_odds_by_learner: Mapping[str, Floats], *, most: float
) -> None:
    """Raise `LeakError` if a learner's out-of-fold AUROC exceeds what honest registries have ever reached.

    The message names the predictors that separate the outcome best on their own.
    """
    reached = {learner: auroc(y, sigmoid(odds)).estimate or 0.5 for learner, odds in log_odds_by_learner.items()}
    learner = max(reached, key=lambda name: reached[name])
    if reached[learner] <= most:
        return
    suspects = single_aurocs(X, y).head(SUSPECTS_NAMED)
    named = ", ".join(f"{name} (alone {value:.2f})" for name, value in suspects.items())
    raise LeakError(
        f"{outcome}: {learner} reaches an AUROC of {reached[learner]:.2f} out of fold; above {most:g} is a leak until "
        f"proved otherwise. The best single predictors are {named}. Is one of them known only after the operation? "
        f"If not, name the outcome in train.overrule_leak_alarm."
    )


def single_aurocs(X: pd.DataFrame, y: Floats) -> pd.Series:
    """How well each numeric predictor separates the outcome alone, in either direction; best first."""
    values = {name: estimate for name, (estimate, _) in _alone(X, y).items()}
    return pd.Series(values, dtype=float).sort_values(ascending=False, kind="stable")


def surest_aurocs(X: pd.DataFrame, y: Floats) -> pd.Series:
    """The AUROC that each column alone surely reaches among its recorded cases, in either direction; best first.

    The lower limit of its 95 % interval. Few cases prove little, however well they are separated: no limit is
    above the one that complete separation would give. m disjoint pairs, one case of each class in each, are all
    in the right order by a chance of AUROC^m; m is the number of cases in the smaller class.
    """
    values = {name: limit for name, (_, limit) in _alone(X, y).items()}
    return pd.Series(values, dtype=float).sort_values(ascending=False, kind="stable")


def _alone(X: pd.DataFrame, y: Floats) -> dict[str, tuple[float, float]]:
    """AUROC of each column alone, turned so that it is at least 0.5, and the lower limit of that."""
    found = {}
    for name in X.columns:
        numbers = pd.to_numeric(X[name], errors="coerce").to_numpy(dtype=np.float64)
        known = ~np.isnan(numbers)
        pairs = int(min(y[known].sum(), (1 - y[known]).sum()))
        its = auroc(y[known], rankdata(numbers[known]) / known.sum()) if pairs else None
        if its is None or its.estimate is None:
            found[name] = (0.5, 0.5)
            continue
        most = MISSED_ABOVE ** (1 / pairs)
        limit = most if its.lower is None or its.upper is None else max(its.lower, 1 - its.upper)
        found[name] = (max(its.estimate, 1 - its.estimate), min(limit, most))
    return found


@dataclass(frozen=True)
class Shadow:
    """What a record's preoperative columns know of an outcome, candidates or not.

    `gains` is each column's share of what the trees gained, best first: a column whose mere absence tells the
    outcome has a share too, though it separates nothing alone. `alone` is what each column surely reaches among
    its recorded cases (`surest_aurocs`), best first: one that is filled in for a few cases tells the trees little
    of the others.
    """

    auroc: Estimate
    gains: pd.Series
    alone: pd.Series

    def is_over(self, most: float) -> bool:
        """Whether all columns together, or one alone among its recorded cases, know more than an honest record."""
        return (self.auroc.estimate or 0) > most or bool((self.alone > most).any())


def shadow_columns(cases: pd.DataFrame) -> pd.DataFrame:
    """Every preoperative column of the record as a number: choices as their place, missing as missing.

    Keys stay out: who somebody is, where and when, is no finding that a model could learn from.
    """
    columns = {}
    for variable in load_dictionary().known_by("preoperative"):
        if variable.name not in cases.columns or variable.form == "keys":
            continue
        values = cases[variable.name]
        if variable.type == "choice":
            codes = pd.Series(pd.Categorical(values, categories=variable.codes).codes, index=cases.index)
            columns[variable.name] = codes.astype(np.float64).where(codes >= 0)
        elif variable.type == "date":
            columns[variable.name] = (values - pd.Timestamp(0)).dt.days.astype(np.float64)
        else:
            columns[variable.name] = pd.to_numeric(values, errors="coerce").astype(np.float64)
    return pd.DataFrame(columns, index=cases.index)


def shadow_model(X: pd.DataFrame, y: Floats, folds: NDArray[np.intp], *, seed: int, what: str = "shadow") -> Shadow:
    """Quick trees on all columns, out of fold; missing values go their own way, so that absence can tell too.

    Parameters
    ----------
    X : (n, n_columns) DataFrame of float
        From `shadow_columns`.
    y : (n,) float, 0 or 1
    folds : (n,) int
        Grouped by patient.
    """
    risk = np.zeros(len(y))
    columns = X.to_numpy(dtype=np.float64)

    def gains_without(fold: int) -> Floats:
        inside = folds != fold
        trees = XGBClassifier(**SHADOW_TREES, random_state=seed).fit(columns[inside], y[inside].astype(np.int64))
        risk[~inside] = trees.predict_proba(columns[~inside])[:, 1]
        return np.nan_to_num(trees.feature_importances_)  # no split at all: 0 of 0

    shares = np.mean(in_threads(gains_without, np.unique(folds), what), axis=0)
    gains = pd.Series(shares, index=X.columns, dtype=float).sort_values(ascending=False, kind="stable")
    return Shadow(auroc=auroc(y, risk), gains=gains, alone=surest_aurocs(X, y))


def shadow_alarm(outcome: str, shadow: Shadow, X: pd.DataFrame, y: Floats, *, most: float) -> str | None:
    """The alarm if a record knows the outcome better than honest records do, naming the columns; else None."""
    if not shadow.is_over(most):
        return None
    return (
        f"{outcome}: {'; '.join(_findings(shadow, X, y, most))}; above {most:g} is a leak until proved otherwise. "
        f"Is one of these columns filled in after the operation, or for those alone who came back? If not, name the "
        f"outcome in train.overrule_leak_alarm."
    )


def _findings(shadow: Shadow, X: pd.DataFrame, y: Floats, most: float) -> list[str]:
    found = []
    if shadow.auroc.estimate is not None and shadow.auroc.estimate > most:
        suspects = shadow.gains.head(SUSPECTS_NAMED)
        alone = single_aurocs(X[list(suspects.index)], y)
        named = [f"{name} ({percent(share)} of the gain, alone {alone[name]:.2f})" for name, share in suspects.items()]
        found.append(
            f"the preoperative columns of the record predict it with an AUROC of {shadow.auroc.estimate:.2f} out of "
            f"fold (the most telling columns are {', '.join(named)})"
        )
    over = shadow.alone[shadow.alone > most].head(SUSPECTS_NAMED)
    if len(over):
        recorded = X[list(over.index)].notna().mean().map(percent)
        named = [f"{name} (at least {limit:.2f}, recorded in {recorded[name]})" for name, limit in over.items()]
        found.append(f"single columns separate it, among the cases in which they are recorded: {', '.join(named)}")
    return found


def permuted_auroc(
    data: Development, learner: str, predictors: Sequence[Predictor], grid: Mapping[str, Any], *, seed: int
) -> Estimate:
    """AUROC out of fold when outcomes are shuffled among the cases and the recipe is run as it stands.

    Runs `models.training.learn` itself, with the learner's simplest setting: what looks at a held-out outcome
    anywhere in it would find what is not there.
    """
    order = np.random.default_rng([seed, 1]).permutation(len(data.y))
    shuffled = Development(
        data.outcome, data.X, data.y[order], data.weights[order], data.patients, data.folds
    )  # an outcome travels with its weight
    learned = learn(shuffled, learner, predictors, settings(learner, grid)[0], refits=0, seed=seed)
    return auroc(shuffled.y, sigmoid(learned.out_of_fold))


def permuted_alarm(outcome: str, learner: str, found: Estimate, y: Floats) -> str | None:
    """The alarm if shuffled outcomes are predicted beyond chance; below 0.5 is what folds do to noise."""
    if found.estimate is None or found.estimate <= most_by_chance(y):
        return None
    return (
        f"{outcome}: {learner} predicts shuffled outcomes with an AUROC of {found.estimate:.2f} out of fold, more than "
        f"{CHANCE_STANDARD_ERRORS:g} standard errors above 0.5. Some step learns from held-out cases: is anything "
        f"fitted, chosen or filled outside the pipeline of models/learners.py?"
    )


def most_by_chance(y: Floats) -> float:
    """The AUROC that shuffled outcomes hardly ever exceed: 0.5 and `CHANCE_STANDARD_ERRORS`."""
    events = int(y.sum())
    # Of the Mann-Whitney statistic when nothing is known.
    return 0.5 + CHANCE_STANDARD_ERRORS * math.sqrt((len(y) + 1) / (12 * events * (len(y) - events)))


def own_row_alarm(whole: pd.DataFrame, apart: pd.DataFrame) -> str | None:
    """The alarm if features of some cases, built from these cases alone, are not those built among all.

    Parameters
    ----------
    whole : DataFrame
        Features as stored, of all cases.
    apart : DataFrame
        Features of some of them, built again without the others.
    """
    columns = whole.columns.union(apart.columns, sort=False)
    stored = whole.loc[apart.index].reindex(columns=columns)
    again = apart.reindex(columns=columns)
    moved = [
        name
        for name in columns
        if not (stored[name].isna() == again[name].isna()).all() or _differ(stored[name].dropna(), again[name].dropna())
    ]
    if not moved:
        return None
    return (
        f"{len(moved)} of {len(columns)} features change when a case is looked at without the others: "
        f"{', '.join(map(str, moved[:SUSPECTS_NAMED]))}. A feature needs the "
        f"case's own row alone; what has a fit belongs into the pipeline of models/learners.py."
    )


def _differ(stored: pd.Series, again: pd.Series) -> bool:
    if pd.api.types.is_numeric_dtype(stored):
        return not np.allclose(stored.astype(float), again.astype(float), rtol=0, atol=1e-9)
    return bool((stored.astype(str) != again.astype(str)).any())


def refuse_alarms(alarms: Sequence[str | None]) -> None:
    """Raise `LeakError` with every alarm there is."""
    raised = [alarm for alarm in alarms if alarm]
    if raised:
        raise LeakError("\n".join(raised))
