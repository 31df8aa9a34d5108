"""The sources of one case's pain in words: what explains it, the plan held against it, mimics, what to do next.

Made from the parts of the builders, so that every number in a sentence is one that the builders computed.
"""

from __future__ import annotations

import numpy as np

from features.anatomy import AXIAL_ZONES, SITES
from features.axes import FLAGGED_MIMICS, LABELS, LEVELS, MIMICS, ROOTS, SIDES
from features.builders import Sources, named
from features.dictionary import load_dictionary
from features.finding_evidence import agreement_words, reader_kappa
from features.lesions import levels_read, telling_item
from features.mimic_words import flag_reasons, ratios_used
from features.mimics import MimicEvidence
from features.next_test import ranked_actions
from features.plan import ONE_SIDED
from features.support import CANDIDATE_LABELS
from features.words import percent

CLOSE = 0.5
"""A lesion elsewhere that has at least this part of the best one's support is hard to tell from it."""
LIKELY_MIMIC = 0.25
"""Probability of a mimic from which it is said what that rests on."""
LEFT_BEHIND = 0.1
"""A root outside the plan that explains more of the pain than this is worth a warning."""
WORTH_SAYING = 0.05
"""Probabilities and shares that differ by less are not told apart."""
LEG_DOMINANT, BACK_DOMINANT = 0.6, 0.2
"""Part of the drawing that is felt in the legs, from which pain is called leg pain, and below which back pain."""
POOR_AGREEMENT = 0.6
"""Kappa between readers up to which a caution is due (moderate, in the words of Landis and Koch)."""
WIDESPREAD = 0.25
"""Share of the upper-body regions with pain from which it is called widespread."""


def clinical_paragraph(sources: Sources, place: int = 0) -> str:
    """The sources of the pain of the case at a place, as one short paragraph."""
    return " ".join(source_lines(sources, place))


def source_lines(sources: Sources, place: int = 0) -> list[str]:
    """The same in lines: pain and source, plan, mimics, what to examine next, cautions."""
    lines = [_source_line(sources, place), _plan_line(sources, place), *_mimic_lines(sources, place)]
    return [line for line in (*lines, _next_line(sources, place), *_caution_lines(sources, place)) if line]


def _source_line(sources: Sources, place: int) -> str:
    lesions, support = sources.lesions, sources.support
    if not lesions.is_defined[place]:
        return f"Source of the pain: unknown; not recorded: {_missing(sources, place)}."
    line = f"Source of the pain: {_dominance(lesions.leg_share[place])}; best supported is {_supported(sources, place)}"
    site = int(support.likeliest_lesion[place])
    if site < 0:
        return f"{line}; no lesion that was read explains any of it{_unread_levels(sources, place)}."
    if support.likeliest[place] != site:
        line += f". Of the lesions it is {SITES[site].label} (support {percent(support.lesions[place, site])})"
    covered = lesions.shares[place, site] / lesions.weights[place, site]
    line += (
        f". {percent(covered)} of the drawing lies in its territory, of which such a lesion accounts for "
        f"{percent(lesions.shares[place, site])}{_signs(sources, place, site)}."
    )
    best = int(lesions.best_site[place])
    if lesions.share_best[place] - lesions.shares[place, site] > WORTH_SAYING:
        line += f" The drawing alone fits {SITES[best].label} better ({percent(lesions.share_best[place])})."
    return line + _rival(sources, place, site)


def _unread_levels(sources: Sources, place: int) -> str:
    unread = [
        LABELS[level]
        for level, is_read in zip(LEVELS, levels_read(sources.findings)[place], strict=True)
        if not is_read
    ]
    return f" (not read: {', '.join(unread)})" if unread else ""


def counted(number: int, thing: str) -> str:
    """A number of things: `1 test`, `3 tests`, `no test`."""
    return f"{number or 'no'} {thing}{'s' if number > 1 else ''}"


def _missing(sources: Sources, place: int) -> str:
    has_upper = sources.widespread_pain[place] == sources.widespread_pain[place]
    missing = [] if sources.findings.has_drawing[place] else [f"pain drawing{' below the ribs' if has_upper else ''}"]
    missing += [] if sources.lesions.has_scan[place] else ["scan"]
    return " and ".join(missing) or "any pain in the drawing"


def _dominance(leg_share: float) -> str:
    if leg_share >= LEG_DOMINANT:
        return "mostly leg pain"
    return "back pain" if leg_share < BACK_DOMINANT else "back and leg pain"


def _supported(sources: Sources, place: int) -> str:
    support = sources.support
    everything = np.concatenate([support.lesions[place], support.mimics[place], support.unknown[[place]]])
    likeliest = int(support.likeliest[place])
    label = named(CANDIDATE_LABELS, support.likeliest[[place]], support.is_alike[[place]])[0]
    return f"{label} (support {percent(everything[likeliest])})"


def _signs(sources: Sources, place: int, site: int) -> str:
    positive, examined = (int(part[place]) for part in (sources.lesions.signs.positive, sources.lesions.signs.examined))
    if not examined:
        return "; no root sign was examined"
    if not positive:
        return f"; of {counted(examined, 'root sign')} none is positive"
    fitting = sources.lesions.sign_fit[place, site] / sources.lesions.signs.evidence[place].sum()
    return f"; the positive root signs ({positive} of {examined} examined) fit it to {percent(fitting)}"


def _rival(sources: Sources, place: int, site: int) -> str:
    """The best supported other lesion, where it comes close."""
    supported = sources.support.lesions[place]
    rival = max((other for other in range(len(SITES)) if other != site), key=lambda other: supported[other])
    if supported[rival] < CLOSE * supported[site] or supported[rival] < WORTH_SAYING:
        return ""
    return f" Hard to tell apart from {SITES[rival].label} (support {percent(supported[rival])})."


def _plan_line(sources: Sources, place: int) -> str:
    plan = sources.plan
    if not plan.has_plan[place]:
        return "The plan: no level is planned, so it cannot be held against the sources."
    if np.isnan(plan.plan_support[place]):
        return ""
    verdict = {0.0: "reaches the best supported lesion", 1.0: "does not reach the best supported lesion"}.get(
        plan.plan_misses_likeliest[place], "has no lesion to reach"
    )
    line = (
        f"The plan ({_planned(sources, place)}) {verdict}{_why_missed(sources, place)}: "
        f"what it reaches has {percent(plan.plan_support[place])} of the support "
        f"and explains {percent(plan.plan_share[place])} of the pain."
    )
    if len(SITES) <= sources.support.likeliest[place] < len(CANDIDATE_LABELS) - 1:
        line += " The best supported source is no lesion, and no operation on the spine reaches it."
    idle = [LABELS[level] for level, is_idle in zip(LEVELS, plan.is_idle[place], strict=True) if is_idle]
    if idle:
        line += f" Nothing at {' and '.join(idle)} explains any pain to speak of."
    return line + _left_behind(sources, place)


def _why_missed(sources: Sources, place: int) -> str:
    """What the plan misses at the level of the lesion; empty where it reaches it, or at another level."""
    plan, site = sources.plan, int(sources.support.likeliest_lesion[place])
    if plan.plan_misses_likeliest[place] != 1:
        return ""
    level, zone, side = SITES[site]
    at_level = LEVELS.index(level)
    opened = plan.decompressed[place, at_level]
    if not opened.any() and not plan.fused[place, at_level]:
        return ", which is at another level"
    if zone in AXIAL_ZONES:
        return ", which only a fusion of its level would"
    if not opened.any():
        return ", which only a decompression would"
    if side and not opened[SIDES.index(side)]:
        return ", which is on the other side of that level"
    unknown = np.isnan(sources.findings.grid("planned_zone")[place])
    return ", which is in another part of the canal" + (
        " (the zone is not recorded and read as the canal)" if unknown else ""
    )


def _left_behind(sources: Sources, place: int) -> str:
    plan = sources.plan
    root, share = int(plan.unplanned_root[place]), plan.unplanned_root_share[place]
    line = ""
    if root >= 0 and share > LEFT_BEHIND:
        misses = plan.plan_misses_likeliest[place] == 1
        is_elsewhere = "another level" in _why_missed(sources, place)
        risk = "Wrong-level risk" if is_elsewhere else "Missed" if misses else "Left as it is"
        name, side = ROOTS[root // len(SIDES)].upper(), SIDES[root % len(SIDES)]
        line = f" {risk}: {name}, {side}, is caught where the plan does not reach"
        line += f", and explains {percent(share)} of the pain."
    if plan.side_conflict[place] == 1:
        most = percent(ONE_SIDED)
        line += f" Wrong-side risk: at least {most} of the leg pain is on the side that is not to be opened."
    return line


def _planned(sources: Sources, place: int) -> str:
    parts = []
    for level, sides, fused in zip(LEVELS, sources.plan.decompressed[place], sources.plan.fused[place], strict=True):
        which = " and ".join(side for side, is_planned in zip(SIDES, sides, strict=True) if is_planned)
        done = [f"decompression {which}"] if which else []
        done += ["fusion"] if fused else []
        parts += [f"{LABELS[level]} {' with '.join(done)}"] if done else []
    return "; ".join(parts)


def _mimic_lines(sources: Sources, place: int) -> list[str]:
    evidence = sources.mimics
    likely = []
    for row, mimic in enumerate(MIMICS):
        side = _side_to_show(evidence, place, row)
        low, high = evidence.lower[place, row, side], evidence.upper[place, row, side]
        bounds = f", {percent(low)} to {percent(high)} once all are done" if high - low > WORTH_SAYING else ""
        done = int(evidence.tests_done[place, row, side])
        block = {1.0: "; a block relieved it", 0.0: "; a block did not relieve it"}.get(
            evidence.block_flags[place, row, side], ""
        )
        likely.append(
            f"{LABELS[mimic]}, {SIDES[side]}, {percent(evidence.probability[place, row, side])} "
            f"({counted(done, 'test')} recorded{bounds}{block})"
        )
    lines = [f"Mimics: {'; '.join(likely)}."]
    telling = [
        used.in_words
        for used in ratios_used(evidence, place)
        if used.ratio != 1
        and evidence.probability[place, MIMICS.index(used.mimic), SIDES.index(used.side)] >= LIKELY_MIMIC
    ]
    lines += [f"On what that rests: {'; '.join(telling)}."] if telling else []
    is_flagged = {LABELS[mimic] for row, mimic in enumerate(FLAGGED_MIMICS) if (evidence.flags[place, row] == 1).any()}
    flagged = [reason for reason in flag_reasons(evidence, place) if reason.split(", ")[0] in is_flagged]
    lines += [f"Flagged by rule: {'; '.join(flagged)}."] if flagged else []
    if sources.competing[place] == 1:
        lines.append("A lesion and a mimic both fit: both may be true, and treating one leaves the other.")
    return lines


def _side_to_show(evidence: MimicEvidence, place: int, row: int) -> int:
    """The likelier side; but a side that was tested rather than one that was not."""
    tested = evidence.tests_done[place, row] > 0
    chance = evidence.probability[place, row] + (tested & (tested.sum() == 1))
    return int(chance.argmax())


def _next_line(sources: Sources, place: int) -> str:
    ranked = ranked_actions(sources.mimics, sources.next_tests, place, most=1)
    if not ranked or ranked[0][1] < WORTH_SAYING:
        return ""
    action, change = ranked[0]
    return f"Examine next: {action} (expected to move the probability by {100 * change:.0f} points)."


def _caution_lines(sources: Sources, place: int) -> list[str]:
    lines = []
    if sources.numbering_uncertain[place] == 1 and sources.lesions.is_defined[place]:
        other = int(sources.other_best_site[place])
        reaches = other >= 0 and sources.plan.reached[place, other]
        verdict = f"; the plan {'reaches' if reaches else 'does not reach'} it" if sources.plan.has_plan[place] else ""
        named_so = f"{SITES[other].label} accounts for most" if other >= 0 else "no lesion accounts for anything"
        lines.append(
            f"Caution: the numbering of the levels is in doubt. Under the other reading {named_so} "
            f"({percent(sources.share_other_numbering[place])} of the drawing; under this one the best has "
            f"{percent(sources.lesions.share_best[place])}){verdict}."
        )
    if sources.widespread_pain[place] >= WIDESPREAD:
        lines.append(
            f"Caution: pain is drawn in {percent(sources.widespread_pain[place])} of the regions above the low back."
        )
    if sources.lesions.axial_degeneration_only[place] == 1:
        lines.append("Caution: back pain with degeneration alone, a weak target for surgery.")
    site = int(sources.support.likeliest_lesion[place])
    return [*lines, _readers_line(telling_item(sources.findings, place, site))] if site >= 0 else lines


def _readers_line(item: str) -> str:
    """How far readers agree on a finding, where they agree poorly; empty where they agree or nobody has asked."""
    kappa = reader_kappa(item)
    if not kappa or kappa.low > POOR_AGREEMENT:
        return ""
    figure = f"{kappa.low:.2f}" if kappa.low == kappa.high else f"{kappa.low:.2f} to {kappa.high:.2f}"
    label = next(v.label for v in load_dictionary().predictors if v.item == item)
    finding = label.split(" L1-L2")[0].lower()
    return f"Caution: readers of scans agree {agreement_words(kappa.low)} on this finding ({finding}; kappa {figure})."
