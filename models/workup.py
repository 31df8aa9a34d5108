"""One case after an operation that failed: causes ranked with their evidence, what to find out next, what to do.

`CauseFinder.answers` is what the service gives, the page shows and the record keeps: plain values that JSON can
hold, made so that the whole can be told and drawn again without the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from features.axes import CAUSES, FLAGGED_MIMICS, LABELS
from features.cause_tables import finding_places
from features.causes import LIKELIHOODS, CauseEvidence
from features.dictionary import load_dictionary
from features.followup import Bools, FollowUp
from features.next_investigation import (
    Advised,
    Worth,
    next_investigations,
    ranked_investigations,
    withheld_investigations,
)
from features.record import followup_cautions
from features.red_flags import red_flag_advice
from features.treatment_options import TreatmentOptions, treatment_options
from features.treatment_plan import plan_lines, plan_of
from models.case_picture import body_picture
from models.cause_model import PROVENANCE, QUESTION, CauseModel
from models.screening import as_plain, ranked_sources
from models.workup_story import (
    cause_lines,
    completeness_of_work_up,
    course_of,
    impossible_causes,
    investigation_lines,
    operated_words,
    ranked_causes,
)

Record = Mapping[str, Any]
Caution = tuple[str, str]
"""Code and text."""
NAME = "backcast-cause"
EARLY_MONTHS = 1.5
LITTLE_SOUGHT = 0.25
"""Part of the findings below which it is said that little was sought."""
HARDLY_ANY = 1.0
"""Pain, of 10, up to which there is none to speak of."""
ELSEWHERE = ("recurrent_herniation_other_side", "wrong_level_or_side", "adjacent_segment")
"""Causes that lie at a site which was not operated on."""
COVERED = "other_hip_disease"
"""A flagged mimic that one of the causes names: the hip joint."""
IS_NOT = (
    "This ranks what is known about causes; it was not fitted to patients, and gives no probability. It has not "
    "examined anybody: it does not replace the judgement of a surgeon, and is no order to operate again."
)


class Case(NamedTuple):
    """One of n cases with all that is known of them."""

    followup: FollowUp
    found: CauseEvidence
    options: TreatmentOptions
    worth: Worth
    words: Sequence[str | None]
    """The likelihood of each cause; None where it cannot be."""
    place: int


class CauseFinder:
    """The knowledge of causes, ready to answer.

    Parameters
    ----------
    model : CauseModel
    uri : str
        Name under which it was loaded, for the record.
    """

    def __init__(self, model: CauseModel, uri: str) -> None:
        self.model, self.uri = model, uri

    def answers(self, records: Sequence[Record]) -> list[dict[str, Any]]:
        """One answer for each record.

        Parameters
        ----------
        records : mappings in the dictionary's layout, as known by the follow-up
            Checked before: numbers as numbers, codes as they are in the dictionary, days as ISO 8601. Absent
            and None are both not recorded; keys of the record are not used.

        Returns
        -------
        list of dict
            `question`, `provenance`, `model`, `red_flags`, `completeness`, `course`, `operated`, `causes`,
            `impossible`, `next_investigations`, `investigations_withheld`, `plan`, `sources`, `picture`,
            `story`, `cautions`, `is_not`. `log_odds` of a cause is its `prior_log_odds` plus the points `for`
            and `against` it. Under a red flag causes and investigations are empty, and the plan is to stop
            and refer.
        """
        if not records:
            return []
        followup = FollowUp.of_records(records)
        found = self.model.evidence(followup)
        options = treatment_options(found, followup)
        worth = next_investigations(found, followup)
        words, flags, odd = found.likelihood, options.red_flags, _oddities(records)
        return [
            self._answer(Case(followup, found, options, worth, words[place], place), flags[place], odd[place])
            for place in range(len(records))
        ]

    def _answer(self, case: Case, flags: str, odd: Sequence[Caution]) -> dict[str, Any]:
        followup, found, place = case.followup, case.found, case.place
        plan, course = plan_of(case.options, place), course_of(followup, place)
        ranked = [] if flags else ranked_causes(found, place, case.words, case.worth.is_open[place])
        impossible = [] if flags else impossible_causes(found, place)
        advised = [] if flags else ranked_investigations(case.worth, place)
        withheld = [] if flags else withheld_investigations(case.worth, place)
        told = [] if flags else [*cause_lines(ranked, impossible), *investigation_lines(advised, withheld)]
        return {
            "question": QUESTION,
            "provenance": PROVENANCE,
            "model": {"name": NAME, "uri": self.uri, "sha256": self.model.sha256},
            "red_flags": [advice._asdict() for advice in red_flag_advice(flags)],
            "completeness": completeness_of_work_up(found, place),
            "course": course,
            "operated": operated_words(followup, place),
            "causes": ranked,
            "impossible": impossible,
            "next_investigations": [_plain(one) for one in advised],
            "investigations_withheld": [_plain(one) for one in withheld],
            "plan": plan.as_plain(),
            "sources": ranked_sources(found.sources, place),
            "picture": as_plain(replace(body_picture(found.sources, place), is_done=True)),
            "story": [course["text"], *told, *plan_lines(plan)],
            "cautions": [{"code": code, "text": text} for code, text in (*odd, *_cautions(followup, found, place))],
            "is_not": IS_NOT,
        }


def _plain(advised: Advised) -> dict[str, Any]:
    return {**advised._asdict(), "withheld": list(advised.withheld)}


def _oddities(records: Sequence[Record]) -> list[list[Caution]]:
    """For each record what is odd in it and may be so."""
    names = dict.fromkeys(name for record in records for name in record)
    columns = {name: [record.get(name) for record in records] for name in names}
    odd: list[list[Caution]] = [[] for _ in records]
    for problem in followup_cautions(columns, first_row=0):
        label = load_dictionary()[problem.column].label
        for place in problem.rows:
            odd[place].append((problem.rule, f"{label} {problem.what}. {problem.to_do}"))
    return odd


def _cautions(followup: FollowUp, found: CauseEvidence, place: int) -> list[Caution]:
    """What makes this answer less sure, as code and text."""
    sought, months = ~np.isnan(found.states[place]), followup.months_since[place]
    done = followup.operated
    every = [
        (
            sought.mean() < LITTLE_SOUGHT,
            "little_sought",
            f"Little was sought, {sought.sum()} of {len(sought)} findings: the order rests largely on how common each "
            f"cause is.",
        ),
        (
            not done.is_known[place],
            "operation_unknown",
            "It is not recorded what was operated on, so what the scan shows there cannot be told from the rest.",
        ),
        (
            bool(done.is_noted[place] or done.is_planned_known[place]) and not done.is_counted[place],
            "level_not_counted",
            "Nobody counted on film or CT which level was operated on; it is taken to be as noted, or else as planned.",
        ),
        (
            np.isnan(months),
            "no_dates",
            "The day of the operation or of the work-up is not recorded, so what depends on time since is not read.",
        ),
        (
            months < EARLY_MONTHS,
            "early",
            "Within six weeks of the operation scans show swelling and blood that mimic disc and scar: read with care.",
        ),
        (
            found.sources.numbering_uncertain[place] == 1,
            "numbering_uncertain",
            "The numbering of the levels is in doubt: count them before anything is done at one.",
        ),
        (
            _has_no_pain(followup, place),
            "no_pain_now",
            "Hardly any pain of the back or the legs is recorded now: there is nothing whose cause could be found.",
        ),
        (
            found.states[place, finding_places()["new_deficit"]] == 1,
            "new_deficit",
            "A root deficit is recorded that was not there before the operation: where it is recent, or grows, a "
            "surgeon sees it now.",
        ),
        (
            _is_source_unnamed(found, place),
            "source_elsewhere",
            "The best supported source now is at a site that was not operated on, and no cause that is likely or "
            "possible names it: judge it as a new case, by the question before an operation.",
        ),
        *(
            (
                is_flagged,
                "flagged_mimic",
                f"By rule {LABELS[mimic]} is to be thought of, which is none of these causes.",
            )
            for mimic, is_flagged in zip(FLAGGED_MIMICS, _is_flagged(found, place), strict=True)
            if mimic != COVERED
        ),
    ]
    return [(code, text) for is_due, code, text in every if is_due]


def _has_no_pain(followup: FollowUp, place: int) -> bool:
    """Whether pain is recorded in any way, and all of it is next to none."""
    scores = np.array([followup.variable(f"followup_nrs_{part}")[place] for part in ("leg", "back")])
    drawn = followup.findings.pain[place].max() if followup.findings.has_drawing[place] else np.nan
    felt = np.append(scores, drawn)
    return bool((~np.isnan(felt)).any() and not (felt > HARDLY_ANY).any())


def _is_source_unnamed(found: CauseEvidence, place: int) -> bool:
    """Whether the source now was not operated on, and none of the causes that lie elsewhere is at least possible."""
    likely_enough = found.likelihood_places[place] >= LIKELIHOODS.index("possible")
    is_elsewhere = found.states[place, finding_places()["source_not_operated"]] == 1
    return bool(is_elsewhere and not likely_enough[[CAUSES.index(cause) for cause in ELSEWHERE]].any())


def _is_flagged(found: CauseEvidence, place: int) -> Bools:
    """(n_flagged,): on either side."""
    return np.asarray((found.sources.mimics.flags[place] == 1).any(axis=1))
