"""A registry of any size: drawn in blocks, written in pieces, the same bytes whatever the pieces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.errors import FileFormatError, ParamsError
from pipeline import registry_file
from pipeline.registry_file import in_pieces, write_registry
from pipeline.virtual import registry
from pipeline.virtual.decisions import draw_decisions
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.registry import draw_planned_cases, draw_registry
from pipeline.virtual.twins import draw_twins

PARAMS = RegistryParams(seed=11, cases=700, centres=5, first_year=2018, years=3, discordance_effect=1.0)


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> Iterator[None]:
    """Blocks of 300 cases and row groups of 250, so that 700 cases are three of each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "BLOCK_CASES", 300)
        patch.setattr(registry_file, "ROW_GROUP", 250)
        yield


@pytest.fixture(scope="module")
def drawn(small_blocks) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The cases of PARAMS and their truth."""
    return draw_registry(PARAMS)


def written(folder, name: str, piece: int, params: RegistryParams = PARAMS) -> tuple[bytes, bytes]:
    cases, truth = folder / f"cases{name}", folder / f"truth{name}"
    write_registry(params, cases, truth, piece=piece)
    return cases.read_bytes(), truth.read_bytes()


# Drawing


def test_ids_run_through_the_blocks(drawn):
    cases, truth = drawn
    assert list(cases["case_id"]) == [f"C{i:06d}" for i in range(1, 701)]
    assert truth["case_id"].equals(cases["case_id"])
    assert cases.index.equals(pd.RangeIndex(700))


def test_rows_follow_their_date_within_each_block(drawn):
    days = drawn[0]["index_date"]
    for start in (0, 300, 600):
        assert days.iloc[start : start + 300].is_monotonic_increasing
    assert not days.is_monotonic_increasing


def test_a_patient_is_named_by_the_first_case_and_comes_back_within_the_block(drawn):
    cases, _ = drawn
    number, patient = cases["case_id"].str[1:].astype(int), cases["patient_id"].str[1:].astype(int)
    first = number.groupby(patient).transform("min")
    assert (first == patient).all()
    assert ((number - 1) // 300 == (patient - 1) // 300).all()
    assert patient.duplicated().sum() > 10


def test_no_centre_is_without_a_case():
    for seed in range(6):
        cases, _ = draw_registry(replace(PARAMS, seed=seed, cases=30, centres=30))
        assert cases["centre_id"].nunique() == 30


def test_a_larger_registry_begins_with_the_smaller(drawn):
    smaller, _ = draw_registry(replace(PARAMS, cases=300))
    larger, _ = drawn
    pd.testing.assert_frame_equal(larger.iloc[:300], smaller)


def test_blocks_are_of_other_people_in_the_same_centres(drawn):
    cases, _ = drawn
    one, other = cases.iloc[:300].reset_index(drop=True), cases.iloc[300:600].reset_index(drop=True)
    assert (one["odi"] == other["odi"]).mean() < 0.2
    sizes = [
        part["centre_id"].value_counts(normalize=True).reindex([f"K{i}" for i in range(1, 6)]) for part in (one, other)
    ]
    assert np.abs(sizes[0] - sizes[1]).max() < 0.12


def test_plans_decisions_and_twins_span_the_blocks_as_well():
    planned = draw_planned_cases(PARAMS)
    cases, truth = draw_decisions(PARAMS)
    twins = draw_twins(PARAMS)
    assert len(planned) == len(cases) == len(truth) == len(twins.first) == len(twins.second_truth) == 700
    assert planned["case_id"].is_unique
    pd.testing.assert_frame_equal(
        twins.first_truth.drop(columns="is_source_in_plan"), truth.drop(columns="is_source_in_plan")
    )


# Writing


@pytest.mark.parametrize("ending", [".parquet", ".csv"])
def test_equal_bytes_whatever_the_pieces(tmp_path, ending):
    once = written(tmp_path, ending, piece=1000)
    assert all(written(tmp_path, ending, piece=piece) == once for piece in (61, 250, 699))
    assert written(tmp_path, ending, piece=1000, params=replace(PARAMS, seed=12)) != once


def test_a_file_holds_what_was_drawn(tmp_path, drawn):
    cases, truth = drawn
    write_registry(PARAMS, tmp_path / "cases.parquet", tmp_path / "truth.parquet", piece=90)
    for file, table in (("cases", cases), ("truth", truth)):
        stored = pd.read_parquet(tmp_path / f"{file}.parquet")
        assert list(stored.columns) == list(table.columns)
        for name in table:
            if table[name].dtype.kind == "f":
                np.testing.assert_array_equal(stored[name].to_numpy(dtype=float), table[name].to_numpy())
            else:
                assert stored[name].where(stored[name].notna(), None).tolist() == table[name].tolist()


def test_the_truth_is_written_only_where_it_is_named(tmp_path):
    write_registry(PARAMS, tmp_path / "cases.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["cases.csv"]
    assert "true_source_kind" not in (tmp_path / "cases.csv").read_text().splitlines()[0]


def test_a_draw_that_breaks_off_leaves_nothing(tmp_path, monkeypatch):
    blocks = registry_file.registry_blocks

    def broken(params):
        yield next(iter(blocks(params)))
        raise RuntimeError("power cut")

    monkeypatch.setattr(registry_file, "registry_blocks", broken)
    (tmp_path / "cases.parquet").write_text("older")
    with pytest.raises(RuntimeError, match="power cut"):
        write_registry(PARAMS, tmp_path / "cases.parquet", tmp_path / "truth.parquet", piece=50)
    assert (tmp_path / "cases.parquet").read_text() == "older"
    assert [path.name for path in tmp_path.iterdir()] == ["cases.parquet"]


def test_pieces_hold_every_row_once_and_in_order():
    blocks = [(pd.DataFrame({"a": range(start, start + 5)}),) for start in (0, 5, 10)]
    pieces = [piece[0]["a"].tolist() for piece in in_pieces(blocks, 4)]
    assert [len(piece) for piece in pieces] == [4, 4, 4, 3]
    assert [row for piece in pieces for row in piece] == list(range(15))


def test_endings_and_one_file_for_two_are_refused_together(tmp_path):
    with pytest.raises(FileFormatError, match=r"cases\.xlsx does not end in \.csv or \.parquet.*one file"):
        write_registry(PARAMS, tmp_path / "cases.xlsx", tmp_path / "cases.xlsx")


# Refusals


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"cases": 0, "centres": 1}, r"registry\.cases must lie in 2 to"),
        ({"cases": 1, "centres": 1}, r"registry\.cases must lie in 2 to"),
        ({"cases": 5, "centres": 9}, r"registry\.centres \(9\) must not exceed registry\.cases \(5\).*without cases"),
        ({"diagnosis_mix": {"disc_herniation": 0.5, "sciatica": 0.5}}, r"unknown diagnosis \(sciatica\)"),
        ({"diagnosis_mix": {"disc_herniation": 0.5, "spinal_stenosis": 0.4}}, r"diagnosis_mix must sum to 1, got 0\.9"),
        ({"diagnosis_mix": {"disc_herniation": 1.2, "spinal_stenosis": -0.2}}, r"spinal_stenosis -0\.2"),
        ({"diagnosis_mix": {"disc_herniation": "most"}}, r"must hold numbers, which disc_herniation is not"),
        ({"diagnosis_mix": [0.5, 0.5]}, r"diagnosis_mix must hold a share by diagnosis"),
        ({"centres": 3, "centre_shares": [0.5, 0.5, 0.0]}, r"centre_shares leaves K3 without cases"),
        ({"centres": 3, "centre_shares": [0.5, 0.5]}, r"holds 2 shares for 3 centres"),
        ({"centres": 2, "centre_shares": [0.5, 0.6]}, r"centre_shares must sum to 1, got 1\.1"),
        ({"mimic_effect": -1.0}, r"registry\.mimic_effect must lie in 0 to 3"),
        ({"reader_error": float("nan")}, r"registry\.reader_error must be a number"),
        ({"outcome_slope": -0.5}, r"registry\.outcome_slope must lie in 0 to 3"),
        ({"threshold_change": 1.0}, r"threshold_change needs registry\.threshold_change_year"),
        ({"threshold_change_year": 2019.5}, r"threshold_change_year must be a whole number"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_name(changed, message):
    with pytest.raises(ParamsError, match=message):
        replace(PARAMS, **changed)


def test_every_problem_is_named_at_once():
    with pytest.raises(ParamsError, match=r"registry\.cases.*reader_error.*diagnosis_mix.*centre_shares"):
        replace(PARAMS, cases=1, reader_error=9.0, diagnosis_mix={"gout": 1.0}, centre_shares=[0.5])


# What may be chosen


def test_the_mix_of_referrals_follows_its_parameter():
    mix = {"disc_herniation": 0.1, "spinal_stenosis": 0.8, "spondylolisthesis": 0.1}
    shares = draw_registry(replace(PARAMS, diagnosis_mix=mix))[0]["diagnosis"].value_counts(normalize=True)
    usual = draw_registry(PARAMS)[0]["diagnosis"].value_counts(normalize=True)
    assert shares["spinal_stenosis"] > usual["spinal_stenosis"] + 0.2
    assert shares["disc_herniation"] < usual["disc_herniation"] - 0.2


def test_centres_have_the_shares_that_were_asked_for():
    sizes = draw_registry(replace(PARAMS, centres=3, centre_shares=[0.7, 0.2, 0.1]))[0]["centre_id"].value_counts()
    assert sizes["K1"] / 700 == pytest.approx(0.7, abs=0.08)
    assert sizes["K3"] / 700 == pytest.approx(0.1, abs=0.06)
