from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.completeness import BLOCK_NAMES, BLOCKS, Level, completeness_of, level_of, levels, never_recorded
from features.dictionary import load_dictionary
from features.errors import ParamsError

RECORDS = """
    case_id | odi | pain_buttock_left | slr_left | herniation_l4_l5_central | planned_fusion_l4_l5 | has_diabetes
    whole   | 40  | 3              | 1        | 2                        | 0                    | 0
    sketch  | 40  | 3              |          |                          |                      |
    scan    | 40  |                |          | 0                        |                      |
    bare    | 40  |                |          |                          |                      |
    empty   |     |                |          |                          |                      |
"""


@pytest.fixture
def records(draw_cases) -> pd.DataFrame:
    cases = draw_cases(RECORDS)
    assert set(cases.columns) <= set(load_dictionary().by_name)
    return cases


def test_every_variable_that_may_be_left_blank_belongs_to_one_block():
    in_blocks = [name for block in BLOCKS for name in block.variables]
    assert sorted(in_blocks) == sorted(v.name for v in load_dictionary().predictors if not v.essential)
    assert all(block.variables for block in BLOCKS)


def test_a_block_is_recorded_when_any_of_its_variables_is(records):
    assert completeness_of(records).to_dict() == {
        "whole": "whole",
        "sketch": "no_examination_imaging_levels_questions",
        "scan": "no_drawing_examination_levels_questions",
        "bare": "essential_only",
        "empty": "essential_only",
    }


def test_a_record_has_the_level_of_its_row(records):
    for case_id, row in records.iterrows():
        recorded = row.dropna().index
        assert level_of(set(recorded)).name == completeness_of(records)[case_id]


def test_every_record_is_at_a_level_that_is_evaluated(records):
    names = [level.name for level in levels()]
    assert len(set(names)) == len(names) == 2 ** len(BLOCKS)
    assert names[0] == "whole"
    assert names[-1] == "essential_only"
    assert set(completeness_of(records)) <= set(names)


@pytest.mark.parametrize("level", levels(), ids=lambda level: level.name)
def test_blanking_the_whole_record_gives_the_level(records, level):
    before = records.copy()
    assert completeness_of(level.blanked(records))["whole"] == level.name
    assert level.blanked(records)["odi"].equals(records["odi"])
    pd.testing.assert_frame_equal(records, before)


def test_blanking_adds_to_what_is_blank_already(records):
    blanked = Level(("imaging",)).blanked(records)
    assert completeness_of(blanked)["sketch"] == "no_examination_imaging_levels_questions"
    assert completeness_of(blanked)["scan"] == "essential_only"


def test_a_study_that_never_records_a_block_has_the_levels_without_it(records):
    plain = records.drop(columns="slr_left")
    assert never_recorded(plain) == ("examination",)
    found = levels(never_recorded(plain))
    assert len(found) == 2 ** (len(BLOCKS) - 1)
    assert all("examination" in level.blank for level in found)
    assert found[0].name == "no_examination"


def test_a_study_without_a_column_of_the_dictionary_is_at_the_essential_level():
    cases = pd.DataFrame({"oxford_hip_score": [20.0, np.nan]}, index=["A", "B"])
    assert never_recorded(cases) == BLOCK_NAMES
    assert [level.name for level in levels(never_recorded(cases))] == ["essential_only"]
    assert completeness_of(cases).tolist() == ["essential_only"] * 2


def test_no_case_at_all_is_no_crash():
    assert completeness_of(pd.DataFrame({"odi": []})).tolist() == []


def test_an_unknown_block_is_refused_by_name():
    with pytest.raises(ParamsError, match="no block drawings of the record; there are drawing"):
        levels(["drawings"])
