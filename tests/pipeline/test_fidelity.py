"""The virtual registry against published figures: the table, the measures, the verdicts, the stage for real."""

from __future__ import annotations

import ast
import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.stats.contingency import relative_risk
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score

from features.errors import KnowledgeError
from models.published_facts import published_table
from pipeline import paths
from pipeline.fidelity import measures, quantities
from pipeline.fidelity.expressions import answers, columns_of, expression_problem
from pipeline.fidelity.judgement import COLUMNS, fidelity_table, judged, measured, summary
from pipeline.fidelity.measures import MEASURES, Asked
from pipeline.fidelity.picture import fidelity_picture
from pipeline.fidelity.targets import left_out, published_targets, refuse, target_problems
from pipeline.files import read_cases, read_table
from pipeline.params import Params, load_params
from pipeline.reporting.fidelity_table import fidelity_section
from pipeline.stages import fidelity, ingest, registry

ROOT = Path(__file__).resolve().parents[2]
NAN = float("nan")
ASKED_OF_THE_REGISTRY = (
    "case mix",
    "base rates",
    "effects",
    "reoperation over time",
    "complications",
    "causes of failure",
    "incidental findings by age",
    "reader agreement",
    "pain by root",
    "scores",
    "discrimination",
    "Swespine equations",
)
SWESPINE_NAMES = {
    "odi": "ODI",
    "nrs_back": "NRSBackPain",
    "nrs_leg": "NRSLegPain",
    "eq5d_index": "EQ5DIndex",
    "bmi_kg_m2": "BMI",
    "age_years": "AgeAtSurgery",
}


# ---- the tables --------------------------------------------------------------------------------------


def test_the_table_holds_sixty_figures_and_more_of_every_topic():
    targets = published_targets()
    assert len(targets) >= 60
    assert set(ASKED_OF_THE_REGISTRY) <= set(targets["topic"])
    assert set(targets["measure"]) == set(MEASURES)
    assert len(left_out()) > 0


@pytest.mark.parametrize("diagnosis", ["disc_herniation", "spinal_stenosis", "segmental_pain"])
def test_the_case_mix_is_that_of_the_published_equations(diagnosis):
    """Typed twice from one source, for two uses: means, SDs and shares must be the same to four digits."""
    targets = published_targets()
    ours = targets[(targets["topic"] == "case mix") & targets["where"].str.contains(diagnosis)]
    coefficients = published_table("coefficients").query("diagnosis == @diagnosis")
    compared = 0
    for row in ours.itertuples():
        terms = coefficients[coefficients["term"] == SWESPINE_NAMES.get(str(row.of), str(row.of))]
        known = terms[{"share": "share"}.get(str(row.measure), str(row.measure))].dropna()
        if len(known):
            assert np.isclose(known, row.value, rtol=0, atol=6e-4 * max(1, row.value)).any(), row.id
            compared += 1
    assert compared >= 9


def spoilt(**changed: object) -> pd.DataFrame:
    table = published_targets().head(3).copy()
    for column, value in changed.items():
        table[column] = table[column].astype(object)
        table.loc[table.index[1], column] = value
    return table.astype(dict.fromkeys(("at", "value", "low", "high", "n"), float))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"source": None}, "no source"),
        ({"status": "sure"}, "sure"),
        ({"measure": "median"}, "median"),
        ({"of": ""}, "row 3 .*: of is empty"),
        ({"of": "odi >"}, "not an expression"),
        ({"where": "1 > 0"}, "names no column"),
        ({"value": NAN}, "neither a value nor a range"),
        ({"low": 1.0}, "low and high go together"),
        ({"value": NAN, "low": 3.0, "high": 2.0}, "low is above high"),
        ({"measure": "cumulative_incidence", "by": "odi"}, "cumulative_incidence needs at"),
        ({"measure": "odds_ratio", "by": ""}, "odds_ratio needs by"),
        ({"id": "herniation_age_mean"}, "repeats the id"),
    ],
)
def test_a_faulty_table_is_refused(changed, said):
    with pytest.raises(KnowledgeError, match=said):
        refuse("targets", target_problems(spoilt(**changed)))


def test_every_problem_is_told_at_once():
    problems = target_problems(spoilt(source=None, measure="median", of="odi >"))
    assert len(problems) == 3


def test_a_table_without_a_column_is_refused():
    assert target_problems(published_targets().drop(columns="where")) == ["there is no column where."]


def test_neither_the_registry_nor_its_judge_knows_the_other():
    """What is judged may not be read off the judge's table, nor the judge read the tables it was drawn from."""
    for folder, other in (("fidelity", "pipeline.virtual"), ("virtual", "pipeline.fidelity")):
        for file in (ROOT / "pipeline" / folder).glob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                named = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                named += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                assert not any(name.startswith(other) for name in named), file


# ---- expressions -------------------------------------------------------------------------------------


def test_a_case_without_an_answer_is_left_out_and_not_counted_as_no(draw_cases):
    cases = draw_cases("""
        case_id | odi | odi_12m | diagnosis
        A       | 40  | 35      | disc_herniation
        B       | 40  | 10      | disc_herniation
        C       | 40  |         | disc_herniation
        D       | 40  | 10      |
    """)
    assert answers(cases, "odi - odi_12m < 10").tolist()[:2] == [1, 0]
    assert np.isnan(answers(cases, "odi - odi_12m < 10")[2])
    assert np.isnan(answers(cases, 'diagnosis == "disc_herniation"')[3])
    assert answers(cases, "(odi - odi_12m) / odi")[1] == pytest.approx(0.75)


def test_an_expression_names_its_columns():
    assert columns_of('25 <= age_years < 35 and diagnosis in ("a", "b")') == ["age_years", "diagnosis"]
    assert expression_problem("odi >= ") is not None
    assert expression_problem("odi >= 3") is None


# ---- measures, against other people's programs ---------------------------------------------------------


def asked(of, by=None, given=None, at=NAN) -> Asked:
    of = np.asarray(of, dtype=float)
    return Asked(
        of=of,
        by=np.zeros(len(of)) if by is None else np.asarray(by, dtype=float),
        given=np.zeros((len(of), 0)) if given is None else np.asarray(given, dtype=float),
        patient=np.arange(len(of)),
        at=at,
    )


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(12)


def test_means_and_their_difference_have_normal_intervals(rng):
    a, b = rng.normal(3, 2, 900), rng.normal(2, 1, 400)
    plain = stats.norm.interval(0.95, a.mean(), stats.sem(a))
    assert measures.mean(asked(a))[:3] == pytest.approx((a.mean(), *plain))
    found = measures.mean_difference(asked(np.r_[a, b], by=[1] * 900 + [0] * 400))
    welch = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    assert found[:3] == pytest.approx((a.mean() - b.mean(), *welch), rel=5e-3)


def test_the_interval_of_an_sd_is_right_for_normal_and_wider_for_heavy_tails(rng):
    normal, heavy = rng.normal(0, 5, 4000), rng.standard_t(5, 4000)
    found = measures.sd(asked(normal))
    assert found.estimate == pytest.approx(normal.std(ddof=1))
    assert (found.upper - found.lower) / found.estimate == pytest.approx(2 * 1.96 / np.sqrt(2 * 4000), rel=0.1)
    tails = measures.sd(asked(heavy))
    assert (tails.upper - tails.lower) / tails.estimate > 1.3 * 2 * 1.96 / np.sqrt(2 * 4000)


def test_a_correlation_is_that_of_scipy(rng):
    x = rng.normal(size=300)
    y = 0.6 * x + rng.normal(size=300)
    theirs = stats.pearsonr(x, y)
    assert measures.correlation(asked(x, by=y))[:3] == pytest.approx(
        (theirs.statistic, *theirs.confidence_interval()), abs=1e-9
    )


def test_ratios_of_a_two_by_two_table_are_those_of_a_textbook():
    of, by = [1] * 30 + [0] * 70 + [1] * 20 + [0] * 180, [1] * 100 + [0] * 200
    odds = measures.odds_ratio(asked(of, by=by))
    log_odds, error = np.log(30 * 180 / (70 * 20)), np.sqrt(1 / 30 + 1 / 70 + 1 / 20 + 1 / 180)  # Woolf
    assert odds[:3] == pytest.approx(np.exp([log_odds, log_odds - 1.959964 * error, log_odds + 1.959964 * error]))
    theirs = relative_risk(30, 100, 20, 200)
    found = measures.risk_ratio(asked(of, by=by))
    assert found[:3] == pytest.approx((theirs.relative_risk, *theirs.confidence_interval()))


def test_an_adjusted_odds_ratio_is_that_of_scikit_learn(rng):
    given = rng.normal(size=(3000, 2)) * [1, 20] + [0, 300]
    by = (given[:, 0] + rng.normal(size=3000) > 0) * 1.0
    of = (rng.random(3000) < 1 / (1 + np.exp(-(0.7 * by + given[:, 0] - 1)))) * 1.0
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=5000)
    model.fit(np.column_stack([by, (given - given.mean(axis=0)) / given.std(axis=0)]), of)
    found = measures.odds_ratio(asked(of, by=by, given=given))
    assert found.estimate == pytest.approx(np.exp(model.coef_[0, 0]), rel=1e-4)
    assert measures.odds_ratio(asked(of, by=by)).estimate > 1.5 * found.estimate


def test_kappa_is_that_of_scikit_learn_and_its_interval_that_of_a_bootstrap(rng):
    truth = rng.integers(0, 4, 400)
    one, other = (np.clip(truth + rng.choice([-1, 0, 1], 400, p=[0.15, 0.7, 0.15]), 0, 3) for _ in range(2))
    found = measures.weighted_kappa(asked(one, by=other))
    assert found.estimate == pytest.approx(cohen_kappa_score(one, other, weights="linear"))
    draws = [rng.integers(0, 400, 400) for _ in range(400)]
    spread = np.std([cohen_kappa_score(one[d], other[d], weights="linear") for d in draws])
    assert (found.upper - found.lower) / (2 * 1.96) == pytest.approx(spread, rel=0.15)


def test_cumulative_incidence_is_that_of_scipy(rng):
    event, censor = rng.exponential(60, 800), rng.uniform(0, 80, 800)
    months, happened = np.minimum(event, censor), (event <= censor) * 1.0
    data = stats.CensoredData(uncensored=months[happened == 1], right=months[happened == 0])
    theirs = stats.ecdf(data).cdf
    low, high = (bound.evaluate(24.0) for bound in theirs.confidence_interval(method="log-log"))
    found = measures.cumulative_incidence(asked(happened, by=months, at=24.0))
    assert found[:3] == pytest.approx((float(theirs.evaluate(24.0)), float(low), float(high)), rel=1e-6)
    assert "nobody was followed" in measures.cumulative_incidence(asked(happened, by=months, at=200.0)).reason


def test_a_rate_counts_events_a_year():
    found = measures.rate(asked([1] * 25 + [0] * 75, by=[2.0] * 100))
    assert found.estimate == pytest.approx(25 / 200)
    assert found.lower == pytest.approx(0.125 * np.exp(-1.96 / 5), rel=1e-3)


def test_observed_to_expected_is_1_where_the_risks_are_right(rng):
    risk = rng.uniform(0.1, 0.9, 5000)
    happened = (rng.random(5000) < risk) * 1.0
    found = measures.observed_to_expected(asked(happened, by=risk))
    assert found.lower < 1 < found.upper
    assert measures.observed_to_expected(asked(happened, by=risk / 2)).estimate == pytest.approx(2 * found.estimate)


def test_predictors_without_information_reach_no_discrimination_out_of_fold(rng):
    noise, y = rng.normal(size=(1500, 12)), (rng.random(1500) < 0.4) * 1.0
    none = measures.auroc_of_predictors(asked(y, given=noise))
    assert none.lower < 0.5
    assert none.upper < 0.56
    told = measures.auroc_of_predictors(asked(y, given=np.column_stack([noise, y + rng.normal(size=1500)])))
    assert told.estimate == pytest.approx(stats.norm.cdf(1 / np.sqrt(2)), abs=0.03)


@pytest.mark.parametrize("name", sorted(MEASURES))
def test_too_few_cases_give_no_number_and_a_reason(name):
    few = MEASURES[name].function(asked([1.0, 0.0], by=[1.0, 0.0], given=[[1.0], [2.0]], at=3.0))
    if name == "share":
        assert few.upper - few.lower > 0.7  # Wilson says by its width that two cases say little
    else:
        assert few.estimate is None
        assert few.reason


# ---- quantities --------------------------------------------------------------------------------------


def test_the_dermatome_is_the_one_that_the_drawing_is_fullest_of(draw_cases):
    cases = draw_cases("""
        case_id | pain_foot_dorsum_left | pain_lateral_leg_left | pain_posterior_leg_right | pain_knee_left
        L5      | 8                     | 6                     | 0                        | 2
        S1      | 0                     | 2                     | 9                        | 0
        empty   | 0                     | 0                     | 0                        | 0
        unasked |                       |                       |                          |
    """)
    every = [f"pain_{region}_{side}" for regions in quantities.DERMATOMES.values() for region in regions
             for side in ("left", "right")]  # fmt: skip
    rest = {name: 0.0 for name in every if name not in cases}
    cases = cases.assign(**rest)
    cases.loc["unasked", every] = np.nan
    found = quantities.dermatome_of_pain(cases)
    assert found.iloc[:3].tolist() == ["l5", "s1", "none"]
    assert pd.isna(found["unasked"])


def test_two_dermatomes_equally_full_are_none(draw_cases):
    cases = pd.DataFrame(
        {f"pain_{r}_{s}": [0.0] for rs in quantities.DERMATOMES.values() for r in rs for s in ("left", "right")},
        index=["tied"],
    )
    cases.loc["tied", [f"pain_{r}_left" for r in quantities.DERMATOMES["l4"] + quantities.DERMATOMES["l5"]]] = 4.0
    assert quantities.dermatome_of_pain(cases).tolist() == ["none"]


def test_who_was_not_reoperated_is_followed_to_the_last_contact(draw_cases):
    cases = draw_cases("""
        case_id | operation_date | reoperation_date | reoperation_cause    | last_contact_date
        A       | 2020-01-01     | 2020-07-01       | recurrent_herniation | 2022-01-01
        B       | 2020-01-01     |                  |                      | 2022-01-01
        C       | 2020-01-01     | 2021-01-01       |                      | 2022-01-01
    """)
    found = quantities.time_to_reoperation(cases)
    assert found["months_to_reoperation"].round(1).tolist() == [6.0, 24.0, 12.0]
    assert found["is_reoperated"].tolist() == [1, 0, 1]
    assert found["reoperated_for"].tolist() == ["recurrent_herniation", "none", "unknown"]


def test_never_operated_is_not_operated_at_the_same_level(draw_cases):
    cases = draw_cases("""
        case_id | earlier_lumbar_operations | has_earlier_operation_same_level
        A       | 0                         |
        B       | 1                         | 1
        C       | 2                         | 0
        D       | 1                         |
        E       |                           |
    """)
    found = quantities.has_operation_at_same_level(cases)
    assert found.iloc[:3].tolist() == [0, 1, 0]
    assert found.iloc[3:].isna().all()


# ---- verdicts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "low", "high", "estimate", "verdict", "distance"),
    [
        (2.1, 1.9, 2.2, 2.2, "agrees", 0.0),
        (2.1, 1.9, 2.2, 2.25, "misses", 0.05),
        (2.1, 1.9, 2.2, 1.8, "misses", -0.1),
        (NAN, 0.67, 0.68, 0.66, "misses", -0.01),
        (0.50, NAN, NAN, 0.55, "agrees", 0.0),
        (0.50, NAN, NAN, 0.551, "misses", 0.001),
        (-4.0, NAN, NAN, -3.5, "misses", 0.1),
        (-4.0, NAN, NAN, -4.3, "agrees", 0.0),
    ],
)
def test_the_verdict_is_by_the_published_interval_or_else_by_a_tenth(value, low, high, estimate, verdict, distance):
    target = published_targets().iloc[0].to_dict() | {"value": value, "low": low, "high": high}
    row = judged(target, measures.Estimate(estimate, estimate - 0.02, estimate + 0.02), 100)
    assert row["verdict"] == verdict
    assert row["distance"] == pytest.approx(distance)
    assert row["chance_explains"] == float(verdict == "misses" and abs(distance) <= 0.02)


def targets_of(*rows: dict) -> pd.DataFrame:
    texts = {"by": "", "given": "", "where": "", "source": "somebody", "status": "verified", "note": ""}
    numbers = {"at": NAN, "value": NAN, "low": NAN, "high": NAN, "n": NAN}
    return pd.DataFrame([{"topic": "t", "what": row["id"], **texts, **numbers, **row} for row in rows])


def test_what_the_record_lacks_is_not_measured_and_counts_neither_way(draw_cases):
    cases = draw_cases("""
        case_id | patient_id | odi
        A       | P1         | 40
        B       | P2         | 50
        C       | P3         | 45
        D       | P4         | 40
        E       | P5         |
        F       | P6         | 50
    """)
    table = fidelity_table(
        targets_of(
            {"id": "near", "measure": "mean", "of": "odi", "value": 44.0},
            {"id": "far", "measure": "mean", "of": "odi", "value": 20.0},
            {"id": "absent", "measure": "share", "of": "is_blue", "value": 0.5},
            {"id": "nobody", "measure": "mean", "of": "odi", "where": "odi > 90", "value": 95.0},
        ),
        cases,
    )
    assert list(table.columns) == list(COLUMNS)
    assert table["verdict"].tolist() == ["agrees", "misses", "not measured", "not measured"]
    assert table["cases"].tolist() == [5, 5, 0, 0]
    assert "is_blue" in table["reason"][2]
    assert summary(table)["share_agreeing"] == 0.5
    assert summary(table)["topics"]["t"]["not_measured"] == 2


def test_given_may_name_a_set_of_predictors_and_fills_what_is_not_recorded():
    rng = np.random.default_rng(5)
    names = {name for term in quantities.PUBLISHED_PREDICTORS for name in columns_of(term)}
    words = {"sex": "male", "work_status": "working", "diagnosis": "disc_herniation"}
    cases = pd.DataFrame({name: words.get(name, rng.normal(size=400)) for name in sorted(names)})
    cases = cases.assign(patient_id=range(400), y=(rng.random(400) < 0.5) * 1.0)
    cases.loc[::2, "odi"] = np.nan
    target = targets_of({"id": "a", "measure": "auroc_of_predictors", "of": "y", "given": "published_predictors"})
    estimate, n = measured(target.iloc[0].to_dict(), cases)
    assert n == 400
    assert estimate.estimate is not None


# ---- the stage, for real -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def params() -> Params:
    whole = load_params(ROOT / paths.PARAMS)
    return dataclasses.replace(whole, registry=dataclasses.replace(whole.registry, cases=500, centres=3))


@pytest.fixture(scope="module")
def project(params, tmp_path_factory) -> Path:
    """A folder in which a tiny registry was drawn, read and judged."""
    folder = tmp_path_factory.mktemp("fidelity")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        registry.run(params)
        ingest.run(params)
        fidelity.run(params)
    return folder


def outputs(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted((folder / "data" / "fidelity").iterdir())}


def judged_again(params: Params, folder: Path, elsewhere: Path, change) -> tuple[pd.DataFrame, dict]:
    """Table and summary after a change of the cases; the truth is copied as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(elsewhere)
        for path in (paths.INGESTED_CASES, paths.REGISTRY_TRUTH):
            path.parent.mkdir(parents=True)
            path.write_bytes((folder / path).read_bytes())
        change(read_cases(paths.INGESTED_CASES)).to_parquet(paths.INGESTED_CASES)
        fidelity.run(params)
        return read_table(paths.FIDELITY), json.loads(paths.FIDELITY_SUMMARY.read_text())


def test_every_published_figure_is_in_the_table_once(project):
    table = read_table(project / paths.FIDELITY)
    assert table["id"].tolist() == published_targets()["id"].tolist()
    assert table["source"].notna().all()
    measured_ = table[table["verdict"] != "not measured"]
    assert len(measured_) >= 60
    assert measured_["registry"].notna().all()
    assert ((measured_["registry_low"] <= measured_["registry"]) | measured_["registry_low"].isna()).all()
    assert table.loc[table["verdict"] == "not measured", "reason"].notna().all()
    outside = (table["registry"] < table["agrees_from"]) | (table["registry"] > table["agrees_to"])
    assert (outside == (table["verdict"] == "misses")).mean() > 0.99  # but for figures at the limit, and rounding


def test_the_summary_counts_the_table(project):
    table, found = read_table(project / paths.FIDELITY), json.loads((project / paths.FIDELITY_SUMMARY).read_text())
    assert found["is_applicable"] == 1
    assert found["has_truth"] == 1
    for key, verdict in (("agree", "agrees"), ("miss", "misses"), ("not_measured", "not measured")):
        assert found[key] == (table["verdict"] == verdict).sum()
        assert found[key] == sum(topic[key] for topic in found["topics"].values())
    assert found["share_agreeing"] == pytest.approx(found["agree"] / found["measured"], abs=1e-4)


def test_the_same_registry_gives_the_same_bytes(project, params, tmp_path):
    judged_again(params, project, tmp_path, lambda cases: cases)
    assert outputs(tmp_path) == outputs(project)


def test_a_registry_of_other_people_is_found_out(project, params, tmp_path):
    before = read_table(project / paths.FIDELITY).set_index("id")
    after, _ = judged_again(params, project, tmp_path, lambda cases: cases.assign(odi=cases["odi"] / 2))
    after = after.set_index("id")
    assert before.loc["herniation_odi_mean", "verdict"] == "agrees"
    assert after.loc["herniation_odi_mean", "verdict"] == "misses"
    assert after.loc["herniation_odi_mean", "distance"] == pytest.approx(
        before.loc["herniation_odi_mean", "registry"] / 2 - 0.9 * 47.5165, abs=1e-3
    )
    assert after.loc["herniation_age_mean", "registry"] == before.loc["herniation_age_mean", "registry"]


def test_truth_of_other_cases_is_not_used(project, params, tmp_path):
    table, found = judged_again(params, project, tmp_path, lambda cases: cases.assign(odi_12m=100 - cases["odi_12m"]))
    assert found["has_truth"] == 0
    causes = table[table["topic"] == "causes of failure"]
    assert (causes["verdict"] == "not measured").all()
    assert causes["reason"].str.contains("true_failure_cause").all()


def test_of_a_real_registry_it_is_not_asked(project, params, tmp_path):
    table, found = judged_again(params, project, tmp_path, lambda cases: cases.assign(record_origin="registry"))
    assert found["is_applicable"] == 0
    assert "not of the virtual registry" in found["reason"]
    assert len(table) == 0
    assert list(table.columns) == list(COLUMNS)
    assert (tmp_path / paths.FIDELITY_PICTURE).stat().st_size > 0
    assert fidelity_section(found, table) is None


def test_a_picture_has_a_mark_a_measured_figure(project):
    table = read_table(project / paths.FIDELITY)
    figure = fidelity_picture(table)
    marks = [line for axes in figure.axes for line in axes.lines if line.get_marker() in ("o", "D")]
    assert len(marks) == (table["verdict"] != "not measured").sum()
    assert sum(mark.get_marker() == "D" for mark in marks) == (table["verdict"] == "misses").sum()


def test_the_report_lists_every_miss_with_its_direction(project):
    table, found = read_table(project / paths.FIDELITY), json.loads((project / paths.FIDELITY_SUMMARY).read_text())
    section = fidelity_section(found, table)
    assert len(section["rows"]) == len(table)
    assert {row["what"] for row in section["misses"]} == set(table.loc[table["verdict"] == "misses", "what"])
    assert all(row["direction"].startswith(("too high", "too low")) for row in section["misses"])
    assert list(section["topics"]) == list(dict.fromkeys(table["topic"]))
