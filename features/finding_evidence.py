"""What is published about a finding of the scan: how well readers agree on it, and how much it says.

For sentences and pages: nothing here enters a weight or a probability by itself.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from features.knowledge_tables import knowledge_table

AGREEMENT_WORDS = (
    (0.0, "no better than chance"),
    (0.2, "slightly"),
    (0.4, "only fairly"),
    (0.6, "only moderately"),
    (0.8, "substantially"),
)
"""(kappa up to, how well readers agree), after Landis and Koch 1977; above the last, almost perfectly."""
LIKE_THE_CLINIC = ("trial", "routine")
"""Settings whose readers had not devised the grading themselves."""


class ReaderKappa(NamedTuple):
    """Agreement between readers on a finding: the lowest and the highest kappa published."""

    low: float
    high: float
    source: str


class FindingRatio(NamedTuple):
    """One published figure about a finding; NaN where no interval, or no number of people, was read."""

    finding: str
    metric: str
    value: float
    low: float
    high: float
    question: str
    reference: str
    population: str
    n: float
    source: str
    status: str


@cache
@cache
def reader_kappa(item: str) -> ReaderKappa | None:
    """The range of kappas between readers of an item of the scan, such as `root_compression`.

    Readers who devised the grading are left out, as are other statistics (ICC, AC1): they read higher.
    None where nothing is published, as for a synovial cyst.

    Examples
    --------
    >>> reader_kappa("root_compression")[:2]
    (0.47, 0.51)
    """
    table = knowledge_table("reader_agreement")
    rows = table[
        (table["item"] == item)
        & table["setting"].isin(LIKE_THE_CLINIC)
        & (table["comparison"] == "between readers")
        & table["statistic"].str.contains("kappa", case=False)
    ]
    if rows.empty:
        return None
    return ReaderKappa(
        low=float(rows["value"].fillna(rows["low"]).min()),
        high=float(rows["value"].fillna(rows["high"]).max()),
        source="; ".join(dict.fromkeys(rows["source"])),
    )


def agreement_words(kappa: float) -> str:
    """How well readers agree, as an adverb: `only moderately` at 0.47.

    Examples
    --------
    >>> agreement_words(0.47), agreement_words(0.81)
    ('only moderately', 'almost perfectly')
    """
    return next((words for limit, words in AGREEMENT_WORDS if kappa <= limit), "almost perfectly")


@cache
def finding_ratios(item: str, grade: float) -> tuple[FindingRatio, ...]:
    """Every published figure that holds for an item of the scan at that grade, the closest first.

    A figure of one grade is closer than one of several grades taken together.

    Examples
    --------
    >>> [(figure.metric, figure.value) for figure in finding_ratios("herniation", 3)][:1]
    [('odds_ratio', 4.38)]
    """
    table = knowledge_table("finding_ratios")
    applies = (table["item"] == item) & (table["grade_from"] <= grade) & (grade <= table["grade_to"])
    rows = table[applies].assign(span=table["grade_to"] - table["grade_from"]).sort_values("span", kind="stable")
    return tuple(FindingRatio(**{name: row[name] for name in FindingRatio._fields}) for row in rows.to_dict("records"))


def finding_ratio(item: str, grade: float, metric: str) -> FindingRatio | None:
    """The closest published figure of one metric, such as `odds_ratio` or `lr_positive`; None without any."""
    return next((figure for figure in finding_ratios(item, grade) if figure.metric == metric), None)
