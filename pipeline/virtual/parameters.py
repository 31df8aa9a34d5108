"""What may be chosen about a virtual registry."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real

from features.errors import ParamsError

MOST_CASES = 999_999
"""A case_id has six digits."""


@dataclass(frozen=True, kw_only=True)
class RegistryParams:
    """Size, years and the one assumption nobody has published.

    `discordance_effect` scales how much it lowers the relief that the operation does not reach the main
    source of the pain: 1 in full, 0 not at all (the negative control).

    Raises
    ------
    ParamsError
        Naming each faulty parameter as `registry.<field>`, all at once.
    """

    seed: int
    cases: int
    centres: int
    first_year: int
    years: int
    discordance_effect: float

    def __post_init__(self) -> None:
        problems = _not_whole_numbers(self) or _out_of_range(self)
        effect = self.discordance_effect
        if isinstance(effect, bool) or not isinstance(effect, Real) or not math.isfinite(effect):
            problems.append(f"registry.discordance_effect must be a number, got {effect!r}")
        elif not 0 <= effect <= 3:
            problems.append(f"registry.discordance_effect must lie in 0 to 3, got {effect:g}")
        if problems:
            raise ParamsError("params.yaml: " + "; ".join(problems) + ".")

    @property
    def last_year(self) -> int:
        """Last year of index dates."""
        return self.first_year + self.years - 1

    @property
    def extraction_date(self) -> str:
        """Day of the extraction: two full years after the last index date, so that follow-up is complete."""
        return f"{self.last_year + 2}-12-31"


def _not_whole_numbers(params: RegistryParams) -> list[str]:
    names = ("seed", "cases", "centres", "first_year", "years")
    values = {name: getattr(params, name) for name in names}
    return [
        f"registry.{name} must be a whole number, got {value!r}"
        for name, value in values.items()
        if isinstance(value, bool) or not isinstance(value, Integral)
    ]


def _out_of_range(params: RegistryParams) -> list[str]:
    ranges = {
        "seed": (0, 2**63 - 1),
        "cases": (1, MOST_CASES),
        "centres": (1, 99),
        "first_year": (1990, 2100),
        "years": (1, 50),
    }
    problems = [
        f"registry.{name} must lie in {lower} to {upper}, got {getattr(params, name)}"
        for name, (lower, upper) in ranges.items()
        if not lower <= getattr(params, name) <= upper
    ]
    if params.centres > params.cases >= 1:
        problems.append(f"registry.centres ({params.centres}) must not exceed registry.cases ({params.cases})")
    return problems
