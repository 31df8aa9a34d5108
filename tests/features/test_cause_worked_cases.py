"""Worked cases after a failed operation, from `cause_worked_cases.txt`: a table that a surgeon can check.

They hold the tables of causes and the arithmetic together. What leads follows the text-book, not the code, and a
hard pair stands in neighbouring lines that differ in what tells the two apart. Here is what the short hand of a
line stands for, and what each line promises.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from features.axes import CAUSES, LEVELS, SIDES
from features.causes import LIKELIHOODS, CauseEvidence, CauseParams, cause_evidence
from features.dictionary import load_dictionary
from features.followup import FollowUp
from features.record import followup_problems

TABLE = Path(__file__).with_name("cause_worked_cases.txt")
WORKUP = dt.date(2026, 6, 30)
SIJ_TESTS = ("distraction", "thigh_thrust", "compression", "gaenslen", "sacral_thrust")
FELT: dict[str, dict[str, float]] = {
    "L3": {"buttock": 3, "anterior_thigh": 7, "knee": 6},
    "L4": {"buttock": 4, "anterior_thigh": 5, "knee": 5, "medial_leg": 7},
    "L5": {"buttock": 5, "lateral_thigh": 5, "lateral_leg": 7, "foot_dorsum": 6},
    "S1": {"buttock": 5, "posterior_thigh": 7, "posterior_leg": 7, "foot_sole": 5},
    "sacroiliac": {"low_back": 4, "buttock": 8, "posterior_thigh": 4},
    "piriformis": {"buttock": 8, "posterior_thigh": 5},
    "hip": {"groin": 8, "anterior_thigh": 5, "buttock": 4},
    "low back": {"low_back": 7},
}
"""Where a source is drawn, on its side; the low back on both."""
UPPER = ("head_neck", "shoulder_arm", "upper_back", "trunk")
Record = dict[str, Any]
SEEN = "seen"
"""Where it was done in fact: not in the record, but on the film."""


class Story(NamedTuple):
    """One line of the table."""

    name: str
    operation: str
    before: str
    course: str
    now: str
    examination: str
    investigations: str
    first: str
    also: str

    @property
    def record(self) -> Record:
        record: Record = {"age_years": 52.0}
        _operation(self.operation, record)
        for words in _parts(self.before):
            _before(words, record)
        for words in _parts(self.course):
            _course(words, record)
        _draw(self.now, record, "followup_pain")
        for words in _parts(self.examination):
            _examination(words, record)
        for words in sorted(_parts(self.investigations), key=lambda words: words not in WHOLE):
            _investigation(words, record)
        return {name: value for name, value in record.items() if name != SEEN}

    @property
    def leading(self) -> tuple[str, str]:
        """The cause that must lead, and its likelihood where that is told."""
        cause, _, word = self.first.rstrip(")").partition(" (")
        return cause, word


def stories() -> list[Story]:
    """Every line of the table."""
    lines = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return [Story(*(cell.strip() for cell in line.split("|"))) for line in lines]


def _parts(cell: str) -> Iterator[str]:
    return (part.strip() for part in cell.split(",") if part.strip())


def _level(words: str) -> str:
    return words.lower().replace("-", "_")


def _sides(words: str) -> tuple[str, ...]:
    return SIDES if words == "both" else (words,)


def _operation(cell: str, record: Record) -> None:
    sites, *rest = _parts(cell)
    procedure, *places = sites.split(" ")
    months = float(rest[-1])
    record |= {
        "planned_procedure": procedure,
        "performed_procedure": procedure,
        "workup_date": WORKUP.isoformat(),
        "operation_date": (WORKUP - dt.timedelta(days=round(months * 30.4375))).isoformat(),
    }
    for level in LEVELS:
        for moment in ("planned", "operated"):
            record |= {f"{moment}_fusion_{level}": 0.0}
            record |= {f"{moment}_decompression_{level}_{side}": 0.0 for side in SIDES}
    site = None
    for word in places:
        if "-" in word:
            site = _level(word)
            if "fusion" in procedure:
                record |= {f"{moment}_fusion_{site}": 1.0 for moment in ("planned", "operated")}
        else:
            for side in _sides(word):
                record |= {f"{moment}_decompression_{site}_{side}": 1.0 for moment in ("planned", "operated")}
    for words in rest[:-1]:
        _, level, side = words.split(" ")
        record[SEEN] = (_level(level), side)


def _before(words: str, record: Record) -> None:
    plain: dict[str, Record] = {
        "smoker": {"smoking": 2.0},
        "opioids": {"opioid_use": 2.0},
        "root injury": {"has_root_injury": 1.0},
    }
    numbers = {"age": "age_years", "defect": "annular_defect_mm", "catastrophising": "catastrophising_pcs"}
    first, *rest = words.split(" ")
    if words in plain:
        record |= plain[words]
    elif first in numbers:
        record[numbers[first]] = float(rest[0])
    elif first == "sij":
        _sacroiliac(rest, record, "")
    elif first in SCAN:
        record |= _lesion(words, "")
    else:
        _draw(words, record, "pain")


def _draw(cell: str, record: Record, prefix: str) -> None:
    for words in _parts(cell):
        record |= {f"{prefix}_{region}_{side}": 0.0 for region in ("foot_lateral", "knee") for side in SIDES
                   if f"{prefix}_{region}_{side}" not in record}  # fmt: skip
        if words == "everywhere":
            record |= {f"{prefix}_{region}_{side}": 6.0 for region in UPPER for side in SIDES}
            continue
        source, _, side = words.rpartition(" ") if words.endswith((*SIDES, "both")) else (words, "", "both")
        for region, pain in FELT[source].items():
            for one in _sides(side):
                name = f"{prefix}_{region}_{one}"
                record[name] = max(pain, record.get(name, 0.0))


SCAN: dict[str, Callable[[str, str], str]] = {
    "herniation": lambda level, side: f"herniation_{level}_{side}",
    "recess": lambda level, side: f"recess_stenosis_{level}_{side}",
    "foramen": lambda level, side: f"foraminal_stenosis_{level}_{side}",
    "canal": lambda level, side: f"central_stenosis_{level}",
    "slip": lambda level, side: f"slip_{level}",
    "disc": lambda level, side: f"disc_degeneration_{level}",
    "mass": lambda level, side: f"mass_in_continuity_{level}_{side}",
    "fragment": lambda level, side: f"retained_fragment_{level}_{side}",
    "discitis": lambda level, side: f"discitis_signs_{level}",
    "motion": lambda level, side: f"motion_mm_{level}",
    "fusion": lambda level, side: f"fusion_{level}",
}


def _lesion(words: str, prefix: str) -> Record:
    kind, level, *rest = words.split(" ")
    side = rest[0] if rest and rest[0] in SIDES else ""
    grade = float(rest[-1]) if rest and rest[-1] not in SIDES else 1.0
    name = SCAN[kind](_level(level), side)
    if kind == "herniation" and not prefix:
        name = f"herniation_{_level(level)}_paracentral_{side}"
    return {f"{prefix}{name}": grade}


def _course(words: str, record: Record) -> None:
    plain: dict[str, Record] = {
        "never": {"return_tempo": "never_better", "pain_free_interval_months": 0.0, "return_trigger": "none"},
        "sudden": {"return_tempo": "sudden", "return_trigger": "none"},
        "gradual": {"return_tempo": "gradual", "return_trigger": "none"},
        "strain": {"return_trigger": "lifting_or_twisting"},
        "same": {"pain_compared": "same"},
        "other": {"pain_compared": "other"},
        "both": {"pain_compared": "both"},
    }
    if words in plain:
        record |= plain[words]
        return
    first, number, *rest = words.split(" ")
    name = {
        "relief": "initial_relief_percent", "free": "pain_free_interval_months", "leg": "followup_nrs_leg"
    }[first]  # fmt: skip
    record[name] = float(number)
    if rest:
        record["followup_nrs_back"] = float(rest[1])


def _examination(words: str, record: Record) -> None:
    plain: dict[str, Record] = {
        "cough": {"followup_is_worse_on_cough": 1.0},
        "sitting": {"followup_is_worse_on_sitting": 1.0},
        "claudication": {"followup_is_worse_on_walking": 1.0, "followup_is_relieved_by_sitting": 1.0},
        "catch": {"followup_has_catch_on_rising": 1.0},
        "night": {"followup_has_night_pain": 1.0},
        "percussion": {"followup_percussion_tenderness": 1.0},
        "allodynia": {"followup_has_allodynia": 1.0},
        "slr negative": {"followup_slr_left": 0.0, "followup_slr_right": 0.0},
        "kemp negative": {"followup_extension_test_left": 0.0, "followup_extension_test_right": 0.0},
        "fair negative": {"followup_fair_left": 0.0, "followup_fair_right": 0.0},
    }
    if words in plain:
        record |= plain[words]
        return
    first, *rest = words.split(" ")
    sided = {
        "slr": "slr", "crossed": "crossed_slr", "femoral": "femoral_stretch", "kemp": "extension_test", "fair": "fair",
    }  # fmt: skip
    if first in sided:
        record[f"followup_{sided[first]}_{rest[0]}"] = 1.0
    elif first == "power":
        root, side, grade = rest
        record |= {f"power_{root.lower()}_{side}": 5.0, f"followup_power_{root.lower()}_{side}": float(grade)}
    elif first == "sij":
        _sacroiliac(rest, record, "followup_")
    elif first == "dn4":
        record["followup_neuropathic_quality_dn4"] = float(rest[0])
    elif first == "piriformis":
        record[f"followup_seated_piriformis_stretch_{rest[1]}"] = 1.0
    elif words.startswith("hip rotation"):
        record[f"followup_hip_internal_rotation_deg_{rest[1]}"] = float(rest[2])
    elif words.startswith("hip abduction"):
        record[f"followup_hip_groin_pain_on_abduction_{rest[1]}"] = 1.0
    else:
        raise ValueError(words)


def _sacroiliac(rest: list[str], record: Record, prefix: str) -> None:
    side, positive = rest
    record |= {
        f"{prefix}sij_{test}_{side}": float(place < int(positive)) for place, test in enumerate(SIJ_TESTS)
    }  # fmt: skip


WHOLE = ("MRI", "contrast", "CT", "film", "flexion")


def _investigation(words: str, record: Record) -> None:
    if words in WHOLE:
        record |= {name: value for name, value in _normal(words, record).items() if name not in record}
        return
    first, *rest = words.split(" ")
    if first in ("crp", "esr"):
        record[{"crp": "followup_crp_mg_l", "esr": "followup_esr_mm_h"}[first]] = float(rest[0])
    elif words.startswith("facet block"):
        record["followup_facet_block_relief"] = float(rest[1])
    elif words.startswith("root block"):
        record[f"followup_root_block_relief_{rest[1].lower()}_{rest[2]}"] = float(rest[3])
    elif words.startswith(("sij block", "hip block")):
        record[f"followup_{first}_block_relief_{rest[1]}"] = float(rest[2])
    elif words.startswith("hip film"):
        record[f"hip_osteoarthritis_grade_{rest[1]}"] = float(rest[2])
    elif first in ("rim", "scar"):
        record[f"followup_enhancement_{_level(rest[0])}_{rest[1]}"] = 1.0 if first == "rim" else 2.0
    elif first == "bone":
        record[f"followup_bone_left_{rest[0]}_{_level(rest[1])}_{rest[2]}"] = 1.0
    elif first == "fault":
        record["followup_hardware_fault"] = 1.0
    else:
        record |= _lesion(words, "followup_")


def _normal(whole: str, record: Record) -> Record:
    """What a whole investigation reads where the line names nothing."""
    normal: Record = {}
    for level in LEVELS:
        if whole in ("MRI", "contrast"):
            normal |= {f"followup_central_stenosis_{level}": 0.0, f"followup_discitis_signs_{level}": 0.0}
        for side in SIDES:
            place = f"{level}_{side}"
            if whole in ("MRI", "contrast"):
                items = ("herniation", "recess_stenosis", "foraminal_stenosis", "mass_in_continuity")
                normal |= {f"followup_{item}_{place}": 0.0 for item in items}
            if whole == "contrast":
                normal |= {f"followup_enhancement_{place}": 0.0, "followup_contrast": 1.0}
            if whole == "CT":
                items = ("retained_fragment", "bone_left_recess", "bone_left_foramen")
                normal |= {f"followup_{item}_{place}": 0.0 for item in items}
            if whole == "film":
                normal[f"followup_operated_site_{place}"] = float(_is_seen(level, side, record))
    if whole == "CT" and any(record[f"operated_fusion_{level}"] for level in LEVELS):
        normal["followup_hardware_fault"] = 0.0
    return normal


def _is_seen(level: str, side: str, record: Record) -> bool:
    if SEEN in record:
        return bool(record[SEEN] == (level, side))
    return bool(record[f"operated_decompression_{level}_{side}"] or record[f"operated_fusion_{level}"])


# What each line promises

STORIES = stories()


@pytest.fixture(scope="module")
def evidence(params) -> CauseEvidence:
    """Of all stories at once."""
    return cause_evidence(FollowUp.of_records([story.record for story in STORIES]), CauseParams(), params)


def each_story():
    return [pytest.param(place, story, id=story.name) for place, story in enumerate(STORIES)]


@pytest.mark.parametrize(("place", "story"), each_story())
def test_worked_case(evidence, place, story):
    cause, word = story.leading
    assert CAUSES[evidence.first[place]] == cause
    likelihood = dict(zip(CAUSES, evidence.likelihood[place], strict=True))
    if word:
        assert likelihood[cause] == word
    for other in _parts(story.also):
        is_at_least_possible = likelihood[other.lstrip("-")] in LIKELIHOODS[2:]
        assert is_at_least_possible != other.startswith("-"), other


def test_every_story_is_a_record_that_the_dictionary_and_the_checks_of_a_work_up_allow():
    for story in STORIES:
        assert not set(story.record) - {v.name for v in load_dictionary().known_by("follow_up")}, story.name
        assert followup_problems({name: [value] for name, value in story.record.items()}) == [], story.name


def test_there_are_44_stories_or_more_and_every_cause_leads_in_one():
    assert len(STORIES) >= 44
    assert len({story.name for story in STORIES}) == len(STORIES)
    assert {story.leading[0] for story in STORIES} == set(CAUSES)


def test_every_text_book_picture_is_called_likely():
    textbook = [story for story in STORIES if story.name.startswith("Text-book")]
    assert len(textbook) >= 7
    assert {story.leading[1] for story in textbook} == {"likely"}


def test_the_course_alone_never_settles_a_cause_beyond_the_scan(evidence):
    """A scan that shows the cause makes it likelier than its course did."""
    by_name = {story.name: place for place, story in enumerate(STORIES)}
    cause = CAUSES.index("recurrent_herniation")
    course, scan = by_name["Recurrence by its course alone"], by_name["Text-book recurrence"]
    assert evidence.log_odds[scan, cause] > evidence.log_odds[course, cause]
    assert np.isnan(evidence.states[course]).sum() > np.isnan(evidence.states[scan]).sum()
