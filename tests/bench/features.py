"""What the feature builders cost: a million cases at once, one record alone, and a plain loop beside them.

The clock starts when the cases are in memory. The plain loop is the oracle of the tests: one case at a time.
"""

from __future__ import annotations

from statistics import median
from typing import Any

from features.axes import SIDES
from features.builders import SLICE, THREADS, BuilderParams, build_features, sources_of_pain
from features.findings import Findings
from features.lesion_pain import lesion_pain
from features.mimics import mimic_evidence
from pipeline.params import load_params
from pipeline.working_up import as_records
from tests.bench.invented import drawn_cases, many_cases
from tests.bench.measuring import Row, peak_gb, seconds
from tests.features import lesion_oracle, mimic_oracle

TITLE = "What do the feature builders cost?"
MILLION, LEAST = 1_000_000, 5_000
ALONE, IN_A_LOOP = 200, 40


def rows(scale: float) -> list[Row]:
    params = load_params().derive
    n = max(int(MILLION * scale), LEAST)
    cases = many_cases(n)
    before = peak_gb()
    took = seconds(lambda: build_features(cases, params))
    peak, per_case = peak_gb(), took / n
    loop = in_a_loop(params)
    how = (
        f"{n:,} cases of the virtual registry, in memory as float32 and categories, through `build_features`: "
        f"slices of {SLICE:,} on {THREADS} threads"
    )
    by_arrays = (
        "array products over lesions, mimics and sites, three quarters of it; then reading columns out of a frame and "
        "writing new ones"
    )
    single = f"median over {ALONE} records of the fastest of 5 calls each"
    by_calls = "hundreds of calls of numpy for one row"
    return [
        Row(what=f"features of {n:,} cases", figure=took, unit="s", how=how, limited_by=by_arrays),
        Row(
            what="memory peak of the process", figure=peak, unit="GB", how=f"before it began {before:.1f} GB",
            limited_by="the cases themselves; slices bound the rest",
        ),
        Row(
            what="a plain loop over cases, beside the batch", figure=loop / per_case, unit="times as long",
            how=f"{IN_A_LOOP} cases one by one through the oracle of the tests, on one thread: {1e3 * loop:.0f} ms a "
            f"case, beside {1e6 * per_case:.0f} µs on {THREADS}",
            limited_by="Python, case by case; the oracle is written to be read, not to be fast",
        ),
        *(
            Row(
                what=f"one record alone, {what}", figure=1e3 * one_alone(params, whole=whole), unit="ms",
                how=single, limited_by=by_calls,
            )
            for what, whole in (("both builders", False), ("with support, plan and cautions", True))
        ),
    ]  # fmt: skip


def one_alone(params: BuilderParams, *, whole: bool) -> float:
    def both(record: dict[str, Any]) -> None:
        findings = Findings.of_records([record])
        lesion_pain(findings)
        mimic_evidence(findings, params.mimic_priors)

    def everything(record: dict[str, Any]) -> None:
        sources_of_pain(Findings.of_records([record]), params)

    work = everything if whole else both
    return median(
        min(seconds(lambda r=record: work(r)) for _ in range(5)) for record in as_records(drawn_cases().head(ALONE))
    )


def in_a_loop(params: BuilderParams) -> float:
    records = as_records(drawn_cases().head(IN_A_LOOP))

    def loop() -> None:
        for record in records:
            numbers = {name: value for name, value in record.items() if not isinstance(value, str)}
            found = mimic_oracle.mimic_numbers(numbers, params.mimic_priors)["tested_odds"]
            lesion_oracle.lesion_numbers(record, {(m, s): found[m, s] for m in params.mimic_priors for s in SIDES})

    loop()
    return seconds(loop) / len(records)
