"""Our chosen models beside well-kept learners, on the same predictors, development cases and test year.

The peers are used as they come, with their own defaults, once; nothing is chosen by the test year. Ours are the bundles
that the study itself chose inside development. Intervals of differences are paired. Our seconds are the chosen
learner's whole recipe: its grid in the folds, recalibration, and the refits of the interval. Everyone learns on one
thread.

An earlier run of this question sent us back to development, where the trees' grid proved too narrow (decision 76). The
test year had been seen by then. So the default study is judged on fresh cases too, of the test year of another virtual
registry, which nobody had seen; NHS PROMs has no third year.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.predictors import predictor_frame
from models.comparison import auroc_difference
from models.estimates import Estimate, Floats
from models.learners import CANDIDATES
from models.metrics import auroc, brier_score, calibration_slope
from models.predictor import RiskPredictor
from models.training import learn
from pipeline import paths, study
from pipeline.development import carried, development
from pipeline.files import read_cases, read_json
from pipeline.params import load_params
from tests.bench.measuring import NO_RUN, PRIMARY, Row, chosen_bundle, environment, not_made, seconds
from tests.bench.repro import change, cloned, repro

TITLE = "Are the chosen models as good as their peers?"
AT_LEAST, SLOPE = -0.005, (0.9, 1.1)
PROMS, PACKS = "nhs_proms", "BACKCAST_NHS_PROMS"
PROMS_OUTCOMES = ("hip_no_gain_6m", "knee_no_gain_6m")
TEST_SET = "temporal"
THE_CHOICE = "the choice of the simplest learner within one standard error: another of ours has the higher AUROC"
THE_LEARNER = "the learner, since predictors and cases are the same"
SEED = 1
FRESH, LEAST_FRESH, FRESH_SEED = 100_000, 2_400, 20270101


def rows(scale: float) -> list[Row]:
    """With a scale below 1 the peers learn from such a share of the development cases, fresh cases are fewer, and NHS
    PROMs is left out."""
    return [*default_study(scale), *nhs_proms(scale)]


def default_study(scale: float) -> list[Row]:
    if not chosen_bundle(PRIMARY):
        return [not_made(PRIMARY, NO_RUN)]
    with tempfile.TemporaryDirectory() as name:
        clone = cloned(Path(name) / "clone")
        change(clone, "registry", "seed", FRESH_SEED)
        change(clone, "registry", "cases", max(int(FRESH * scale), LEAST_FRESH))
        repro(clone, "derive", "split")
        return compared(Path(), PRIMARY, scale, clone)


def nhs_proms(scale: float) -> list[Row]:
    """The study of real cases, made in a clone as far as its predictions."""
    packs = os.environ.get(PACKS, "")
    if not Path(packs or "nowhere").is_dir():
        return [
            not_made(name, f"the packs of NHS PROMs are not here: {PACKS} names their folder")
            for name in PROMS_OUTCOMES
        ]
    if scale < 1:
        return [not_made(name, "left out of a small trial: the study alone takes minutes") for name in PROMS_OUTCOMES]
    os.environ[PACKS] = str(Path(packs).resolve())
    with tempfile.TemporaryDirectory() as name:
        clone = cloned(Path(name) / "clone")
        change_study(clone)
        repro(clone, "predict")
        return [row for outcome in PROMS_OUTCOMES for row in compared(clone, outcome, scale)]


def change_study(clone: Path) -> None:
    params = clone / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8").replace("study: lumbar", f"study: {PROMS}"), encoding="utf-8")


def compared(root: Path, outcome: str, scale: float, *fresh: Path) -> list[Row]:
    """The rows of an outcome, by a process that works on the study of the folder; `fresh` has a registry of its own."""
    command = [sys.executable, "-m", "tests.bench.peers", outcome, str(scale), *map(str, fresh)]
    env = environment({"PYTHONPATH": str(Path.cwd())})
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{outcome}: {done.stderr.strip()[-600:]}")
    return [Row(**row) for row in json.loads(done.stdout.splitlines()[-1])]


@dataclass(frozen=True)
class Held:
    """Cases from which nothing was learned, of one outcome."""

    name: str
    cases: pd.DataFrame
    features: pd.DataFrame
    y: Floats
    patients: NDArray[np.str_]


def held(name: str, root: Path, outcome: str) -> Held:
    """The cases of the test year whose outcome is known, of the study in that folder."""
    split, labels = read_cases(root / paths.SPLIT), read_cases(root / paths.OUTCOMES)[outcome]
    used = (split["set"] == TEST_SET) & labels.notna()
    cases, features = read_cases(root / paths.COHORT_CASES)[used], read_cases(root / paths.FEATURES)[used]
    return Held(name, cases, features, labels[used].to_numpy(dtype=float), split["patient_id"][used].to_numpy(str))


def judged(outcome: str, scale: float, *fresh: Path) -> list[Row]:
    """Learn, answer, judge; in the folder of a study that is made as far as its predictions."""
    study.work_on(None)
    params, can = load_params(), carried(outcome)
    data = development(read_cases(paths.COHORT_CASES), outcome, can.predictors)
    chosen = read_json(paths.choice(outcome))["chosen"]
    grid, took = params.train.grid(chosen), {}
    took[f"ours ({chosen})"] = seconds(
        lambda: learn(data, chosen, can.predictors, grid, refits=params.train.refits, seed=params.train.seed, threads=1)
    )
    others = [learner for learner in CANDIDATES if learner in can.learners and learner != chosen]
    names = {f"ours ({chosen})": chosen} | {f"ours, not chosen ({learner})": learner for learner in others}
    ours = {name: RiskPredictor.load(paths.learner_folder(outcome, learner)) for name, learner in names.items()}
    some = np.random.default_rng(SEED).random(len(data.y)) < min(scale, 1)
    learned = peers()
    for name, peer in learned.items():
        begun = time.perf_counter()
        peer.fit(as_levels(data.X, data.X)[some], data.y[some].astype(int), sample_weight=data.weights[some])
        took[name] = time.perf_counter() - begun
    taught = f"{int(some.sum()):,} development cases, {len(can.predictors)} candidate predictors"
    told = []
    for on in [held(outcome, Path(), outcome), *(held(f"{outcome}, fresh cases", root, outcome) for root in fresh)]:
        asked = as_levels(predictor_frame(on.cases, on.features, list(data.X)), data.X)
        risks = {name: predictor.risk(on.cases, on.features).to_numpy() for name, predictor in ours.items()}
        risks |= {name: peer.predict_proba(asked)[:, 1] for name, peer in learned.items()}
        told += verdict(on, risks, list(learned), taught, took)
    return told


def verdict(
    on: Held, risks: Mapping[str, Floats], of_peers: list[str], taught: str, took: dict[str, float]
) -> list[Row]:
    """The first of the risks are those of our chosen model."""
    own, reached = next(iter(risks)), {name: auroc(on.y, risk).estimate or 0.0 for name, risk in risks.items()}
    best, best_own = max(of_peers, key=reached.__getitem__), max(risks.keys() - of_peers, key=reached.__getitem__)
    how = f"{taught}; {len(on.y):,} cases of the test year, {int(on.y.sum()):,} with the outcome"
    return [
        row(
            f"{on.name}: our AUROC less that of the best peer, {best}",
            auroc_difference(on.y, risks[own], risks[best], patients=on.patients),
            at_least=AT_LEAST, how=how, limited_by=THE_CHOICE if best_own != own else THE_LEARNER,
        ),
        row(
            f"{on.name}: our calibration slope", calibration_slope(on.y, risks[own]),
            at_least=SLOPE[0], at_most=SLOPE[1], how=how,
            limited_by="the development cases; it is recalibrated out of fold, and never by the test year",
        ),
        *(told for name in risks for told in figures(f"{on.name}: {name}", on.y, risks[name], how, took.get(name))),
    ]  # fmt: skip


def figures(subject: str, y: Floats, risk: Floats, how: str, took: float | None) -> list[Row]:
    """What is told of each model; no seconds of one that was learned when the study was made."""
    measures = {"AUROC": auroc, "Brier score": brier_score, "calibration slope": calibration_slope}
    told = [row(what, measure(y, risk), subject=subject, how=how) for what, measure in measures.items()]
    return told if took is None else [*told, Row(what="learning, s", figure=took, unit="s", subject=subject, how=how)]


def row(what: str, estimate: Estimate, **more: Any) -> Row:
    told = {"figure": estimate.estimate, "lower": estimate.lower, "upper": estimate.upper}
    return Row(what=what, unit="", reason=estimate.reason or "", **told, **more)


def peers() -> dict[str, Any]:
    """Classifiers as their libraries make them; what is fixed is the seed, one thread, and that words are levels."""
    from interpret.glassbox import ExplainableBoostingClassifier
    from sklearn.ensemble import HistGradientBoostingClassifier
    from xgboost import XGBClassifier

    return {
        "EBM (interpret)": ExplainableBoostingClassifier(random_state=SEED, n_jobs=1),
        "HistGradientBoosting (scikit-learn)": HistGradientBoostingClassifier(random_state=SEED),
        "XGBoost": XGBClassifier(random_state=SEED, n_jobs=1, enable_categorical=True),
    }


def as_levels(frame: pd.DataFrame, development: pd.DataFrame) -> pd.DataFrame:
    """Words as the levels that development has seen; another is missing. Numbers as they are."""
    words = [name for name in development if not pd.api.types.is_numeric_dtype(development[name])]
    seen = {name: pd.CategoricalDtype(sorted(development[name].dropna().unique())) for name in words}
    return frame.astype({**dict.fromkeys(frame.columns.difference(words), float), **seen})


if __name__ == "__main__":
    print(json.dumps([asdict(one) for one in judged(sys.argv[1], float(sys.argv[2]), *map(Path, sys.argv[3:]))]))
