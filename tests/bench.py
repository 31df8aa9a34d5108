"""What it costs: `make bench`. Ratios are of one run; seconds depend on the machine.

Features of a million cases are measured on cases of the virtual registry, repeated; the clock starts
when they are in memory.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

import pandas as pd

from features.builders import BuilderParams, build_features
from features.dictionary import load_dictionary
from pipeline.params import load_params
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.registry import draw_planned_cases, draw_registry

MILLION = 1_000_000
DRAWN = 12_000


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def many_cases(n: int) -> pd.DataFrame:
    params = RegistryParams(seed=1, cases=DRAWN, centres=8, first_year=2017, years=6, discordance_effect=1.0)
    drawn = draw_planned_cases(params)
    numeric = [v.name for v in load_dictionary().predictors if v.is_numeric]
    words = [v.name for v in load_dictionary().predictors if not v.is_numeric]
    narrow = pd.concat([drawn[numeric].astype("float32"), drawn[words].astype("category")], axis=1)
    return pd.concat([narrow] * (n // DRAWN + 1), ignore_index=True).head(n)


def features_of_a_million(params: BuilderParams) -> float:
    cases = many_cases(MILLION)
    before = peak_gb()
    took = seconds(lambda: build_features(cases, params))
    print(
        f"features of {MILLION:,} cases: {took:.1f} s, peak {peak_gb():.1f} GB (the cases themselves {before:.1f} GB)"
    )
    return took


def cost_is_linear(params: BuilderParams) -> None:
    cases = many_cases(200_000)
    small, large = (seconds(lambda n=n: build_features(cases.head(n), params)) for n in (20_000, 200_000))
    print(f"ten times the cases take {large / small:.1f} times as long")


def one_case_against_a_batch(params: BuilderParams, per_case: float) -> None:
    one = many_cases(DRAWN).head(1)
    build_features(one, params)
    alone = min(seconds(lambda: build_features(one, params)) for _ in range(20))
    print(f"one case alone: {alone * 1e3:.1f} ms, {alone / per_case:.0f} times its share of the batch")


def main() -> None:
    derive = load_params().derive
    registry = RegistryParams(seed=1, cases=DRAWN, centres=8, first_year=2017, years=6, discordance_effect=1.0)
    drawn = seconds(lambda: draw_registry(registry))
    print(f"virtual registry of {DRAWN:,} cases: {drawn:.1f} s")
    took = features_of_a_million(derive)
    cost_is_linear(derive)
    one_case_against_a_batch(derive, took / MILLION)


if __name__ == "__main__":
    main()
