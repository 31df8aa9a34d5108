"""Which investigation, of those not done, would change the ranking of the causes most?

*What an investigation is worth.* The log-odds of the causes, as odds divided by their sum, are a ranking: a
distribution over the possible causes. Every result of an investigation makes another one of it, by the very
points that the answer would then have. The gain is the Kullback-Leibler divergence of the ranking after from
the ranking now, in bits, over the results, each as likely as the causes of now make it. It is chosen before the
change of the leading probability because it counts any change of the order and of the distances, is never below
0, and is 0 exactly where no result would move anything; were the points those of one joint distribution, it
would be the mutual information of cause and result.

*How likely a result is.* Given a cause, a finding is present with the odds of its background (`cause_findings.csv`)
times the ratio of what its presence and its absence say of that cause; findings of one investigation are taken as
independent given the cause. Results are counted out: 2^k for k findings. Of more than MOST_FINDINGS those count
that tell most of a patient about whom nothing else is known; the others are left out, which as a rule understates
the gain.

*What it costs.* `cause.burden` gives the time, discomfort, risk and cost of each investigation in one currency:
equivalent minutes of the patient. `cause.minutes_per_bit` is what a bit is worth in it. An investigation is
advised where its gain is worth more than its burden; a quotient of both would always ask the cheap question
first, however little it tells, and would never say that enough is known. What goes into the body comes after what
does not, whatever it tells.

An investigation that was done says nothing more. One that the record forbids is withheld, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.axes import CAUSES
from features.cause_tables import (
    Investigation,
    able_investigations,
    cause_findings,
    evidence,
    finding_places,
    investigations,
)
from features.causes import CauseEvidence, CauseParams, burden_problems, cause_label, pair_log_ratios
from features.conditions import Situation, label_of
from features.dictionary import load_dictionary
from features.errors import ParamsError
from features.followup import FollowUp
from features.layout import Floats
from features.red_flags import AFTER, BEFORE, red_flag_rules
from features.treatment_tables import treatment_facts

Bools = NDArray[np.bool_]
Places = NDArray[np.intp]
RuleRatios = tuple[tuple[str, float], ...]

MOST_FINDINGS = 8
"""Results of so many findings are counted out: 256 combinations."""
SLICE = 64
"""Cases at once."""
COUNTED_KEPT = 128
"""Sets of findings whose results are kept, for the next case."""
DECIMALS = 9
"""Gains are rounded here, so that ties fall alike on every machine."""
INVASIVE_KINDS = ("block",)
ONE_ACT = ("image", "block")
"""Kinds of which everything was looked at once anything was."""
SAID_DONE = {"contrast_mri": "followup_contrast"}
"""The variable that says that an image was made, read or not."""
AFTER_A_RETURN = (
    "relief_under_6_weeks",
    "relief_3_to_12_months",
    "relief_over_12_months",
    "sudden_return",
    "return_after_strain",
    "return_after_fall",
)
"""Questions that have no answer where the pain never got better."""
AGAINST_BEFORE = "new_deficit"
"""A finding of an examination that compares with the record before: with nothing before, it cannot be found."""
BUILT = ("source_at_operated", "source_not_operated", "no_lesion_explains")
"""Findings of the scan that the builders make of whatever was recorded: they show no scan."""
LEFT_NAMED = 4
"""So many open questions of one investigation are named."""
RED_FLAGS = "red_flags"
LITTLE, MUCH = 0.1, 0.3
"""Gains in bits below which an investigation would change the ranking a little, and from which much."""


@dataclass(frozen=True)
class Worth:
    """What each investigation would tell in n cases."""

    investigations: tuple[Investigation, ...]
    """Those that can be done; the record before the operation is none."""
    gain: Floats
    """(n, n_investigations): bits; 0 where it was done."""
    burden: Floats
    """(n_investigations,): equivalent minutes."""
    net: Floats
    """(n, n_investigations): the gain less what the burden is worth, in bits."""
    moves: Floats
    """(n, n_investigations, n_causes): expected change, up or down, of each cause's share of the ranking."""
    is_open: Bools
    """(n, n_findings): could still be found."""
    is_done: Bools
    """(n, n_investigations): nothing of it could."""
    forbids: Bools
    """(n, n_contraindications): the row of `contraindications.csv` holds."""
    order: Places
    """(n, n_investigations): places of the investigations from the best on; see `is_advised`."""
    is_advised: Bools
    """(n, n_investigations): not done, not forbidden, worth its burden."""
    followup: FollowUp

    def place(self, investigation: str) -> int:
        return next(at for at, one in enumerate(self.investigations) if one.name == investigation)


class Advised(NamedTuple):
    """One investigation for a person."""

    investigation: str
    label: str
    gain: float
    """Bits."""
    burden: float
    """Equivalent minutes."""
    is_invasive: bool
    text: str
    withheld: tuple[str, ...]
    """Why it is withheld; empty where it is advised."""


def next_investigations(evidence_: CauseEvidence, followup: FollowUp) -> Worth:
    """What each investigation would tell in n cases, and in which order to do them: see `Worth`."""
    able = able_investigations()
    params = evidence_.params
    burden = burdens(params)
    is_open, is_done = open_findings(evidence_, followup)
    gain = np.zeros((len(is_open), len(able)))
    moves = np.zeros((*gain.shape, len(CAUSES)))
    ranking, ratios = ranking_now(evidence_), tuple(sorted(params.rule_ratios.items()))
    for place, one in enumerate(able):
        shown = _shown_by(one.name)
        for cases, findings in _alike(is_open[:, shown]):
            counted = _counted(tuple(shown[findings].tolist()), ratios)
            for start in range(0, len(cases), SLICE):
                some = cases[start : start + SLICE]
                gain[some, place], moves[some, place] = _gain(ranking[some], evidence_.points[some], counted)
    gain = gain.round(DECIMALS)
    forbids = _forbids(evidence_, followup)
    is_withheld = np.stack([forbids[:, withholding_rows(one.name)].any(axis=1) for one in able], axis=1)
    net = (gain - burden / params.minutes_per_bit).round(DECIMALS)
    is_advised = ~is_done & ~is_withheld & (net > 0)
    is_invasive = np.array([one.kind in INVASIVE_KINDS for one in able])
    order = np.lexsort((-net, np.broadcast_to(is_invasive, net.shape), ~is_advised), axis=1)
    return Worth(able, gain, burden, net, moves, is_open, is_done, forbids, order, is_advised, followup)


def ranked_investigations(worth: Worth, place: int = 0, most: int = 3) -> list[Advised]:
    """The investigations of one case that are advised, the best first, in words.

    Before them stand the red flags that nobody asked about, at no burden: they are not weighed against anything.
    Of two of which one includes the other the better one alone is advised (MRI, with contrast or without): the
    smaller one, where it is the better, leaves the larger less to tell than it costs more.
    """
    not_asked = red_flags_not_asked(worth.followup, place)
    text = f"Ask about red flags first: {'; '.join(not_asked)}."
    first = [Advised(RED_FLAGS, "Red-flag questions", 0.0, 0.0, False, text, ())] if not_asked else []
    chosen: list[Investigation] = []
    for at in worth.order[place]:
        one = worth.investigations[at]
        is_told = any(one.name in better.includes or better.name in one.includes for better in chosen)
        if worth.is_advised[place, at] and not is_told:
            chosen.append(one)
    return first + [_advised(worth, place, one) for one in chosen[:most]]


def withheld_investigations(worth: Worth, place: int = 0) -> list[Advised]:
    """Those of one case that would be worth their burden, and that the record forbids: with the reasons."""
    at = np.flatnonzero(~worth.is_done[place] & ~worth.is_advised[place] & (worth.net[place] > 0))
    return [_advised(worth, place, worth.investigations[one]) for one in at]


def _advised(worth: Worth, place: int, one: Investigation) -> Advised:
    at = worth.place(one.name)
    gain, burden = float(worth.gain[place, at]), float(worth.burden[at])
    rows = [row for row in withholding_rows(one.name) if worth.forbids[place, row]]
    return Advised(
        investigation=one.name,
        label=one.label,
        gain=gain,
        burden=burden,
        is_invasive=one.kind in INVASIVE_KINDS,
        text=f"{_in_words(one, gain, burden, worth.moves[place, at])}{_left_in_words(worth, place, one)}",
        withheld=tuple(dict.fromkeys(treatment_facts().contraindications[row].reason for row in rows)),
    )


def _in_words(one: Investigation, gain: float, burden: float, moves: Floats) -> str:
    much = "a little" if gain < LITTLE else "much" if gain >= MUCH else "somewhat"
    most = [cause_label(CAUSES[at]) for at in np.argsort(-moves, kind="stable")[:2]]
    return (
        f"{one.label}: shows {one.looks_for}. It would change the ranking {much}, most of all {most[0]} and "
        f"{most[1]}; its burden is like {burden:g} minutes."
    )


def _left_in_words(worth: Worth, place: int, one: Investigation) -> str:
    """What is left of an investigation that was partly done; empty where it was not begun."""
    own = _own_findings(one.name)
    left = own[worth.is_open[place, own]]
    if one.kind in ONE_ACT or len(left) == len(own):
        return ""
    names = list(dict.fromkeys(cause_findings()[at].sought for at in left))
    return f" Left of it: {'; '.join(names[:LEFT_NAMED])}{'; and more' if len(names) > LEFT_NAMED else ''}."


def red_flags_not_asked(followup: FollowUp, place: int) -> tuple[str, ...]:
    """The red flags of the work-up that nobody asked about, by label."""
    return tuple(label_of(name) for name in red_flag_questions() if np.isnan(followup.variable(name)[place]))


@cache
def red_flag_questions() -> tuple[str, ...]:
    """The variables of the work-up that ask for red flags: those of `red_flags.csv` that are asked again,
    and those of `followup_red_flags.csv`."""
    again = [f"followup_{one.name}" for _, conditions in red_flag_rules(BEFORE) for one in conditions]
    after = [one.name for _, conditions in red_flag_rules(AFTER) for one in conditions]
    return tuple(name for name in dict.fromkeys(again + after) if name in load_dictionary())


# What can be done, what is done, what it costs


def burdens(params: CauseParams) -> Floats:
    """(n_investigations,): the burden of each in equivalent minutes.

    Raises
    ------
    ParamsError
        For an investigation without a burden: parameters made without any can rank causes, and no investigations.
    """
    if problems := burden_problems(params.burden):
        raise ParamsError("params.yaml: " + "; ".join(problems) + ".")
    return np.array([params.burden[one.name] for one in able_investigations()], dtype=np.float64)


def open_findings(evidence_: CauseEvidence, followup: FollowUp) -> tuple[Bools, Bools]:
    """What could still be found: (n, n_findings) bool; and which investigations are done: (n, n_investigations)."""
    is_open = np.isnan(evidence_.states)
    names = finding_places()
    never_better = evidence_.states[:, names["never_better"]] == 1
    is_open[:, [names[name] for name in AFTER_A_RETURN]] &= ~never_better[:, None]
    power = followup.findings.grid("power", "root", "side")
    is_open[:, names[AGAINST_BEFORE]] &= np.isnan(power).all(axis=(1, 2))
    able = able_investigations()
    is_done = np.stack([_is_done(one, is_open, followup) for one in able], axis=1)
    for at, one in enumerate(able):
        included = [place for place, other in enumerate(able) if other.name in one.includes]
        is_done[:, included] |= is_done[:, [at]]
    for at, one in enumerate(able):
        is_open[:, _own_findings(one.name)] &= ~is_done[:, [at]]
    return is_open, is_done


def _is_done(one: Investigation, is_open: Bools, followup: FollowUp) -> Bools:
    """(n,): nothing of it is open; or it is one act, and something of it was sought."""
    own = is_open[:, _own_findings(one.name)]
    is_done = ~own.any(axis=1)
    if one.kind in ONE_ACT:
        is_done |= ~is_open[:, _own_findings(one.name, BUILT)].all(axis=1)
    if one.name in SAID_DONE:
        is_done |= followup.variable(SAID_DONE[one.name]) > 0
    if one.name == "mri":
        is_done |= followup.levels_read.any(axis=1)
    if one.name == "drawing":
        is_done |= followup.findings.has_drawing
    return np.asarray(is_done)


def _forbids(evidence_: CauseEvidence, followup: FollowUp) -> Bools:
    """(n, n_contraindications): rows that concern an investigation and hold; others are not looked at."""
    situation, rows = Situation(followup, evidence_), treatment_facts().contraindications
    forbids = np.zeros((followup.n_cases, len(rows)), dtype=bool)
    for at in sorted({row for one in able_investigations() for row in withholding_rows(one.name)}):
        forbids[:, at] = situation.verdict(rows[at].conditions).anywhere().holds
    return forbids


@cache
def _own_findings(investigation: str, but: tuple[str, ...] = ()) -> Places:
    findings = enumerate(cause_findings())
    own = [at for at, finding in findings if finding.investigation == investigation and finding.name not in but]
    return np.array(own, dtype=np.intp)


@cache
def _shown_by(investigation: str) -> Places:
    """Its own findings, and those of the investigations that it includes."""
    one = next(one for one in investigations() if one.name == investigation)
    return np.concatenate([_own_findings(name) for name in (investigation, *one.includes)])


@cache
def withholding_rows(investigation: str) -> tuple[int, ...]:
    """The rows of `contraindications.csv` that withhold an investigation."""
    rows = treatment_facts().contraindications
    return tuple(at for at, row in enumerate(rows) if row.effect == "withhold" and investigation in row.applies_to)


# What it would tell


class _Weighing(NamedTuple):
    """What findings say, as arrays over the pairs of `evidence()`."""

    log_ratios: Floats
    """(n_pairs, 2): absent, present."""
    log_odds: Floats
    """(n_causes, n_findings): of a finding to be present, given the cause."""
    told: Floats
    """(n_findings,): bits that each tells alone, of a patient about whom nothing is known."""


class _Counted(NamedTuple):
    """Every result of some findings, and what it says."""

    chance: Floats
    """(n_results, n_causes): of each result, given the cause."""
    most: Floats
    """(n_results, n_clusters): what says most for a cause within a cluster, by its findings among these; or 0."""
    least: Floats
    """The same: most against."""
    pairs: Places
    """All pairs of those clusters, cluster by cluster."""
    starts: Places
    """Where the pairs of each cluster begin."""
    cause: Places
    """(n_clusters,)"""


def ranking_now(evidence_: CauseEvidence) -> Floats:
    """The odds of the causes divided by their sum: (n, n_causes); 0 for a cause that cannot be."""
    log_odds = np.where(evidence_.is_possible, evidence_.log_odds, -np.inf)
    odds = np.exp(log_odds - log_odds.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def _alike(is_open: Bools) -> Iterable[tuple[Places, Places]]:
    """Cases of which the same findings are open, and these findings; nothing for those without any."""
    if len(is_open) == 1:
        patterns, of_case = is_open, np.zeros(1, dtype=np.intp)
    else:
        patterns, of_case = np.unique(is_open, axis=0, return_inverse=True)
    for place, pattern in enumerate(patterns):
        if pattern.any():
            yield np.flatnonzero(of_case.ravel() == place), np.flatnonzero(pattern)


def _gain(ranking: Floats, points: Floats, counted: _Counted) -> tuple[Floats, Floats]:
    """The bits that counted results are expected to tell, (n,), and how far each cause moves, (n, n_causes)."""
    facts = evidence()
    so_far = points[:, facts.cause[counted.pairs], facts.finding[counted.pairs]]
    most = np.maximum(np.maximum.reduceat(so_far, counted.starts, axis=1), 0.0)
    least = np.minimum(np.minimum.reduceat(so_far, counted.starts, axis=1), 0.0)
    more = np.maximum(most[:, None], counted.most) - most[:, None]
    more += np.minimum(least[:, None], counted.least) - least[:, None]
    change = more @ (counted.cause[:, None] == np.arange(len(CAUSES)))
    after = ranking[:, None] * np.exp(change)
    total = after.sum(axis=2, keepdims=True)
    after /= total
    divergence = (after * change).sum(axis=2) - np.log(total[:, :, 0])
    chance = ranking @ counted.chance.T
    moved = np.einsum("nr,nrc->nc", chance, np.abs(after - ranking[:, None]))
    return (chance * divergence).sum(axis=1) / np.log(2), moved


@cache
def _weighing(ratios: RuleRatios) -> _Weighing:
    facts, findings = evidence(), cause_findings()
    log_ratios = pair_log_ratios(CauseParams(rule_ratios=dict(ratios)))
    background = np.array([finding.background for finding in findings])
    log_odds = np.tile(np.log(background / (1 - background)), (len(CAUSES), 1))
    log_odds[facts.cause, facts.finding] += log_ratios[:, 1] - log_ratios[:, 0]
    even, nothing = np.full((1, len(CAUSES)), 1 / len(CAUSES)), np.zeros((1, len(CAUSES), len(findings)))
    alone = _Weighing(log_ratios, log_odds, np.zeros(len(findings)))
    told = [_gain(even, nothing, count_out((finding,), alone))[0][0] for finding in range(len(findings))]
    return _Weighing(log_ratios, log_odds, np.array(told).round(DECIMALS))


@lru_cache(maxsize=COUNTED_KEPT)
def _counted(findings: tuple[int, ...], ratios: RuleRatios) -> _Counted:
    """Every result of those of the findings that tell most."""
    weighing = _weighing(ratios)
    told = sorted(findings, key=lambda finding: (-weighing.told[finding], finding))[:MOST_FINDINGS]
    return count_out(tuple(told), weighing)


def count_out(told: tuple[int, ...], weighing: _Weighing) -> _Counted:
    """Every result of these findings, how likely it is given each cause, and what it says."""
    facts = evidence()
    results = (np.arange(2 ** len(told))[:, None] >> np.arange(len(told))) & 1
    of_result = weighing.log_odds[:, told]
    present = 1 / (1 + np.exp(-of_result))
    chance = np.where(results[:, None, :] == 1, present, 1 - present).prod(axis=2)
    cluster_of = np.repeat(np.arange(len(facts.cluster_starts)), np.diff(facts.cluster_starts, append=len(facts.cause)))
    touched = np.unique(cluster_of[np.isin(facts.finding, told)])
    pairs = np.flatnonzero(np.isin(cluster_of, touched))
    starts = np.searchsorted(cluster_of[pairs], touched)
    values = np.zeros((len(results), len(pairs)))
    for column, finding in enumerate(told):
        at = np.flatnonzero(facts.finding[pairs] == finding)
        values[:, at] = weighing.log_ratios[pairs[at]].T[results[:, column]]
    return _Counted(
        chance=chance,
        most=np.maximum(np.maximum.reduceat(values, starts, axis=1), 0.0),
        least=np.minimum(np.minimum.reduceat(values, starts, axis=1), 0.0),
        pairs=pairs,
        starts=starts,
        cause=facts.cause[pairs[starts]],
    )
