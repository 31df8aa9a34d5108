"""How cost grows with the number of cases: the slope of seconds against cases, both as logarithms.

A slope of 1 is cost in proportion, one above it a copy or a search that grows. What only a first call pays is paid
before.
"""

from __future__ import annotations

import numpy as np

from features.builders import build_features
from models.predictor import RiskPredictor
from tests.bench.invented import many_cases
from tests.bench.measuring import NO_RUN, PRIMARY, Row, chosen_bundle, not_made, peak_gb, seconds

TITLE = "Does cost grow in proportion to the cases?"
SIZES = (1_000, 10_000, 100_000, 1_000_000)
SLICE = 100_000


def rows(scale: float) -> list[Row]:
    bundle = chosen_bundle(PRIMARY)
    if bundle is None:
        return [not_made("slope of the seconds", NO_RUN)]
    predictor = RiskPredictor.load(bundle)
    sizes = [max(int(size * scale), 100) for size in SIZES]
    cases = many_cases(sizes[-1])
    parts(predictor, cases, 0, sizes[0])
    measured: dict[str, list[float]] = {"features": [], "risks": []}
    for size in sizes:
        taken = [parts(predictor, cases, start, min(start + SLICE, size)) for start in range(0, size, SLICE)]
        for took, each in zip(measured.values(), zip(*taken, strict=True), strict=True):
            took.append(sum(each))
    answers = f"risks, intervals and contributions ({predictor.bundle.learner})"
    how = f"{', '.join(f'{size:,}' for size in sizes)} cases in slices of {SLICE:,}, on one thread"
    by = "what is paid once a call, which makes it less; fresh memory for large arrays, which makes it more"
    return [
        *(
            Row(
                what=f"slope of {what}",
                figure=slope(sizes, took),
                unit="",
                how=f"{how}; {by_case(sizes, took)}",
                limited_by=by,
            )
            for what, took in zip(("features", answers), measured.values(), strict=True)
        ),
        Row(what="memory peak of the process", figure=peak_gb(), unit="GB", how=how, limited_by="the cases themselves"),
    ]


def parts(predictor: RiskPredictor, cases, start: int, end: int) -> tuple[float, float]:  # type: ignore[no-untyped-def]
    """Seconds for the features of a slice, and for its answers."""
    some, made = cases.iloc[start:end], []
    first = seconds(lambda: made.append(build_features(some, predictor.builder_params, threads=1)))
    return first, seconds(lambda: predictor.explain(some, made[0]))


def slope(sizes: list[int], took: list[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(took), 1)[0])


def by_case(sizes: list[int], took: list[float]) -> str:
    each = [1e6 * took_ / size for size, took_ in zip(sizes, took, strict=True)]
    return f"{', '.join(f'{one:.0f}' for one in each)} µs a case"
