"""Which models are served: those that are named, those that MLflow has, or those that were fetched before."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from features.errors import BundleError, TrackingError
from models.bundle import bundle_sha256
from models.cause_model import CauseModel
from pipeline.models_to_serve import (
    OWN_KNOWLEDGE,
    Fetching,
    by_question,
    fetch,
    fetched,
    models_to_serve,
    needs_fetching,
)
from pipeline.params import load_params


def kept(bundles, folder):
    """A folder as an earlier fetch left it."""
    fetch_all = [str(bundle) for _, bundle in bundles]
    fetch(folder, fetch_all)
    return fetch_all


def test_named_folders_are_served_as_they_are(bundles):
    names = [str(bundle) for _, bundle in bundles]
    assert not needs_fetching(names)
    assert models_to_serve(names, Path("nowhere"), None) == [(name, Path(name)) for name in names]
    assert needs_fetching([])
    assert needs_fetching(["models:/backcast-failure_12m@champion"])


def test_what_is_fetched_is_kept_whole_under_its_hash(bundles, tmp_path):
    names = kept(bundles, tmp_path)
    kept(bundles, tmp_path)
    found = fetched(tmp_path)
    assert [uri for uri, _ in found] == names
    assert [folder.name for _, folder in found] == [bundle_sha256(folder) for _, folder in found]
    assert len(list(tmp_path.iterdir())) == 1 + len(bundles)


def test_a_copy_that_breaks_off_leaves_nothing(bundles, tmp_path):
    broken, served = tmp_path / "broken", tmp_path / "served"
    shutil.copytree(bundles[0][1], broken)
    (broken / "zzz").symlink_to("nowhere")  # which cannot be copied
    with pytest.raises(TrackingError, match="zzz"):
        fetch(served, [str(broken)])
    assert list(served.iterdir()) == []


def test_the_model_of_causes_is_told_from_those_of_outcomes_and_where_none_is_named_it_is_made(
    bundles, causes, tmp_path
):
    params = load_params()
    assert by_question([*bundles, causes], params, tmp_path) == (bundles, causes)
    models, (uri, folder) = by_question(bundles, params, tmp_path)
    assert (models, uri) == (bundles, OWN_KNOWLEDGE)
    assert CauseModel.load(folder).sha256 == CauseModel.load(causes[1]).sha256, "the same knowledge, the same hash"
    with pytest.raises(BundleError, match="One model of causes can be served"):
        by_question([*bundles, causes, ("another", causes[1])], params, tmp_path)


def test_a_model_of_causes_is_fetched_beside_the_others(bundles, causes, tmp_path):
    names = [*(str(bundle) for _, bundle in bundles), str(causes[1])]
    fetch(tmp_path, names)
    _, (uri, folder) = by_question(fetched(tmp_path), load_params(), tmp_path)
    assert (uri, folder) == (names[-1], tmp_path / CauseModel.load(causes[1]).sha256)


def test_where_nothing_was_fetched_it_is_said(tmp_path):
    with pytest.raises(TrackingError, match="holds no models"):
        models_to_serve([], tmp_path, None)


class Answering(Fetching):
    """A fetch that ends as another program does."""

    def __init__(self, status: int, says: str) -> None:
        program = f"import sys; print({says!r}, file=sys.stderr); sys.exit({status})"
        self._process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)


def test_while_the_store_is_down_the_models_fetched_before_are_served(bundles, tmp_path):
    kept(bundles, tmp_path)
    down = TrackingError.exit_status
    assert len(models_to_serve([], tmp_path, Answering(down, "no answer"))) == len(bundles)
    with pytest.raises(TrackingError, match="no answer"):
        models_to_serve(["models:/backcast-failure_12m/1"], tmp_path, Answering(down, "no answer"))
    with pytest.raises(TrackingError, match="no answer"):
        models_to_serve([], tmp_path / "empty", Answering(down, "no answer"))


def test_a_store_that_answers_and_has_no_champion_is_not_passed_over(bundles, tmp_path):
    kept(bundles, tmp_path)
    with pytest.raises(BundleError, match="no champion"):
        models_to_serve([], tmp_path, Answering(BundleError.exit_status, "no champion"))


@pytest.mark.slow
def test_champions_are_fetched_from_mlflow_by_a_process_of_their_own(bundles, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("PYTHONPATH", os.getcwd())
    from pipeline import tracking

    with pytest.raises(BundleError, match="No model is registered as champion"):
        models_to_serve([], tmp_path / "served", Fetching(tmp_path / "served", []))
    _, bundle = bundles[0]
    with tracking.store() as client:
        logged = tracking.log_model_run(
            "failure_12m", bundle, bundle_sha256(bundle), params={}, metrics={}, tags={}, files={}
        )
        client.set_registered_model_alias(tracking.model_name("failure_12m"), tracking.CHAMPION, logged)
    ((uri, folder),) = models_to_serve([], tmp_path / "served", Fetching(tmp_path / "served", []))
    assert uri == "models:/backcast-failure_12m/1"
    assert bundle_sha256(folder) == bundle_sha256(bundle)
