"""The runner of stages: what it refuses, and with which exit status."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from features.errors import StaleInputError
from pipeline import stage
from pipeline.study import Study


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A folder with one stage that depends on one file."""
    (tmp_path / "dvc.yaml").write_text("stages:\n  split:\n    deps:\n      - input.txt\n")
    (tmp_path / "params.yaml").write_text("{}")
    (tmp_path / "input.txt").write_text("old")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stage, "load_params", lambda: SimpleNamespace(study=Study()))
    return tmp_path


def pretend_stage(monkeypatch, work):
    class Module:
        run = staticmethod(lambda params: work())

    monkeypatch.setattr(stage.importlib, "import_module", lambda name: Module)


def test_an_input_that_changes_while_a_stage_runs_is_refused(workspace, monkeypatch):
    pretend_stage(monkeypatch, lambda: (workspace / "input.txt").write_text("new"))
    with pytest.raises(StaleInputError, match=r"input\.txt changed while stage split ran"):
        stage.run("split")


def test_an_input_that_stays_is_fine(workspace, monkeypatch):
    done = []
    pretend_stage(monkeypatch, lambda: done.append(True))
    stage.run("split")
    assert done == [True]


def test_a_users_mistake_is_a_message_and_a_status(workspace, monkeypatch, capsys):
    pretend_stage(monkeypatch, lambda: (workspace / "params.yaml").write_text("{a: 1}"))
    assert stage.main(["split"]) == StaleInputError.exit_status
    assert "params.yaml changed" in capsys.readouterr().err


def test_an_unknown_stage_is_a_usage_error(capsys):
    assert stage.main(["fly"]) == 2
    assert "stages: registry, ingest" in capsys.readouterr().err
