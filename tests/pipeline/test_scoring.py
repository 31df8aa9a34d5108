"""What the commands do with awkward names, places and stores."""

from __future__ import annotations

import mlflow
import pytest

from features.errors import FileFormatError, TrackingError
from pipeline.scoring import explain_case, file_name, score_file


def test_a_score_never_replaces_the_file_it_was_made_from(tmp_path):
    cases = tmp_path / "cases.csv"
    cases.write_text("case_id,odi\nC1,40\n")
    with pytest.raises(FileFormatError, match="which it would replace"):
        score_file(cases, tmp_path / "." / "cases.csv", [], encoding="utf-8", separator=",")
    assert cases.read_text().startswith("case_id")


def test_a_score_is_not_written_under_an_ending_that_promises_another_format(tmp_path):
    with pytest.raises(FileFormatError, match=r"risks\.csv does not end in \.parquet"):
        score_file(tmp_path / "cases.csv", tmp_path / "risks.csv", [], encoding="utf-8", separator=",")


@pytest.mark.parametrize("case_id", ["../../evil", "a/b", "x" * 300, "Å 7", ""])
def test_a_case_id_names_a_file_in_the_folder_and_nowhere_else(case_id):
    name = file_name(case_id)
    assert "/" not in name
    assert not name.startswith(".")
    assert 0 < len(name) < 80
    assert name != file_name(case_id + "2")


def test_a_plain_case_id_is_its_own_file_name():
    assert file_name("C000042") == "C000042"


def test_what_is_urgent_is_said_even_where_no_model_can_be_loaded(planned, tmp_path):
    file = tmp_path / "cases.csv"
    planned.head(3).assign(has_saddle_numbness=[1, 0, 0]).to_csv(file, index=False)
    case_id = planned["case_id"].iloc[0]
    said = explain_case(file, case_id, tmp_path, ["models:/no-such-model/1"], encoding="utf-8", separator=",")
    assert len(said) == 1
    assert "cauda equina" in said[0].lower()
    assert "no risk is given" in said[0]


@pytest.fixture(autouse=True)
def stores_stay_apart():
    """MLflow remembers the last store of a process; other tests have their own."""
    yield
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


@pytest.mark.parametrize("uri", ["sqlite:////proc/none/store.db", "postgresql+nodriver://me:secret@127.0.0.1/x"])
def test_a_store_that_cannot_be_reached_says_so_and_keeps_its_password(uri, monkeypatch):
    from pipeline import tracking

    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(TrackingError, match="MLFLOW_TRACKING_URI") as refusal, tracking.store() as client:
        tracking.champion(client, "failure_12m")
    assert "secret" not in str(refusal.value)


def test_an_empty_store_has_no_champion(tmp_path, monkeypatch):
    from pipeline import tracking

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    with tracking.store() as client:
        assert tracking.champion(client, "failure_12m") is None
        assert tracking.registered_version(client, "failure_12m", "0" * 64) is None
