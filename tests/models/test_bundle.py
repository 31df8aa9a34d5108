from __future__ import annotations

import json
import subprocess
import sys

import grimp
import numpy as np
import pytest

import models.bundle as bundles
from features.errors import BundleError
from models.bundle import PREDICTING_MODULES, read_bundle, write_bundle
from models.predictor import RiskPredictor


@pytest.fixture(params=["prevalence", "baseline", "logistic", "xgboost"])
def result(request, learned):
    return learned[request.param]


def test_a_model_read_again_is_the_same_model(result, development, tmp_path, bundle_of):
    write_bundle(bundle_of(result), tmp_path / "bundle")
    again = read_bundle(tmp_path / "bundle")
    np.testing.assert_array_equal(again.model.log_odds(development.X), result.model.log_odds(development.X))
    assert again.recalibration == result.recalibration
    assert again.predictors == result.predictors
    for refit, stored in zip(result.refits, again.refits, strict=True):
        np.testing.assert_array_equal(refit.log_odds(development.X), stored.log_odds(development.X))


def test_trees_answer_the_same_in_a_process_without_scikit_learn(learned, development, tmp_path, bundle_of):
    """As in the service, which does not load it."""
    write_bundle(bundle_of(learned["xgboost"]), tmp_path / "bundle")
    development.X.head(40).to_pickle(tmp_path / "cases")
    script = """
        import sys; sys.modules["sklearn"] = None
        import json, pandas as pd; from pathlib import Path; from models.predictor import RiskPredictor
        risks = RiskPredictor.load(Path("bundle")).risks(pd.read_pickle("cases"))
        print(json.dumps([risks.risk.tolist(), risks.lower.tolist(), risks.contributions.tolist()]))
    """
    lines = "\n".join(line.strip() for line in script.splitlines())
    done = subprocess.run([sys.executable, "-c", lines], cwd=tmp_path, capture_output=True, text=True, check=True)
    here = RiskPredictor.load(tmp_path / "bundle").risks(development.X.head(40))
    assert json.loads(done.stdout) == [here.risk.tolist(), here.lower.tolist(), here.contributions.tolist()]


def test_equal_models_give_equal_bytes(result, tmp_path, bundle_of):
    hashes = [write_bundle(bundle_of(result), tmp_path / name) for name in ("one", "two")]
    assert hashes[0] == hashes[1]


def test_no_file_of_a_bundle_is_a_pickle(learned, tmp_path, bundle_of):
    write_bundle(bundle_of(learned["xgboost"]), tmp_path / "bundle")
    endings = {path.suffix for path in (tmp_path / "bundle").rglob("*") if path.is_file()}
    assert endings == {".json", ".npy", ".ubj"}
    assert np.load(tmp_path / "bundle" / "refits.npy", allow_pickle=False).ndim == 3


def test_a_model_made_by_other_code_is_refused_with_both_hashes(learned, tmp_path, monkeypatch, bundle_of):
    write_bundle(bundle_of(learned["logistic"]), tmp_path / "bundle")
    made_with = bundles.code_sha256()
    monkeypatch.setattr(bundles, "code_sha256", lambda: "0" * 64)
    with pytest.raises(BundleError, match=rf"made with code {made_with}.*loaded here is {'0' * 64}"):
        read_bundle(tmp_path / "bundle")


def test_a_changed_file_is_refused(learned, tmp_path, bundle_of):
    write_bundle(bundle_of(learned["logistic"]), tmp_path / "bundle")
    model = tmp_path / "bundle" / "model.json"
    model.write_text(model.read_text().replace('"intercept": ', '"intercept": 1'))
    with pytest.raises(BundleError, match=r"model\.json changed since the model was made"):
        read_bundle(tmp_path / "bundle")


def test_a_missing_file_is_refused(learned, tmp_path, bundle_of):
    write_bundle(bundle_of(learned["xgboost"]), tmp_path / "bundle")
    (tmp_path / "bundle" / "refits" / "02.ubj").unlink()
    with pytest.raises(BundleError, match=r"refits/02\.ubj is missing"):
        read_bundle(tmp_path / "bundle")


@pytest.mark.parametrize(
    ("content", "said"), [("{", "damaged"), (json.dumps({"format": 99}), "format 99"), (None, "bundle.json is missing")]
)
def test_a_folder_that_is_no_bundle_is_refused(content, said, tmp_path):
    if content is not None:
        (tmp_path / "bundle.json").write_text(content)
    with pytest.raises(BundleError, match=said):
        read_bundle(tmp_path)


def test_the_code_hash_covers_every_module_that_predicts():
    graph = grimp.build_graph("features", "models", cache_dir=None)
    needed = graph.find_upstream_modules("models.predictor") | {"models.predictor", "models"}
    of_models = {name.removeprefix("models").lstrip(".") or "__init__" for name in needed if name.startswith("models")}
    assert of_models == set(PREDICTING_MODULES)


def test_the_code_hash_covers_every_knowledge_table():
    hashed = {path.name for path in bundles._code_files()}
    tables = {path.name for path in (bundles.ROOT / "features" / "knowledge").iterdir()}
    assert tables <= hashed
