"""Trees grown by Dask's workers: those of one process where columns have few values, and else the same each time."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import xgboost as xgb
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from features.errors import ParamsError
from models.fitted import TreeModel
from models.learners import Grow, estimator, fit, fitted_model
from models.training import Learned, learn
from pipeline import paths
from pipeline.params import load_params
from pipeline.partitions import cluster as clusters
from pipeline.partitions import training
from pipeline.partitions.errors import ClusterError
from pipeline.partitions.training import SCHEDULER, Growers, grower
from pipeline.stages import train
from tests import small_cluster
from tests.small_models import GRIDS, invented_development, predictors_of

ROOT = Path(__file__).resolve().parents[2]
client = small_cluster.client
GRID = GRIDS["xgboost"]
LONG = GRID | {"n_rounds": 500}
"""Long enough for a worker to be lost meanwhile."""
DATA = invented_development()
PREDICTORS = predictors_of(DATA)


@pytest.fixture(scope="module")
def alone() -> Learned:
    return learned(training.grown_here)


def learned(grow: Grow) -> Learned:
    return learn(DATA, "xgboost", PREDICTORS, GRID, refits=2, seed=5, grow=grow)


def grown(setting: dict, grow: Grow) -> str:
    """Hash of trees of all cases."""
    model = fitted_model(fit(estimator("xgboost", setting, PREDICTORS, 5), DATA.X, DATA.y, DATA.weights, grow))
    assert isinstance(model, TreeModel)
    return hashlib.sha256(model.ubj).hexdigest()


@pytest.mark.parametrize("n_workers", [1, 2])
def test_workers_learn_what_one_process_learns(client, alone, n_workers):
    """Settings, recalibration, trees and refits, to the last bit, where columns have few values."""
    by_workers = learned(Growers(client, n_workers, is_local=True).grow)
    assert by_workers.model.ubj == alone.model.ubj
    assert [refit.ubj for refit in by_workers.refits] == [refit.ubj for refit in alone.refits]
    assert by_workers.setting == alone.setting
    assert by_workers.recalibration == alone.recalibration
    np.testing.assert_array_equal(by_workers.out_of_fold, alone.out_of_fold)


@pytest.mark.parametrize(("n_workers", "are_the_same"), [(1, True), (2, False)])
def test_columns_of_many_values_are_divided_elsewhere_by_two(client, n_workers, are_the_same):
    """Their trees are others, as those with one bin less are, and as good on cases that they did not see."""
    rng = np.random.default_rng(3)
    columns = rng.normal(size=(20_000, 3))
    labels = (rng.random(20_000) < expit(columns @ [0.5, -0.5, 0.2])).astype(np.int64)
    seen, unseen = slice(10_000), slice(10_000, None)
    here, there = (xgb.XGBClassifier(n_estimators=30, max_depth=2, n_jobs=1, random_state=1) for _ in range(2))
    training.grown_here(here, columns[seen], labels[seen], np.ones(10_000))
    Growers(client, n_workers, is_local=True).grow(there, columns[seen], labels[seen], np.ones(10_000))
    risks = [trees.predict_proba(columns[unseen])[:, 1] for trees in (here, there)]
    assert np.array_equal(*risks) is are_the_same
    assert np.abs(risks[0] - risks[1]).mean() < 0.03
    assert abs(roc_auc_score(labels[unseen], risks[0]) - roc_auc_score(labels[unseen], risks[1])) < 0.005


def test_a_worker_that_is_killed_changes_no_tree(client):
    """The one that replaces it has another address, and the same share of the rows."""
    grow = Growers(client, 2, is_local=True).grow
    before, quiet = set(client.nthreads()), grown(LONG, grow)
    killing = threading.Thread(target=_kill_one_that_works, args=(client,))
    killing.start()
    assert grown(LONG, grow) == quiet
    killing.join()
    assert set(client.nthreads()) != before


def _kill_one_that_works(client) -> None:
    ids = client.run(os.getpid)
    while not all(client.processing().values()):
        time.sleep(0.02)
    os.kill(next(iter(ids.values())), signal.SIGKILL)


def test_workers_that_are_not_replaced_end_it(client, monkeypatch):
    monkeypatch.setattr(training, "REPLACED_SECONDS", 0.2)
    with pytest.raises(ClusterError, match=r"3 could not finish them.*Nothing was written"):
        grown(LONG, Growers(client, 3, is_local=True).grow)


def test_a_scheduler_with_too_few_workers_is_refused(client, monkeypatch):
    monkeypatch.setattr(training, "ANSWER_SECONDS", 0.2)
    monkeypatch.setenv(SCHEDULER, client.scheduler.address)
    with pytest.raises(ClusterError, match=r"has 2 of the 3 workers that train\.dask_workers asks for"), grower(3):
        pass


def test_workers_with_other_code_are_refused(client, monkeypatch):
    monkeypatch.setenv(SCHEDULER, client.scheduler.address)
    monkeypatch.setattr(clusters, "installed", lambda: {"code": "another"})
    with pytest.raises(ClusterError, match="Workers that cannot be used: 2"), grower(2):
        pass


@pytest.mark.parametrize("reason", ["silent", "no extra"])
def test_the_stage_says_what_hinders_it_and_leaves_all_as_it_was(elsewhere, monkeypatch, reason):
    params = load_params(ROOT / "params.yaml")
    params = dataclasses.replace(params, train=dataclasses.replace(params.train, dask_workers=2))
    earlier = paths.TRAIN / "failure_12m" / "choice.json"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("{}")
    if reason == "silent":
        monkeypatch.setattr(clusters, "ANSWER_SECONDS", 0.2)
        monkeypatch.setenv(SCHEDULER, "tcp://127.0.0.1:9")
        said = "The scheduler tcp://127.0.0.1:9 does not answer"
    else:
        monkeypatch.setitem(sys.modules, "distributed", None)
        said = r"pip install 'backcast\[dask\]'"
    with pytest.raises(ClusterError, match=said):
        train.run(params)
    assert earlier.read_text() == "{}"


def test_so_many_workers_are_a_positive_number():
    train_params = load_params(ROOT / "params.yaml").train
    assert train_params.dask_workers is None
    with pytest.raises(ParamsError, match=r"train\.dask_workers must be in 1 to 1000, got 0"):
        dataclasses.replace(train_params, dask_workers=0)
