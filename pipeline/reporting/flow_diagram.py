"""The flow of cases as a picture: who was left out, where each case belongs, whose outcome is known.

The colours come from the page that shows it, so that it reads on paper and in the dark alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from features.words import percent
from models.splitting import TEST_SETS
from models.svg import group, tag, text, tooltip
from pipeline.reporting.words import count

SETS = ("development", *TEST_SETS)
WIDTH, TRUNK, ASIDE = 920, 460, 500
"""Of the drawing; of the boxes that all cases pass; where the box of the excluded begins."""
PAD, LINE, STEP, GAP = 12, 19, 34, 16
"""Inside a box; from one line of words to the next; from a box down to the next; between boxes in a row."""
EDGE, TOP = 1, 10
"""Room for the stroke of a box; above the first."""


@dataclass(frozen=True, kw_only=True)
class Branch:
    """One set of the split: its cases, where and when they are from, and what is known of them."""

    name: str
    cases: int
    centres: int
    years: tuple[str, str]
    known: int
    with_outcome: int
    asked: int | None = None
    """Those of which the outcome is one; None where it is of all."""


def branches(
    cases: pd.DataFrame, sets: pd.Series, y: pd.Series, asked: pd.Series, years: Callable[[pd.Series], tuple[str, str]]
) -> list[Branch]:
    """Development, each test set, and what was withheld, as far as there are any; `years` gives the first and last."""
    found = []
    for name in (*SETS, "withheld"):
        own = (sets == name).to_numpy()
        if own.any():
            found.append(
                Branch(
                    name=name,
                    cases=int(own.sum()),
                    centres=int(cases.loc[own, "centre_id"].nunique()),
                    years=years(cases.loc[own, "index_date"]),
                    known=int(y[own].notna().sum()),
                    with_outcome=int((y[own] == 1).sum()),
                    asked=None if asked[own].all() else int(asked[own].sum()),
                )
            )
    return found


def flow_diagram(
    flow: pd.DataFrame, found: Sequence[Branch], outcome: str, centre: tuple[str, str] = ("centre", "centres")
) -> str:
    """The flow as SVG. `flow` is that of the stage `cohort`; `found` are the sets of the split."""
    steps = flow[~flow["step"].str.startswith("outcome")]
    first = [f"{count(steps['remaining'].iloc[0])} cases recorded"]
    last = [f"{count(steps['remaining'].iloc[-1])} cases in the cohort"]
    aside = _excluded_lines(steps)
    beside = TOP + _height(first) + GAP
    bottom = beside + (_height(aside) + GAP if aside else STEP)
    parts = [tooltip("Flow of cases"), *_box(EDGE, TOP, TRUNK, first), *_box(EDGE, bottom, TRUNK, last)]
    parts.append(_arrow(TRUNK / 2, TOP + _height(first), bottom))
    if aside:
        parts += _box(ASIDE, beside, WIDTH - ASIDE - EDGE, aside)
        parts.append(_stroke(f"M{TRUNK / 2} {beside + _height(aside) / 2}H{ASIDE}"))
    drawn, lowest = _row_of_branches(found, outcome, bottom + _height(last), centre)
    return group([*parts, *drawn], "svg", viewBox=f"0 0 {WIDTH} {lowest + TOP:.0f}", role="img", **{"class": "flow"})


def _excluded_lines(steps: pd.DataFrame) -> list[str]:
    """How many were excluded, and by which criterion; nothing where nobody was."""
    excluded = [row for row in steps.itertuples() if row.excluded > 0]
    if not excluded:
        return []
    total = count(sum(row.excluded for row in excluded))
    return [
        f"{total} excluded, by the first criterion not met",
        *(f"{count(r.excluded)}: {r.criterion}" for r in excluded),
    ]


def _row_of_branches(
    found: Sequence[Branch], outcome: str, top: float, centre: tuple[str, str]
) -> tuple[list[str], float]:
    """The sets side by side under a rail, and how far down they reach."""
    if not found:
        return [], top
    width = (WIDTH - 2 * EDGE - GAP * (len(found) - 1)) / len(found)
    lefts = [EDGE + place * (width + GAP) for place in range(len(found))]
    rail, heads = top + STEP / 2, top + STEP
    ends = [left + width / 2 for left in lefts]
    parts = [_stroke(f"M{TRUNK / 2} {top}V{rail}M{min(*ends, TRUNK / 2):.1f} {rail}H{max(*ends, TRUNK / 2):.1f}")]
    lowest = heads
    for branch, left in zip(found, lefts, strict=True):
        lines = _branch_lines(branch, outcome, centre)
        parts += [_arrow(left + width / 2, rail, heads), *_box(left, heads, width, lines)]
        lowest = max(lowest, heads + _height(lines))
    return parts, lowest


def _branch_lines(branch: Branch, outcome: str, centre: tuple[str, str]) -> list[str]:
    first, last = branch.years
    when = f"{first}" if first == last else f"{first} to {last}"
    named = {"temporal": "temporal test", "geographic": "geographic test"}.get(branch.name, branch.name)
    lines = [
        f"{count(branch.cases)} {named}",
        f"{branch.centres} {centre[branch.centres > 1]}, {when}",
    ]
    if branch.name == "withheld":
        return [*lines, "used nowhere"]
    share = percent(branch.with_outcome / branch.known) if branch.known else "none"
    return [
        *lines,
        f"{outcome}:" if branch.asked is None else f"{outcome}, asked of {count(branch.asked)}:",
        f"{count(branch.known)} known, of these",
        f"{count(branch.with_outcome)} with it ({share})",
        f"{count((branch.cases if branch.asked is None else branch.asked) - branch.known)} not known",
    ]


def _height(lines: Sequence[str]) -> int:
    return 2 * PAD + LINE * len(lines)


def _box(x: float, y: float, width: float, lines: Sequence[str]) -> list[str]:
    """A box around lines of words, the first of them a heading."""
    words = [
        text(round(x + PAD, 1), y + PAD + 14 + LINE * place, line, size=14, weight="600" if place == 0 else "normal")
        for place, line in enumerate(lines)
    ]
    frame = tag("rect", x=round(x, 1), y=y, width=round(width, 1), height=_height(lines), rx=4, **{"class": "box"})
    return [frame, *words]


def _stroke(path: str) -> str:
    return tag("path", d=path, **{"class": "rail"})


def _arrow(x: float, y: float, to_y: float) -> str:
    """Straight down."""
    return _stroke(f"M{x:.1f} {y}V{to_y}M{x - 4:.1f} {to_y - 7}L{x:.1f} {to_y}L{x + 4:.1f} {to_y - 7}")
