"""Five hundred virtual cases, a small REDCap of our own to keep them in, and the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from features.record import required_columns
from pipeline import cli
from pipeline.redcap.data_dictionary import data_dictionary
from pipeline.redcap.fields import missing_codes, repeating_instrument
from pipeline.redcap.writing import redcap_rows
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.registry import draw_registry
from tests.redcap import small_redcap

MORE = (
    "slr_left",
    "slr_right",
    "planned_decompression",
    "planned_fusion",
    "operation_date",
    "workup_date",
    "followup_odi",
)
STUDY = RegistryParams(seed=77, cases=500, centres=5, first_year=2019, years=2, discordance_effect=1.0)


@pytest.fixture(scope="session")
def metadata() -> list[dict[str, str]]:
    """The data dictionary under the names of the API."""
    return data_dictionary().to_dict("records")


@pytest.fixture(scope="session")
def registry() -> pd.DataFrame:
    """Five hundred virtual operations with their follow-up, in typed columns."""
    return draw_registry(STUDY)[0]


@pytest.fixture(scope="session")
def rows(registry: pd.DataFrame) -> list[dict[str, str]]:
    return redcap_rows(registry).to_dict("records")


@pytest.fixture(scope="session")
def narrow(metadata: list, rows: list) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """The data dictionary and the rows of a project with what a prediction cannot do without, and little more."""
    names = {*required_columns("preoperative"), *required_columns("adjudication"), *MORE}
    few = [row for row in metadata if row["field_name"] in names]
    columns = {name for name in rows[0] if name.split("___")[0] in names or name.startswith("redcap_")}
    return few, [{name: value for name, value in row.items() if name in columns} for row in rows]


@pytest.fixture(scope="session")
def kept_narrow(narrow: tuple) -> Any:
    """A project that took those, for reading only."""
    project = small_redcap.Project(narrow[0], [repeating_instrument()], missing_codes())
    project.take(narrow[1])
    return project


@pytest.fixture(scope="session")
def kept(metadata: list, rows: list) -> Any:
    """A project that took all of them, for reading only."""
    project = small_redcap.Project(metadata, [repeating_instrument()], missing_codes())
    project.take(rows)
    return project


@pytest.fixture
def project(metadata: list) -> Any:
    """An empty project of ours."""
    return small_redcap.Project(metadata, [repeating_instrument()], missing_codes())


@pytest.fixture
def backcast(tmp_path, capsys, monkeypatch) -> Callable[..., tuple[int, str]]:
    """The command as a shell would call it, in this process and an empty folder; its status, and what it said."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["backcast", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    return run
