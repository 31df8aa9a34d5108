"""How complete a record is: the blocks of the record of which nothing at all is recorded.

A block is what the dictionary's forms hold beyond the essential variables. A block counts as recorded
when any of its variables is: a drawing with one region, an examination of the pulses alone. So every
record has exactly one level, the set of its blank blocks, and there is no nearest one to look for.
Evaluation blanks whole blocks in the same way, so that a prediction can carry the figures of its level.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
import pandas as pd

from features.dictionary import load_dictionary
from features.errors import ParamsError


@dataclass(frozen=True)
class Block:
    """Part of the record that is filled in, or left blank, in one act: `forms` are those of the dictionary."""

    name: str
    label: str
    forms: tuple[str, ...]

    @property
    def variables(self) -> tuple[str, ...]:
        """What it holds, in the order of the record: the variables of its forms that are not essential."""
        predictors = load_dictionary().predictors
        return tuple(v.name for v in predictors if v.form in self.forms and not v.essential)


BLOCKS = (
    Block("drawing", "pain drawing", ("pain drawing",)),
    Block("examination", "examination", ("examination",)),
    Block("imaging", "imaging", ("imaging",)),
    Block("levels", "levels of the plan", ("plan",)),
    Block("questions", "further questions and scores", ("patient", "scores")),
)
WHOLE, ESSENTIAL_ONLY = "whole", "essential_only"
BLOCK_NAMES = tuple(block.name for block in BLOCKS)


@dataclass(frozen=True)
class Level:
    """A completeness: the names of the blocks that are blank, in the order of `BLOCKS`."""

    blank: tuple[str, ...]

    @property
    def name(self) -> str:
        """
        Examples
        --------
        >>> Level(()).name, Level(("drawing", "imaging")).name, Level(BLOCK_NAMES).name
        ('whole', 'no_drawing_imaging', 'essential_only')
        """
        if not self.blank:
            return WHOLE
        return ESSENTIAL_ONLY if self.blank == BLOCK_NAMES else "no_" + "_".join(self.blank)

    @property
    def label(self) -> str:
        """
        Examples
        --------
        >>> Level(("drawing", "imaging")).label
        'no pain drawing, no imaging'
        """
        named = {WHOLE: "every block recorded", ESSENTIAL_ONLY: "essential variables only"}
        return named.get(self.name) or ", ".join(f"no {block.label}" for block in BLOCKS if block.name in self.blank)

    @property
    def variables(self) -> tuple[str, ...]:
        """Every variable of its blank blocks."""
        return tuple(name for block in BLOCKS if block.name in self.blank for name in block.variables)

    def blanked(self, cases: pd.DataFrame) -> pd.DataFrame:
        """The cases as they would be at this level: without the columns of its blank blocks.

        A column that is absent counts as not recorded. What a case lacks anyhow stays missing.
        """
        return cases.drop(columns=[name for name in self.variables if name in cases.columns])


def levels(always_blank: Iterable[str] = ()) -> tuple[Level, ...]:
    """Every completeness that a record can have, from the whole to the essential; 32 for five blocks.

    Where a study records nothing of a block, `always_blank` names it, and all levels have it blank.

    Raises
    ------
    ParamsError
        For a block that there is none of.
    """
    given = set(always_blank)
    if unknown := sorted(given - set(BLOCK_NAMES)):
        raise ParamsError(f"There is no block {', '.join(unknown)} of the record; there are {', '.join(BLOCK_NAMES)}.")
    others = [name for name in BLOCK_NAMES if name not in given]
    chosen = [given.union(blank) for size in range(len(others) + 1) for blank in combinations(others, size)]
    return tuple(Level(tuple(name for name in BLOCK_NAMES if name in blank)) for blank in chosen)


def never_recorded(cases: pd.DataFrame) -> tuple[str, ...]:
    """Blocks of which not one case has anything."""
    is_blank = blank_blocks(cases)
    return tuple(name for name in BLOCK_NAMES if is_blank[name].all())


def blank_blocks(cases: pd.DataFrame) -> pd.DataFrame:
    """Whether nothing of a block is recorded: one bool column a block, the index of the cases.

    Parameters
    ----------
    cases : DataFrame
        Records in the dictionary's layout; a column that is absent counts as not recorded.
    """
    return pd.DataFrame(
        {
            block.name: cases[[name for name in block.variables if name in cases.columns]].isna().all(axis=1)
            for block in BLOCKS
        },
        index=cases.index,
    ).astype(bool)


def completeness_of(cases: pd.DataFrame) -> pd.Series:
    """The name of each case's level, as `levels` names them; the index is kept.

    Examples
    --------
    >>> completeness_of(pd.DataFrame({"age_years": [50.0, 60.0], "slr_left": [None, 1.0]})).tolist()
    ['essential_only', 'no_drawing_imaging_levels_questions']
    """
    blank = blank_blocks(cases).to_numpy()
    patterns, place = np.unique(blank, axis=0, return_inverse=True)
    names = [Level(tuple(np.array(BLOCK_NAMES)[pattern].tolist())).name for pattern in patterns]
    found = np.array([*names, ""], dtype=object)[place.ravel()]
    return pd.Series(found, index=cases.index, name="completeness", dtype=object)


def level_of(recorded: Collection[str]) -> Level:
    """The level of one record, from the names of the variables that hold a value in it.

    Examples
    --------
    >>> level_of({"odi", "pain_buttock_left", "slr_left"}).name
    'no_imaging_levels_questions'
    """
    present = {_block_of()[name] for name in recorded if name in _block_of()}
    return Level(tuple(name for name in BLOCK_NAMES if name not in present))


@cache
def _block_of() -> dict[str, str]:
    return {name: block.name for block in BLOCKS for name in block.variables}
