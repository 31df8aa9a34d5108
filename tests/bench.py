"""What it costs: `make bench`. Ratios are of one run; seconds depend on the machine.

Features of a million cases are measured on cases of the virtual registry, repeated; the clock starts
when they are in memory. The plain loop is the oracle of the tests: one case at a time from the tables.
"""

from __future__ import annotations

import importlib.util
import resource
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from features.axes import SIDES
from features.builders import BuilderParams, build_features, sources_of_pain
from features.dictionary import load_dictionary
from features.findings import Findings
from features.lesion_pain import lesion_pain
from features.mimics import mimic_evidence
from pipeline.params import load_params
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.registry import draw_planned_cases, draw_registry

MILLION = 1_000_000
DRAWN = 12_000
IN_A_LOOP = 40


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def oracle(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / "features" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def drawn_cases() -> pd.DataFrame:
    params = RegistryParams(seed=1, cases=DRAWN, centres=8, first_year=2017, years=6, discordance_effect=1.0)
    return draw_planned_cases(params)


def many_cases(n: int) -> pd.DataFrame:
    drawn = drawn_cases()
    numeric = [v.name for v in load_dictionary().predictors if v.is_numeric]
    words = [v.name for v in load_dictionary().predictors if not v.is_numeric]
    narrow = pd.concat([drawn[numeric].astype("float32"), drawn[words].astype("category")], axis=1)
    return pd.concat([narrow] * (n // DRAWN + 1), ignore_index=True).head(n)


def records_of(cases: pd.DataFrame) -> list[dict[str, Any]]:
    return cases.astype(object).where(cases.notna(), None).to_dict("records")


def features_of_a_million(params: BuilderParams) -> float:
    cases = many_cases(MILLION)
    before = peak_gb()
    took = seconds(lambda: build_features(cases, params))
    print(
        f"features of {MILLION:,} cases: {took:.1f} s, peak {peak_gb():.1f} GB (the cases themselves {before:.1f} GB)"
    )
    return took / MILLION


def cost_is_linear(params: BuilderParams) -> None:
    cases = many_cases(200_000)
    small, large = (seconds(lambda n=n: build_features(cases.head(n), params)) for n in (20_000, 200_000))
    print(f"ten times the cases take {large / small:.1f} times as long")


def one_case_alone(params: BuilderParams, per_case: float) -> None:
    records = records_of(drawn_cases().head(200))

    def both(record: dict[str, Any]) -> None:
        findings = Findings.of_records([record])
        lesion_pain(findings)
        mimic_evidence(findings, params.mimic_priors)

    def everything(record: dict[str, Any]) -> None:
        sources_of_pain(Findings.of_records([record]), params)

    for name, work in (("both builders", both), ("with support, plan and cautions", everything)):
        took = sorted(min(seconds(lambda w=work, r=record: w(r)) for _ in range(5)) for record in records)
        alone = took[len(took) // 2]
        print(f"one record alone, {name}: {alone * 1e3:.2f} ms (median), {alone / per_case:.0f} times a batch's share")


def against_a_plain_loop(params: BuilderParams, per_case: float) -> None:
    lesions, mimics = oracle("lesion_oracle"), oracle("mimic_oracle")
    records = records_of(drawn_cases().head(IN_A_LOOP))

    def loop() -> None:
        for record in records:
            numbers = {name: value for name, value in record.items() if not isinstance(value, str)}
            found = mimics.mimic_numbers(numbers, params.mimic_priors)["tested_odds"]
            lesions.lesion_numbers(record, {(m, s): found[m, s] for m in params.mimic_priors for s in SIDES})

    loop()
    took = seconds(loop) / len(records)
    print(f"a plain loop over cases takes {took * 1e3:.0f} ms a case: {took / per_case:,.0f} times as long")


def main() -> None:
    derive = load_params().derive
    registry = RegistryParams(seed=1, cases=DRAWN, centres=8, first_year=2017, years=6, discordance_effect=1.0)
    drawn = seconds(lambda: draw_registry(registry))
    print(f"virtual registry of {DRAWN:,} cases: {drawn:.1f} s")
    per_case = features_of_a_million(derive)
    cost_is_linear(derive)
    one_case_alone(derive, per_case)
    against_a_plain_loop(derive, per_case)


if __name__ == "__main__":
    main()
