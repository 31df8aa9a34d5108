"""The registry's own tables are refused when faulty: shares, sums, order, sources."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest

from features.errors import KnowledgeError
from pipeline.virtual import facts as module
from pipeline.virtual.facts import RISING, SHARES, TABLES, facts, forget_tables, problems_of, refuse_faulty_tables
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.registry import draw_registry


def changed(name: str, row: int, column: str, value: object) -> pd.DataFrame:
    table = facts(name).copy()
    table[column] = table[column].astype(object)
    table.loc[row, column] = value
    return table.infer_objects()


def test_every_table_is_without_fault():
    refuse_faulty_tables()
    for path in TABLES.glob("*.csv"):
        assert problems_of(path.stem, pd.read_csv(path)) == []
    assert set(SHARES) | set(RISING) <= {path.stem for path in TABLES.glob("*.csv")}


@pytest.mark.parametrize(
    ("name", "row", "column", "value", "message"),
    [
        ("incidental", 3, "share", -0.1, "share lies outside 0 to 1 in row 5"),
        ("comorbidities", 0, "share_at_70", 1.4, "share_at_70 lies outside 0 to 1 in row 2"),
        ("generator_mix", 0, "radicular", 0.5, r"radicular sums to 0\.\d+, not to 1"),
        ("generator_levels", 1, "l4_l5", 0.9, r"row 3 sums to 1\.35, not to 1"),
        ("causes", 0, "segmental_pain", 0.9, "segmental_pain sums to"),
        ("later_events", 0, "by_12_months", 0.5, "cumulative shares fall in row 2"),
        ("effects", 4, "source", None, r"1 rows without a source.*first: row 6"),
        ("effects", 4, "status", "hearsay", "unknown status"),
    ],
)
def test_a_faulty_table_is_refused_by_row(name, row, column, value, message):
    problems = "; ".join(problems_of(name, changed(name, row, column, value)))
    assert pd.Series([problems]).str.contains(message).all(), problems


def test_a_faulty_table_is_refused_before_anything_is_drawn(tmp_path, monkeypatch):
    shutil.copytree(TABLES, tmp_path / "tables")
    changed("incidental", 3, "share", -0.1).to_csv(tmp_path / "tables" / "incidental.csv", index=False)
    changed("causes", 0, "segmental_pain", 0.9).to_csv(tmp_path / "tables" / "causes.csv", index=False)
    monkeypatch.setattr(module, "TABLES", tmp_path / "tables")
    forget_tables()
    params = RegistryParams(seed=1, cases=10, centres=1, first_year=2020, years=1, discordance_effect=1.0)
    try:
        with pytest.raises(KnowledgeError, match=r"causes\.csv.*incidental\.csv"):
            draw_registry(params)
    finally:
        forget_tables()
