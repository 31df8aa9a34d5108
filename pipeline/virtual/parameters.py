"""What may be chosen about a virtual registry."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real

from features.errors import ParamsError

MOST_CASES = 1_999_999
"""Far beyond what any national registry of lumbar operations holds."""
DIAGNOSES = ("disc_herniation", "spinal_stenosis", "spondylolisthesis", "segmental_pain")
SUM_TOLERANCE = 1e-6
"""Of shares that a person wrote down, so that 0.1 + 0.2 + 0.7 is one."""


@dataclass(frozen=True, kw_only=True)
class RegistryParams:
    """Size, years, the assumptions nobody has published, and shifts that a learner does not see.

    Parameters
    ----------
    discordance_effect : float in [0, 3]
        Scales how much relief is lost where the operation does not reach the source of the pain: 1 in full,
        0 not at all (the negative control).
    mimic_effect : float in [0, 3]
        The same for pain from outside the lumbar spine and for pain that is centrally maintained, as a
        multiple of `discordance_effect`: 1 as much as from a lesion that was missed.
    diagnosis_mix : shares by diagnosis that sum to 1, or none
        Of patients referred with the picture of each diagnosis; none takes those of the tables. What the
        surgeon calls it follows from the chosen lesion.
    centre_shares : one share a centre, which sum to 1, or none
        Of the patients referred; none draws centres of unequal size.
    outcome_intercept : float in [-3, 3]
        Another country: log-odds by which failure is commoner there, all else equal.
    outcome_slope : float in [0, 3]
        Another country: how strongly what is known before follow-up tells outcomes apart, 1 as here.
    reader_error : float in [0, 3]
        Another reader: multiplies the chance of each misreading of the scan.
    drawing_extent : float in [-3, 3]
        Another habit of drawing: log-odds by which each place of a painful territory is marked more often.
    threshold_change : float in [-5, 5]
        Log-odds by which surgeons list less readily from `threshold_change_year` on; negative is more readily.
    threshold_change_year : int or None
        First year of the other threshold.

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
    mimic_effect: float = 1.0
    diagnosis_mix: dict[str, float] = field(default_factory=dict)
    centre_shares: list[float] = field(default_factory=list)
    outcome_intercept: float = 0.0
    outcome_slope: float = 1.0
    reader_error: float = 1.0
    drawing_extent: float = 0.0
    threshold_change: float = 0.0
    threshold_change_year: int | None = None

    def __post_init__(self) -> None:
        problems = _not_whole_numbers(self) or _out_of_range(self)
        problems += _faulty_numbers(self) + _faulty_mix(self) + _faulty_centre_shares(self) + _faulty_year(self)
        if problems:
            raise ParamsError("; ".join(problems) + ".")

    @property
    def last_year(self) -> int:
        """Last year of index dates."""
        return self.first_year + self.years - 1

    @property
    def extraction_date(self) -> str:
        """Day of the extraction: two full years after the last index date, so that follow-up is complete."""
        return f"{self.last_year + 2}-12-31"


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _not_whole_numbers(params: RegistryParams) -> list[str]:
    values = {name: getattr(params, name) for name in ("seed", "cases", "centres", "first_year", "years")}
    return [
        f"registry.{name} must be a whole number, got {value!r}"
        for name, value in values.items()
        if not _is_whole(value)
    ]


def _out_of_range(params: RegistryParams) -> list[str]:
    ranges = {
        "seed": (0, 2**63 - 1),
        "cases": (2, MOST_CASES),
        "centres": (1, 99),
        "first_year": (1990, 2100),
        "years": (1, 50),
    }
    problems = [
        f"registry.{name} must lie in {lower} to {upper}, got {getattr(params, name)}"
        for name, (lower, upper) in ranges.items()
        if not lower <= getattr(params, name) <= upper
    ]
    if params.centres > params.cases >= 2:
        problems.append(
            f"registry.centres ({params.centres}) must not exceed registry.cases ({params.cases}), "
            "or a centre would be without cases"
        )
    return problems


def _faulty_numbers(params: RegistryParams) -> list[str]:
    ranges = {
        "discordance_effect": (0, 3),
        "mimic_effect": (0, 3),
        "outcome_intercept": (-3, 3),
        "outcome_slope": (0, 3),
        "reader_error": (0, 3),
        "drawing_extent": (-3, 3),
        "threshold_change": (-5, 5),
    }
    problems = []
    for name, (lower, upper) in ranges.items():
        value = getattr(params, name)
        if not _is_number(value):
            problems.append(f"registry.{name} must be a number, got {value!r}")
        elif not lower <= value <= upper:
            problems.append(f"registry.{name} must lie in {lower} to {upper}, got {value:g}")
    return problems


def _faulty_mix(params: RegistryParams) -> list[str]:
    mix = params.diagnosis_mix
    if not isinstance(mix, Mapping):
        return [f"registry.diagnosis_mix must hold a share by diagnosis, got {mix!r}"]
    if not mix:
        return []
    unknown = [str(name) for name in mix if name not in DIAGNOSES]
    problems = []
    if unknown:
        known = ", ".join(DIAGNOSES)
        problems.append(f"registry.diagnosis_mix names an unknown diagnosis ({', '.join(unknown)}); known are {known}")
    return problems + _faulty_shares("registry.diagnosis_mix", {str(name): share for name, share in mix.items()})


def _faulty_centre_shares(params: RegistryParams) -> list[str]:
    shares = params.centre_shares
    if not isinstance(shares, list | tuple):
        return [f"registry.centre_shares must be a list of shares, got {shares!r}"]
    if not shares:
        return []
    problems = []
    if len(shares) != params.centres:
        problems.append(f"registry.centre_shares holds {len(shares)} shares for {params.centres} centres")
    empty = [f"K{i + 1}" for i, share in enumerate(shares) if share == 0 and not isinstance(share, bool)]
    if empty:
        problems.append(f"registry.centre_shares leaves {', '.join(empty)} without cases")
    return problems + _faulty_shares("registry.centre_shares", {f"K{i + 1}": s for i, s in enumerate(shares)})


def _faulty_shares(where: str, shares: Mapping[str, float]) -> list[str]:
    no_numbers = [name for name, share in shares.items() if not _is_number(share)]
    if no_numbers:
        return [f"{where} must hold numbers, which {', '.join(no_numbers)} is not"]
    outside = [f"{name} {share:g}" for name, share in shares.items() if not 0 <= share <= 1]
    problems = [f"{where} holds shares outside 0 to 1 ({', '.join(outside)})"] if outside else []
    total = sum(shares.values())
    if abs(total - 1) > SUM_TOLERANCE:
        problems.append(f"{where} must sum to 1, got {total:g}")
    return problems


def _faulty_year(params: RegistryParams) -> list[str]:
    year, change = params.threshold_change_year, params.threshold_change
    if year is None:
        changes = _is_number(change) and change != 0
        return ["registry.threshold_change needs registry.threshold_change_year"] if changes else []
    if not _is_whole(year):
        return [f"registry.threshold_change_year must be a whole number, got {year!r}"]
    return []
