"""Studies as folders: what a mapping does and refuses, what a skeleton guesses; a small NHS PROMs from end to end."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from features.errors import FileFormatError, KnowledgeError, ParamsError, TimingError
from features.knowledge_tables import use_study
from features.outcomes import OutcomeParams, is_asked
from models.splitting import clusters, sets_with_cases
from pipeline import paths
from pipeline.mapping import mapped, read_mapping
from pipeline.params import load_params, with_own
from pipeline.study import Source, read_study
from pipeline.study_check import checked_study
from pipeline.study_files import study_cases
from pipeline.study_new import looked_at, named_apart, new_study, plausible_range
from tests.invented_proms import write_packs

ROOT = Path(__file__).resolve().parents[2]
PACKS = ROOT.parent / "shared" / "data" / "nhs_proms"
HEADER = "column,files,variable,conversion,code,value,note\n"


# ---- the mapping -------------------------------------------------------------------------------------


@pytest.fixture
def rules_of(tmp_path):
    def read(*lines: str, groups=("cases",), afterwards=("Post-Op", "Predicted")):
        (tmp_path / "mapping.csv").write_text(HEADER + "\n".join(lines) + "\n")
        return read_mapping(tmp_path / "mapping.csv", groups, afterwards)

    return read


def as_text(**columns: list[str | None]) -> pd.DataFrame:
    frame = pd.DataFrame(columns, dtype="str")
    frame.index = pd.RangeIndex(2, 2 + len(frame))
    return frame


def test_units_codes_decimals_and_days_become_those_of_the_dictionary(rules_of):
    rules = rules_of(
        "Walks,,walking_distance_m,km_to_m,,,",
        "BMI,,bmi_kg_m2,decimal_comma,,,",
        "Sex,,sex,,1,male,",
        "Sex,,sex,,2,female,",
        "Sex,,sex,,9,,not told",
        "Day,,index_date,date:%d/%m/%Y,,,",
        ",,case_id,row_number,,,",
        ",,record_origin,constant:registry,,,",
    )
    text = as_text(Walks=["1.5", None], BMI=["27,3", "31"], Sex=["2", "9"], Day=["31/12/2019", "13/13/2019"])
    found = mapped(text, rules, "pack")
    assert found["walking_distance_m"].iloc[0] == "1500"
    assert pd.isna(found["walking_distance_m"].iloc[1])
    assert found["bmi_kg_m2"].tolist() == ["27.3", "31"]
    assert found["sex"].iloc[0] == "female"
    assert pd.isna(found["sex"].iloc[1])
    assert found["index_date"].iloc[0] == "2019-12-31"
    assert "13/13" not in found["index_date"].iloc[1]  # nor made another day
    assert found["case_id"].tolist() == ["pack:2", "pack:3"]
    assert set(found["record_origin"]) == {"registry"}


@pytest.mark.parametrize("column", ["Hip Post-Op Q Score", "Hip OHS Predicted", "post-op odi"])
def test_a_column_known_afterwards_is_no_variable_known_before(rules_of, column):
    with pytest.raises(TimingError, match=r"known only after the operation .* odi is known before it"):
        rules_of(f"{column},,odi,,,,")
    assert rules_of(f"{column},,odi_12m,,,,", f"x {column},,ignored,,,,known later")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("BMI,,bmi,,,,", "line 3: .*bmi.*one of variables.csv"),
        ("BMI,,,,,,", "line 3: BMI names no variable: one of variables.csv"),
        ("BMI,,ignored,,,,", "line 3: .*no note says why"),
        ("BMI,,bmi_kg_m2,cm_to_m,,,", "line 3: .*gives m, but bmi_kg_m2 is in kg/m2"),
        ("BMI,,bmi_kg_m2,furlongs,,,", "line 3: .*no conversion furlongs"),
        ("BMI,,bmi_kg_m2,date:%d,,,", "line 3: .*date:%d is for dates"),
        ("Day,,index_date,date,,,", "line 3: .*date is for dates, and says how"),
        ("Sex,,sex,cm_to_m,,,", "line 3: .*cm_to_m is for numbers, and sex is a choice"),
        ("Sex,,sex,,1,man,", "line 3: .*code 1 becomes man, none of the choices"),
        ("Sex,,sex,,1,male,\nSex,,sex,,1,female,", "line 4: the code 1 of Sex stands twice"),
        (
            "BMI,,bmi_kg_m2,decimal_comma,,,\nBMI,,bmi_kg_m2,cm_to_m,,,",
            "line 3: BMI has the conversions decimal_comma and",
        ),
        ("BMI,knees,bmi_kg_m2,,,,", "line 3: .*of the files knees; source.files has cases"),
        (",,bmi_kg_m2,,,,", "line 3: .*comes from no column"),
        ("BMI,,bmi_kg_m2,,,,\nMass,,bmi_kg_m2,,,,", "line 4: .*comes from BMI and from Mass"),
        ("BMI,,bmi_kg_m2,,,,\nBMI,,ignored,,,,not needed", "BMI is ignored, and used, in the files cases"),
    ],
)
def test_a_line_that_cannot_be_meant_is_refused_by_its_number(rules_of, lines, said):
    with pytest.raises(KnowledgeError, match=said) as refused:
        rules_of("Odi,,odi,,,,", lines)
    assert "mapping.csv: 1 problem.\n" in str(refused.value)


def test_a_mapping_has_its_own_header(tmp_path):
    (tmp_path / "mapping.csv").write_text("column,variable\nBMI,bmi_kg_m2\n")
    with pytest.raises(KnowledgeError, match=r"line 1 must be column,files,.*, and is column,variable\."):
        read_mapping(tmp_path / "mapping.csv", ["cases"], [])


# ---- a study's folder --------------------------------------------------------------------------------


@pytest.fixture
def clinic(tmp_path, monkeypatch):
    """A study of the lumbar record with a mapping, and the folder of its files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLINIC", str(tmp_path / "files"))
    folder = tmp_path / "studies" / "clinic"
    folder.mkdir(parents=True)
    source = {"folder_variable": "CLINIC", "files": {"cases": "*.csv*"}, "missing_marks": ["", "NA"]}
    not_asked = {"registry": "real", "fidelity": "real"}
    (folder / "study.yaml").write_text(yaml.safe_dump({"title": "A clinic", "source": source, "not_asked": not_asked}))
    rows = ["No,,case_id,,,,", "Pat,,patient_id,,,,", "Day,,index_date,date:%d/%m/%Y,,,"]
    rows += ["Walks,,walking_distance_m,,,,", "Disability,,odi,,,,", "Sex,,sex,,1,male,", "Sex,,sex,,2,female,"]
    (folder / "mapping.csv").write_text(HEADER + "\n".join(rows) + "\n")
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    (tmp_path / "files").mkdir()
    return tmp_path / "files"


def records(n: int = 40, start: int = 0) -> pd.DataFrame:
    numbers = np.arange(start, start + n)
    return pd.DataFrame(
        {
            "No": [f"C{i}" for i in numbers], "Pat": [f"P{i}" for i in numbers],
            "Day": [f"{i % 28 + 1:02d}/03/2019" for i in numbers], "Walks": 500 + numbers,
            "Disability": 20 + numbers % 60, "Sex": 1 + numbers % 2,
        }
    )  # fmt: skip


def problems_of_clinic() -> str:
    return "\n".join(map(str, study_cases(read_study("clinic"), today=dt.date(2026, 1, 1)).problems))


def test_mistakes_of_a_mapping_are_told_with_their_rows_and_what_would_fit(clinic):
    table = records()
    table["Day"] = [f"03-{i % 28 + 1:02d}-2019" for i in range(40)]
    table["Walks"] = 2_000_000  # in millimetres
    table["Disability"] = (table["Disability"] / 10).round(1)
    table["Sex"] = table["Sex"].replace(2, 7)
    table.to_csv(clinic / "a.csv", index=False)
    said = problems_of_clinic()
    assert "Day (index_date)" in said
    assert "in 40 rows (2, 3, 4, 5, 6, ...)" in said
    assert "mm_to_m would bring all 40 values into its range" in said
    assert "Recorded from 0 to 10? Its conversion is then ten_to_hundred" in said
    assert "Codes without a line: 7 (20)" in said
    assert "Its line in mapping.csv is 4" in said


def test_a_decimal_comma_and_the_way_days_are_written_are_named(clinic):
    table = records().astype({"Walks": str})
    table["Walks"] += ",5"
    table["Day"] = [f"2019-03-{i % 28 + 1:02d}" for i in range(40)]
    table.to_csv(clinic / "a.csv", index=False)
    said = problems_of_clinic()
    assert "Its conversion may be decimal_comma" in said
    assert "date:%Y-%m-%d reads all 40 values" in said


def test_files_that_do_not_belong_together_are_told(clinic):
    records().to_csv(clinic / "a.csv", index=False)
    records().rename(columns={"Walks": "Strolls"}).to_csv(clinic / "b.csv", index=False)
    said = problems_of_clinic()
    assert "b.csv has another header than a.csv: it alone has Strolls; it lacks Walks" in said
    records().to_csv(clinic / "b.csv", index=False)
    assert "b.csv holds rows that stand in a.csv word for word in 40 rows" in problems_of_clinic()
    other = records(start=100)
    other["No"] = records()["No"]
    other.to_csv(clinic / "b.csv", index=False)
    said = problems_of_clinic()
    assert "case_id is not unique in 80 rows" in said
    assert "a.csv:2" in said


def test_a_column_that_the_mapping_or_the_file_alone_has_is_told(clinic):
    records().rename(columns={"Walks": "Strolls"}).to_csv(clinic / "a.csv", index=False)
    said = problems_of_clinic()
    assert "a.csv: Walks is not in the file. Correct line 5 of mapping.csv, or the file." in said
    assert "a.csv: Strolls is a column of which mapping.csv says nothing." in said


@pytest.mark.parametrize(("conversion", "is_said"), [("date:%Y-%m-%d", True), ("year_start:04-01", False)])
def test_two_decisions_of_a_day_are_no_mistake_where_a_year_stands_for_it(clinic, conversion, is_said):
    mapping = clinic.parent / "studies" / "clinic" / "mapping.csv"
    mapping.write_text(mapping.read_text().replace("date:%d/%m/%Y", conversion))
    records().assign(Day="2019-04-01", Pat="P1", Sex=1).to_csv(clinic / "a.csv", index=False)
    assert ("stands more than once for one patient" in problems_of_clinic()) == is_said


def test_a_column_without_a_value_and_a_variable_without_a_column_are_told(clinic):
    records().assign(Walks="NA").to_csv(clinic / "a.csv", index=False)
    said = problems_of_clinic()
    assert "Walks is empty in every row. Map it to ignored and say why (line 5 of mapping.csv)" in said
    assert "centre_id comes from no column" in said


def check_clinic(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *arguments], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_half_a_zip_file_is_one_message_and_leaves_nothing(clinic):
    records().to_csv(clinic / "a.csv", index=False)
    with zipfile.ZipFile(clinic / "a.csv.zip", "w") as archive:
        archive.write(clinic / "a.csv", "a.csv")
    whole = (clinic / "a.csv.zip").read_bytes()
    (clinic / "a.csv.zip").write_bytes(whole[: len(whole) // 2])
    (clinic / "a.csv").unlink()
    done = check_clinic("--study", "clinic", "check")
    assert done.returncode == 5
    assert "Traceback" not in done.stderr
    assert "a.csv.zip" in done.stderr
    assert not (clinic.parent / "data").exists()


def test_a_study_says_what_is_wrong_with_it_at_once(clinic):
    file = clinic.parent / "studies" / "clinic" / "study.yaml"
    file.write_text(file.read_text() + "builders: []\ntitel: x\n")
    with pytest.raises(ParamsError, match=r"unknown key titel \(is title meant\?\)"):
        read_study("clinic")
    with pytest.raises(ParamsError, match=r"There is no study clinics: .* Studies: clinic"):
        read_study("clinics")


def test_a_fault_of_a_mapping_is_told_with_its_file_and_line(clinic):
    mapping = clinic.parent / "studies" / "clinic" / "mapping.csv"
    mapping.write_text(mapping.read_text().replace("walking_distance_m,,", "walking_distance_m,furlongs,"))
    with pytest.raises(KnowledgeError) as refused:
        checked_study("clinic")
    assert "  - studies/clinic/mapping.csv: 1 problem.\n      - line 5: Walks: there is no" in str(refused.value)


def test_every_file_that_cannot_be_read_is_told(clinic):
    (clinic / "a.csv").write_text("")
    (clinic / "b.csv").write_text("No,Pat\n1\n")
    with pytest.raises(FileFormatError) as refused:
        checked_study("clinic")
    assert f"{clinic}: 2 problems." in str(refused.value)
    assert "a.csv is empty" in str(refused.value)
    assert "b.csv: 1 row does not have the 2 values" in str(refused.value)


@pytest.mark.parametrize("path", ["../elsewhere", "./clinic", "clinic/", "clinic/../../elsewhere", ".", ""])
def test_a_study_is_a_name_and_no_path(clinic, path):
    elsewhere = clinic.parent / "elsewhere"
    shutil.copytree(clinic.parent / "studies" / "clinic", elsewhere)
    refusal = rf"There is no study {re.escape(path)}: no folder of that name in studies .* Studies: clinic\."
    with pytest.raises(ParamsError, match=refusal):
        read_study(path)
    with pytest.raises(ParamsError, match="There is no study"):
        read_study(str(elsewhere))


def test_the_command_refuses_a_path_in_place_of_a_study(clinic, backcast):
    shutil.copytree(clinic.parent / "studies" / "clinic", clinic.parent / "elsewhere")
    answer = backcast("--study", "../elsewhere", "check")
    assert answer.status == ParamsError.exit_status
    assert answer.says("There is no study ../elsewhere", "Studies: clinic")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"not_asked": {"registry": "real", "fidelity": "real", "cohort": "no"}},
            "not_asked names cohort; it can name",
        ),
        ({"not_asked": {"registry": "real", "fidelity": " "}}, "not_asked.fidelity gives no reason"),
        ({"not_asked": {"fidelity": "real"}}, "the virtual registry is of another record: say so of registry"),
        ({"builders": ["mimics"]}, "builders are lesion_pain and mimics together, or none"),
        ({"source": None}, "a source needs a mapping.csv, and a mapping.csv a source"),
        ({"source": {"folder": "files", "files": {}}}, "source.files names no file"),
        ({"source": {"files": {"cases": "*.csv"}}}, "source needs a folder, or a folder_variable"),
    ],
)
def test_what_a_study_cannot_mean_is_refused(clinic, changed, said):
    file = clinic.parent / "studies" / "clinic" / "study.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | changed))
    with pytest.raises(ParamsError, match=said) as refused:
        read_study("clinic")
    assert str(refused.value).startswith(f"{Path('studies/clinic/study.yaml')}: ")


def test_the_environment_says_where_the_files_are_before_the_study_does(clinic, monkeypatch):
    source = Source(files={"cases": "*.csv"}, folder="shared", folder_variable="CLINIC")
    assert source.place() == clinic
    monkeypatch.delenv("CLINIC")
    assert source.place() == Path("shared")
    with pytest.raises(ParamsError, match=r"Nothing says where .* Set the environment variable CLINIC"):
        Source(files={"cases": "*.csv"}, folder_variable="CLINIC").place()


def test_without_builders_their_questions_need_a_reason(clinic):
    file = clinic.parent / "studies" / "clinic" / "study.yaml"
    file.write_text(file.read_text() + "builders: []\n")
    with pytest.raises(ParamsError, match="without builders completeness, builders, cause cannot be asked"):
        read_study("clinic")


def test_a_process_that_has_read_one_record_refuses_another():
    load_params()
    with pytest.raises(KnowledgeError, match="One process works on one study"):
        use_study(ROOT / "studies" / "nhs_proms")


def test_keys_of_a_study_replace_keys_and_nothing_else():
    root = {"split": {"seed": 4, "folds": 5}, "train": {"seed": 1}}
    changed = {"split": {"seed": 4, "folds": 3}, "train": {"seed": 1}}
    assert with_own(root, {"split": {"folds": 3}}, Path("own.yaml")) == changed
    with pytest.raises(ParamsError, match=r"own\.yaml must hold sections"):
        with_own(root, {"split": 3}, Path("own.yaml"))


def test_whole_centres_are_drawn_into_clusters_of_like_size():
    centres = np.repeat([f"H{i:03d}" for i in range(60)], np.arange(1, 61))
    found = clusters(centres, 6, seed=1)
    assert pd.Series(found).groupby(centres).nunique().max() == 1
    sizes = pd.Series(found).value_counts()
    assert len(sizes) == 6
    assert sizes.max() - sizes.min() <= 5
    assert (clusters(centres, 6, seed=1) == found).all()
    assert sets_with_cases(np.array(["development", "temporal"])) == ("temporal",)


def test_a_ceiling_must_lie_above_the_floor():
    with pytest.raises(ParamsError, match="baseline_ceiling must lie above baseline_floor"):
        OutcomeParams(baseline_floor=10, baseline_ceiling=5)
    assert is_asked(pd.DataFrame({"diagnosis": ["disc_herniation"]}), "not_improved_12m").tolist() == [True]


# ---- a skeleton --------------------------------------------------------------------------------------


def test_a_skeleton_guesses_and_says_so_and_quotes_nobody(clinic):
    table = records(200).rename(columns={"No": "Record", "Pat": "PatientNo"})
    table["Weight"] = [f"{60 + i % 40},{i % 10}" for i in range(200)]
    table["Function 12m"] = np.arange(200) % 77
    table["Remark"] = [f"remark number {i}" for i in range(200)]
    table.loc[7, "Walks"] = 19_999  # one person
    table.to_csv(clinic / "knees.csv", index=False)
    done = check_clinic("study", "new", "knees", str(clinic / "knees.csv"))
    assert done.returncode == 0, done.stderr
    folder = clinic.parent / "studies" / "knees"
    mapping = pd.read_csv(folder / "mapping.csv", keep_default_na=False).set_index("column")
    assert mapping.loc["PatientNo", "variable"] == "patient_id"
    assert mapping.loc["Day", ["variable", "conversion"]].tolist() == ["index_date", "date:%d/%m/%Y"]
    assert mapping.loc["Weight", "conversion"] == "decimal_comma"
    assert mapping.loc["Remark", "variable"] == "ignored"
    variables = pd.read_csv(folder / "variables.csv").set_index("name")
    assert variables.loc["function_12m", "known"] == "follow_up"
    assert variables["source"].str.startswith("GUESS").all()
    written = "".join(path.read_text() for path in folder.iterdir())
    assert "19999" not in written
    assert "remark number" not in written
    again = check_clinic("study", "new", "knees", str(clinic / "knees.csv"))
    assert (again.returncode, "is there already" in again.stderr) == (3, True)
    header = "criterion,label,variable,rule,value,source,status\n"
    (folder / "criteria.csv").write_text(header + "adult,an adult,years,older_than,18,of the tests,assumption\n")
    checked = check_clinic("--study", "knees", "check")
    assert checked.returncode == 3
    assert "outcomes.csv names no outcome" in checked.stderr
    assert "criteria.csv: adult has the rule older_than; choose from" in checked.stderr
    assert "criteria.csv: adult asks years, which is no variable of the dictionary" in checked.stderr
    assert "guesses (line" in checked.stderr


@pytest.mark.parametrize("name", ["../knees", "Knees", "2_knees", "knees and hips"])
def test_a_new_study_has_a_plain_word_for_a_name(clinic, name):
    records().to_csv(clinic / "knees.csv", index=False)
    with pytest.raises(ParamsError, match=f"{re.escape(name)} cannot name a study: use small letters"):
        new_study(name, clinic / "knees.csv")
    assert [path.name for path in (clinic.parent / "studies").iterdir()] == ["clinic"]


def test_columns_whose_names_come_to_the_same_are_told_apart():
    empty = looked_at("Remark", pd.Series(["", ""]))
    looked = [looked_at(name, pd.Series(["1.5", "2.5"])) for name in ("Größe (cm)", "GRÖSSE cm", "Grosse-cm")]
    names = [one.variable for one in named_apart([*looked, empty, empty])]
    assert names == ["grosse_cm", "grosse_cm_2", "grosse_cm_3", "ignored", "ignored"]


@pytest.mark.parametrize("rows", [1, 2, 9, 12, 19, 20, 300])
def test_a_guessed_range_holds_the_middle_however_few_rows_there_are(rows):
    numbers = np.random.default_rng(rows).normal(120, 25, rows)
    low, high = plausible_range(numbers)
    assert low <= np.median(numbers) <= high


# ---- NHS PROMs ---------------------------------------------------------------------------------------

SMALL = {
    "split": {"folds": 3},
    "appraise": {},
    "train": {
        "outcomes": ["hip_no_gain_6m", "knee_not_better_6m"], "refits": 2,
        "learners": ["prevalence", "baseline", "logistic"], "logistic": {"C": 0.1},
    },
    "validate": {"clusters": 2},
    "explain": {"waterfalls": 1},
}  # fmt: skip
STAGES = (
    "registry", "ingest", "fidelity", "cohort", "derive", "split", "appraise", "train", "validate", "predict",
    "evaluate", "subgroups", "completeness", "stability", "builders", "cause", "explain", "report",
)  # fmt: skip


@pytest.fixture(scope="module")
def proms(tmp_path_factory) -> Path:
    """A folder in which every stage but `register` ran on small invented packs, in one process."""
    folder = tmp_path_factory.mktemp("proms")
    for name in ("studies", "pipeline", "features", "models", "dvc.yaml", "requirements.lock"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "studies").unlink()
    own = folder / "studies" / "nhs_proms"
    own.mkdir(parents=True)
    for path in (ROOT / "studies" / "nhs_proms").iterdir():
        (own / path.name).write_bytes(path.read_bytes())
    changed = yaml.safe_load((own / "params.yaml").read_text())
    for section, values in SMALL.items():
        changed[section] = {**changed.get(section, {}), **values}
    changed["appraise"]["overrule_sample_size"] = changed["train"]["outcomes"]
    (own / "params.yaml").write_text(yaml.safe_dump(changed))
    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text().replace("study: lumbar", "study: nhs_proms"))
    write_packs(folder / "packs", 900)
    program = "import sys; from pipeline import stage\nfor name in sys.argv[1:]: assert not stage.main([name]), name"
    done = subprocess.run(
        [sys.executable, "-c", program, *STAGES], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "BACKCAST_NHS_PROMS": str(folder / "packs"), "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


def test_only_primary_operations_of_each_joint_are_asked(proms):
    flow = pd.read_csv(proms / paths.FLOW)
    records_, primary = flow["remaining"].iloc[0], flow["remaining"].iloc[1]
    assert records_ == 3600
    assert flow["criterion"].iloc[1] == "a primary replacement, no revision"
    hips = flow[flow["step"] == "outcome hip_no_gain_6m"].set_index("criterion")
    assert hips.loc["asked of other cases", "excluded"] + hips.loc["asked of other cases", "remaining"] == primary
    cases = pd.read_parquet(proms / paths.COHORT_CASES)
    assert (cases["is_revision"] == 0).all()
    labels = pd.read_parquet(proms / paths.OUTCOMES)
    assert labels.loc[cases["planned_procedure"] == "knee_replacement", "hip_no_gain_6m"].isna().all()


def test_failure_to_gain_is_less_than_eight_points_of_a_hip(proms):
    record = pd.read_parquet(proms / paths.INGESTED_CASES)
    labels = pd.read_parquet(proms / paths.OUTCOMES)["hip_no_gain_6m"].dropna()
    gain = (record["oxford_score_6m"] - record["oxford_score"]).loc[labels.index]
    assert ((gain < 8) == (labels == 1)).all()
    assert record.loc[labels.index, "oxford_score"].max() <= 40


def test_the_second_year_tests_and_nobody_is_held_out(proms):
    split = pd.read_parquet(proms / paths.SPLIT)
    years = pd.read_parquet(proms / paths.COHORT_CASES)["index_date"].dt.year
    assert set(split.loc[years == 2017, "set"]) == {"temporal"}
    assert set(split.loc[years == 2016, "set"]) == {"development"}
    assert list(json.loads((proms / paths.METRICS).read_text())["hip_no_gain_6m"]["logistic"]) == ["temporal"]


def test_what_cannot_be_asked_is_a_reason_and_no_figure(proms):
    for path in (paths.BUILDERS, paths.COMPLETENESS, paths.CAUSES, paths.FIDELITY_SUMMARY):
        assert list(json.loads((proms / path).read_text())) == ["not_asked"]


def test_the_report_speaks_of_hips_and_knees_alone(proms):
    for path in (paths.REPORT, paths.MODEL_CARD):
        page = re.sub(r"<style.*?</style>|data:image[^\"]*", "", (proms / path).read_text(), flags=re.DOTALL)
        words = re.sub(r"<[^>]+>", " ", page)
        lumbar = r"lumbar|spin(e|al)|back pain|\bODI\b|second opinion"
        assert not re.findall(lumbar, words, flags=re.IGNORECASE)
        assert "Open Government Licence v3" in words
    assert "neither lesions nor sources of pain are recorded" in (proms / paths.REPORT).read_text()
    assert "cluster of providers" in (proms / paths.REPORT).read_text().lower()


def test_a_model_takes_its_record_along(proms):
    bundle = next((proms / paths.TRAIN / "hip_no_gain_6m").glob("logistic"))
    assert {path.name for path in (bundle / "record").iterdir()} == {
        "variables.csv", "choices.csv", "outcomes.csv", "predictors.csv", "criteria.csv",
    }  # fmt: skip
    program = (
        "import sys, pandas as pd; from pathlib import Path; from models.predictor import RiskPredictor\n"
        "risks = RiskPredictor.load(Path(sys.argv[1])).predict(pd.DataFrame([{'oxford_score': 18.0, 'sex': 'male'}]))\n"
        "print(0 < risks.risks['risk'].iloc[0] < 1)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(bundle)], capture_output=True, text=True, check=False,
                          cwd=proms, env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    assert done.stdout.strip() == "True", done.stderr


def test_a_mapping_that_lets_a_later_column_in_is_refused(proms):
    """The negative control: what NHS Digital predicted from what came later, as if it were known before."""
    mapping = proms / "studies" / "nhs_proms" / "mapping.csv"
    honest = mapping.read_text()
    try:
        mapping.write_text(honest.replace("Pre-Op Q EQ VAS,,eq_vas", "Post-Op Q EQ VAS,,eq_vas"))
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.stage", "ingest"], cwd=proms, capture_output=True, text=True, check=False,
            env={**os.environ, "BACKCAST_NHS_PROMS": str(proms / "packs"), "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    finally:
        mapping.write_text(honest)
    assert done.returncode == TimingError.exit_status
    assert "Post-Op Q EQ VAS is known only after the operation" in done.stderr


@pytest.mark.real_size
@pytest.mark.skipif(not PACKS.is_dir(), reason="the NHS PROMs packs are not in ../shared/data/nhs_proms")
def test_the_packs_themselves_are_read_whole(request):
    if "real_size" not in (request.config.getoption("-m") or ""):
        pytest.skip("real size: run it with pytest -m real_size")
    program = (
        "import datetime as dt\nfrom pipeline.params import load_params\nfrom pipeline.study_files import study_cases\n"
        "params = load_params(study='nhs_proms')\nfound = study_cases(params.study, today=dt.date.today())\n"
        "print(len(found.cases), int((found.cases['is_revision'] == 0).sum()), len(found.problems))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False,
                          env={**os.environ, "BACKCAST_NHS_PROMS": str(PACKS), "PYTHONPATH": str(ROOT)})  # fmt: skip
    assert done.stdout.split() == ["177165", "169138", "0"], done.stderr
