"""Numbers and shares as people read them, in every sentence, table and figure."""

from __future__ import annotations

import pandas as pd

ABSENT = "—"
"""A number that is not there; never a blank."""
# Sums of floats leave dust, which must not make all into "over 99 %".
DECIMALS = 12


def number(value: float | None, digits: int = 2) -> str:
    """A number for people, with a true minus.

    Examples
    --------
    >>> number(-0.456), number(None)
    ('−0.46', '—')
    """
    if value is None or pd.isna(value):
        return ABSENT
    words = f"{value:,.{digits}f}"
    return words.removeprefix("-") if not float(words.replace(",", "")) else words.replace("-", "−")


def percent(share: float | None, digits: int = 0) -> str:
    """A share of 1 in percent. Rounding never makes none, or all, of what is some: no certainty is claimed either way.

    The page of the service says the same (`words.js`).

    Examples
    --------
    >>> percent(0.31), percent(0.125, 1), percent(0.0), percent(1.0), percent(None)
    ('31 %', '12.5 %', '0 %', '100 %', '—')
    >>> percent(0.0041), percent(0.9951), percent(0.9996, 1)
    ('under 1 %', 'over 99 %', 'over 99.9 %')
    """
    if share is None or pd.isna(share):
        return ABSENT
    share = round(float(share), DECIMALS)
    last_digit, rounded = 10.0**-digits, round(100 * share, digits)
    if share > 0 and rounded == 0:
        return f"under {number(last_digit, digits)} %"
    if share < 1 and rounded == 100:
        return f"over {number(100 - last_digit, digits)} %"
    return f"{number(100 * share, digits)} %"


def exact_percent(share: float, _place: float = 0) -> str:
    """A share of 1 in percent with the digits that it has, as ticks and thresholds need it.

    Matplotlib passes a tick's place too, so that an axis takes this function for its formatter.

    Examples
    --------
    >>> exact_percent(0.075), exact_percent(0.3), exact_percent(-0.1)
    ('7.5 %', '30 %', '−10 %')
    """
    return f"{100 * round(share, DECIMALS) + 0.0:g} %".replace("-", "−")
