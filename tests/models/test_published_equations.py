"""The worked patients of the published equations to four decimals, and what an equation must always do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import KnowledgeError
from models import published_facts
from models.published_equations import equations, level_probabilities
from models.published_facts import TABLES, published_table
from models.published_inputs import published_inputs
from models.published_risk import published_risk

HERNIATION, STENOSIS, SEGMENTAL = (
    f"swespine_v1.0.2_{diagnosis}" for diagnosis in ("disc_herniation", "spinal_stenosis", "srbp")
)
PUBLIC_CLINIC = 2
WORKED = {
    # equation: probability that it goes well for patient A, for patient B
    f"{HERNIATION}_satisfaction": (0.8347, 0.2563),
    f"{HERNIATION}_ga": (0.7669, 0.3708),
    f"{STENOSIS}_satisfaction": (0.7986, 0.4192),
    f"{STENOSIS}_ga": (0.6774, 0.1984),
    f"{SEGMENTAL}_satisfaction": (0.8356, 0.5867),
    f"{SEGMENTAL}_ga": (0.7835, 0.2721),
    "swespine_2022_ldh_success_logit": (0.8522, 0.1911),
}
"""Computed in Backcast's evidence review (published_models) from the coefficients that were read, not by this code."""
PERSON = """
    case_id | age_years | sex  | bmi_kg_m2 | smoking | education | work_status        | earlier_lumbar_operations
    A       | 45        | male | 26        | 0       | 1         | working            | 0
    B       | 45        | male | 26        | 2       | 1         | disability_pension | 1
"""
COMPLAINT = """
    case_id | back_pain_duration_months | leg_pain_duration_months | odi | nrs_back | nrs_leg | eq5d_index
    A       | 6                         | 6                        | 48  | 5        | 7       | 0.3
    B       | 36                        | 36                       | 60  | 8        | 7       | 0.3
"""
ILLNESS = """
    case_id | has_heart_disease | has_polyneuropathy | has_cancer_history | has_vascular_disease
    A       | 0                 | 0                  | 0                  | 0
    B       | 1                 | 0                  | 0                  | 0
"""
REST = """
    case_id | has_rheumatic_disease | has_widespread_pain_syndrome | walking_distance_m | planned_fusion_l4_l5
    A       | 0                     | 0                            | 800                | 1
    B       | 0                     | 0                            | 800                | 1
"""


@pytest.fixture
def worked(draw_cases) -> pd.DataFrame:
    """Inputs of both worked patients, from their records; the clinic is not in the record.

    Patient B is unemployed and on a disability pension. A record has one work status, so the other is added.
    """
    inputs = published_inputs(pd.concat(map(draw_cases, (PERSON, COMPLAINT, ILLNESS, REST)), axis="columns"))
    inputs.loc["B", "IsUnemployed"] = 1
    return inputs.assign(ClinicType=PUBLIC_CLINIC)


def success(equation, inputs):
    return equation.probability(inputs, level=2 if equation.link == "ordered_probit" else 1)


@pytest.mark.parametrize("name", WORKED)
def test_the_worked_patients_to_four_decimals(worked, name):
    assert success(equations()[name], worked).round(4).tolist() == list(WORKED[name])


def test_the_linear_predictor_of_the_worked_patient(worked):
    assert equations()[f"{HERNIATION}_ga"].linear_predictor(worked)[0].round(4) == 0.1404


def test_the_chance_of_being_worse_of_the_worked_patients(worked):
    chances = level_probabilities(equations()[f"{HERNIATION}_ga"], worked)
    assert chances[:, -1].round(4).tolist() == [0.0370, 0.2333]


def test_the_level_mix_of_the_average_herniation():
    """Over the development shares: gone 36 %, much better 41, somewhat 14, unchanged 5, worse 4 (evidence review)."""
    chances = level_probabilities(equations()[f"{HERNIATION}_ga"], drawn_inputs(f"{HERNIATION}_ga", 40_000))
    assert chances.mean(axis=0) == pytest.approx([0.36, 0.41, 0.14, 0.05, 0.04], abs=0.01)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (f"{HERNIATION}_satisfaction", 0.80), (f"{STENOSIS}_satisfaction", 0.66), (f"{SEGMENTAL}_satisfaction", 0.77),
        (f"{HERNIATION}_ga", 0.77), (f"{STENOSIS}_ga", 0.60), (f"{SEGMENTAL}_ga", 0.70),
    ],
)  # fmt: skip
def test_the_mean_chance_in_the_development_cases(name, expected):
    """Drawn from the published means, SDs and shares, as the evidence review drew them."""
    assert success(equations()[name], drawn_inputs(name, 40_000)).mean() == pytest.approx(expected, abs=0.01)


def drawn_inputs(name: str, n: int) -> pd.DataFrame:
    """Independent inputs with the means, SDs and shares of an equation's development cases."""
    rng = np.random.default_rng(1)
    rows = published_table("coefficients").query("equation == @name").dropna(subset=["scaling"])
    inputs = {}
    for term, codes in rows.groupby("term"):
        share = codes["share"].to_numpy()
        if codes["scaling"].iloc[0] == "z_score":
            inputs[term] = rng.normal(codes["mean"].iloc[0], codes["sd"].iloc[0], n)
        elif codes["scaling"].iloc[0] == "code":
            share = np.where(np.isnan(share), 1 - np.nansum(share), share)
            inputs[term] = rng.choice(codes["code"].to_numpy(), n, p=share / share.sum())
        else:
            inputs[term] = (rng.random(n) < share[0]).astype(float)
    return pd.DataFrame(inputs)


def test_an_unknown_clinic_is_averaged_over_the_published_clinics(worked):
    equation = equations()[f"{HERNIATION}_ga"]
    by_clinic = [equation.probability(worked.assign(ClinicType=clinic), 2) for clinic in (1, 2, 3)]
    university, public = 0.0838, 0.2864  # shares of the development cases; the rest were private
    expected = np.average(by_clinic, axis=0, weights=[university, public, 1 - university - public])
    assert equation.probability(worked.assign(ClinicType=np.nan), 2) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", [f"{HERNIATION}_ga", f"{STENOSIS}_satisfaction", f"{SEGMENTAL}_ga"])
def test_any_other_unknown_input_gives_no_probability(worked, name):
    equation = equations()[name]
    assert set(equation.needed) == set(equation.terms) - {"ClinicType"}
    for term in equation.needed:
        assert np.isnan(equation.probability(worked.assign(**{term: np.nan}))).all(), term
    unused = [term for term in worked.columns if term not in equation.terms]
    assert not np.isnan(equation.probability(worked.assign(**dict.fromkeys(unused, np.nan)))).any()


def test_a_code_that_was_not_published_gives_no_probability(worked):
    assert np.isnan(equations()[f"{HERNIATION}_ga"].probability(worked.assign(ClinicType=7))).all()
    assert np.isnan(equations()[f"{STENOSIS}_satisfaction"].probability(worked.assign(DurationLegPain=1.5))).all()


@pytest.mark.parametrize("level", [0, 5])
def test_a_level_that_the_equation_does_not_divide_at_is_refused(worked, level):
    with pytest.raises(ValueError, match=rf"divides at levels 1 to 4, not at {level}"):
        equations()[f"{HERNIATION}_ga"].probability(worked, level)
    with pytest.raises(ValueError, match="divides at levels 1 to 1, not at 2"):
        equations()[f"{HERNIATION}_satisfaction"].probability(worked, 2)


amounts = st.fixed_dictionaries(
    {
        "ODI": st.floats(0, 100),
        "NRSBackPain": st.floats(0, 10),
        "NRSLegPain": st.floats(0, 10),
        "AgeAtSurgery": st.floats(10, 110),
        "BMI": st.floats(12, 40),
        "EQ5DIndex": st.floats(-0.594, 1),
        "OpLevel": st.integers(1, 5),
        "AbilityWalking": st.integers(1, 4),
        "DurationBackPain": st.integers(0, 4),
        "DurationLegPain": st.integers(0, 4),
        "ClinicType": st.sampled_from([1.0, 2.0, 3.0, np.nan]),
        **{
            term: st.integers(0, 1)
            for term in (
                "Female", "HasAgePension", "HasSickPension", "IsUnemployed", "CollegeUniversity", "IsSmoker",
                "IsPreviouslyOperated", "HasOtherIllness",
            )
        },
    }
)  # fmt: skip


@given(amounts)
def test_levels_add_up_and_a_worse_start_never_helps(case):
    inputs = pd.DataFrame([case]).astype(float)
    for equation in equations().values():
        assert 0 <= equation.probability(inputs)[0] <= 1
        if equation.link == "ordered_probit":
            chances = level_probabilities(equation, inputs)
            assert chances.sum() == pytest.approx(1)
            assert (chances >= 0).all()
        for term in ("IsPreviouslyOperated", "HasOtherIllness", "IsUnemployed", "IsSmoker"):
            without, with_it = (success(equation, inputs.assign(**{term: value}))[0] for value in (0.0, 1.0))
            assert with_it <= without + 1e-12, (equation.name, term)


# A faulty table is refused


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """A copy of the tables that a test may spoil."""
    for file in TABLES.glob("*.csv"):
        (tmp_path / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(published_facts, "TABLES", tmp_path)
    published_table.cache_clear()
    yield tmp_path
    published_table.cache_clear()


def spoil(tables, name, change):
    table = pd.read_csv(tables / f"{name}.csv")
    change(table).to_csv(tables / f"{name}.csv", index=False)


def setting(column, value, row=0):
    def change(table):
        table[column] = table[column].astype(object)
        table.loc[row, column] = value
        return table

    return change


GA_THRESHOLD = 11  # the row of the second threshold of the herniation's global assessment


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("coefficients", setting("source", ""), r"1 rows have no source \(first: row 2\)"),
        ("coefficients", setting("status", "sure"), "unknown status sure"),
        ("coefficients", setting("link", "cloglog"), "unknown link cloglog"),
        ("coefficients", setting("term", "Shoe size", 1), "unknown term Shoe size"),
        ("coefficients", setting("coefficient", "", 1), "a coefficient is empty or no number"),
        ("coefficients", setting("sd", 0, 1), "a z_score needs its mean, and an sd above 0"),
        ("coefficients", setting("coefficient", 9, GA_THRESHOLD), "an ordered probit has 4 rising thresholds"),
        ("coefficients", lambda table: table.drop(index=0), "a logit has one intercept"),
        ("coefficients", lambda table: pd.concat([table, table.tail(1)]), "repeats the equation, term, code"),
        (
            "coefficients",
            lambda table: table.drop(index=table.query("term == 'ClinicType' and code == 1").index[0]),
            "there is no coefficient of ClinicType for 1",
        ),
        ("coefficients", lambda table: table.assign(share=table["share"] * 3), "share is outside 0 to 1"),
        ("inputs", setting("kind", "letter"), "unknown kind letter"),
        ("inputs", setting("unknown", "zero"), "unknown unknown zero"),
        ("inputs", setting("lower", 200), "a range has a lower and an upper end"),
        ("bands", setting("upper", 4, 1), "DurationBackPain: code 1 ends where code 2 does not begin"),
        ("bands", setting("upper_included", 1, 1), "DurationBackPain: code 1 ends where code 2 does not begin"),
        ("bands", setting("upper", 90, 4), "the last band alone has no upper end"),
        ("comorbidities", setting("variable", "has_gout"), "unknown variable has_gout"),
        ("applies", setting("diagnosis", "sciatica"), "unknown diagnosis sciatica"),
        ("applies", setting("outcome", "happy"), "unknown outcome happy"),
        ("applies", setting("procedures", "fusion tattoo"), "unknown procedures tattoo"),
        ("applies", setting("equation", f"{STENOSIS}_ga"), "is of spinal_stenosis and not of disc_herniation"),
        ("applies", setting("equation", f"{HERNIATION}_satisfaction"), "level 2 is not one that an ordered probit"),
    ],
)
def test_a_faulty_table_is_refused_by_name(tables, name, change, said):
    spoil(tables, name, change)
    with pytest.raises(KnowledgeError, match=said) as error:
        published_table(name)
    assert f"models/published_tables/{name}.csv" in str(error.value)


def test_all_problems_of_a_table_are_told_at_once(tables):
    spoil(tables, "bands", setting("source", ""))
    spoil(tables, "bands", setting("upper", 4, 1))
    with pytest.raises(KnowledgeError, match=r"2 problem\(s\)"):
        published_table("bands")


def test_a_missing_table_is_named(tables):
    (tables / "bands.csv").unlink()
    with pytest.raises(KnowledgeError, match=r"published_tables/bands\.csv is missing"):
        published_table("bands")


def test_only_whole_equations_are_kept():
    """Halicka 2023 and Janssen 2020 were read in part."""
    assert len(equations()) == 9
    assert set(published_table("coefficients")["status"]) == {"verified"}


def test_the_model_that_answers_does_not_know_the_equations():
    """A comparator: no module that predicts may import it, or it would be in every model's code hash."""
    from models import bundle

    hashed = {path.name for path in bundle._code_files()}
    assert not [name for name in hashed if name.startswith("published")]
    assert published_risk.__module__ == "models.published_risk"
