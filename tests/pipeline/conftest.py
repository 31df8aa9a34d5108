"""A small invented registry, and a door to the command line that starts no process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from features.record import required_columns
from pipeline import cli
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.registry import draw_planned_cases, draw_registry

ROOT = Path(__file__).resolve().parents[2]
SMALL = RegistryParams(seed=5, cases=60, centres=3, first_year=2019, years=2, discordance_effect=1.0)
KEYS = ["patient_id", "centre_id", "index_date"]
OPTIONAL = ["has_diabetes", "slr_left", "distress_hscl25", "eq5d_index", "pain_buttock_left"]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def planned_as_drawn() -> pd.DataFrame:
    return draw_planned_cases(SMALL).astype(object)


@pytest.fixture(scope="session")
def registry_as_drawn() -> pd.DataFrame:
    return draw_registry(SMALL)[0].astype(object)


@pytest.fixture
def planned(planned_as_drawn: pd.DataFrame) -> pd.DataFrame:
    """Sixty planned operations with the essential columns and a few more, for a test to spoil."""
    return planned_as_drawn[[*required_columns("preoperative"), *KEYS, *OPTIONAL]].copy()


@pytest.fixture
def registry(registry_as_drawn: pd.DataFrame) -> pd.DataFrame:
    """Sixty operations with their follow-up, the essential columns and a few more, for a test to spoil."""
    optional = [*OPTIONAL, "operation_date", "followup_date", "followup_slr_left"]
    return registry_as_drawn[[*required_columns("adjudication"), *optional]].copy()


@pytest.fixture
def whole_registry(registry_as_drawn: pd.DataFrame) -> pd.DataFrame:
    """Every column of the dictionary, which takes half a second to check."""
    return registry_as_drawn.copy()


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


@dataclass(frozen=True)
class Answer:
    """What a command said, and the status with which it ended."""

    status: int
    out: str
    err: str

    def says(self, *words: str) -> bool:
        """Whether one line of the message holds all the words; a message never holds a traceback."""
        assert "Traceback" not in self.err
        return any(all(word in line for word in words) for line in self.err.splitlines())


@pytest.fixture
def backcast(
    elsewhere: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Answer]:
    """The command as a shell would call it, in this process: `backcast("check", "cases.csv")`."""

    def run(*arguments: object) -> Answer:
        monkeypatch.setattr("sys.argv", ["backcast", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return Answer(int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def params_yaml(tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    """Writes the committed params.yaml with changes: `params_yaml({"split.folds": 1})`; None deletes a key."""

    def write(changes: dict[str, Any]) -> Path:
        content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        for place, value in changes.items():
            *sections, key = place.split(".")
            section = content
            for name in sections:
                section = section[name]
            if value is None:
                del section[key]
            else:
                section[key] = value
        path = tmp_path / "params.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path

    return write
