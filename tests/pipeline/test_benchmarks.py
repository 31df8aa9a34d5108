"""`docs/benchmarks.md` is made from `docs/benchmarks.json`, says what was to hold, and names no place of a machine."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.__main__ import FIGURES, arguments, file_of, keep


@pytest.fixture(scope="module")
def measured(root):
    return json.loads((root / "docs/benchmarks.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(root):
    return (root / "docs/benchmarks.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def rows(measured):
    return [row for question in measured["questions"].values() for row in question["rows"]]


def test_the_page_is_made_from_the_figures(root, tmp_path, page):
    figures = tmp_path / "benchmarks.json"
    figures.write_bytes((root / "docs/benchmarks.json").read_bytes())
    subprocess.run([sys.executable, "-m", "tests.bench", "--page", "--out", figures], cwd=root, check=True,
                   env={"PYTHONPATH": str(root)})  # fmt: skip
    assert figures.with_suffix(".md").read_text(encoding="utf-8") == page, "run `python -m tests.bench --page`"


def test_every_question_has_a_module_and_every_answer_a_question(measured, root):
    modules = {path.stem for path in (root / "tests/bench").glob("*.py") if "\ndef rows(" in path.read_text()}
    asked = re.search(r"^QUESTIONS = \((.*)\)$", (root / "tests/bench/__main__.py").read_text(), flags=re.MULTILINE)
    assert modules == set(re.findall(r"\w+", asked[1]))
    assert set(measured["questions"]) <= modules


def test_a_figure_has_its_unit_how_it_was_measured_and_what_limits_it_or_the_reason_why_it_is_wanting(rows):
    for row in rows:
        assert row["what"]
        assert row["how"] if row["figure"] is not None else row["reason"], row["what"]
        if row["figure"] is not None and "subject" not in row:
            assert row["limited_by"], row["what"]


def test_whether_a_limit_was_met_is_what_the_figure_says(measured, page):
    """Those of a trial at a smaller size stand below their question alone."""
    for scale, row in [(one["scale"], row) for one in measured["questions"].values() for row in one["rows"]]:
        limits = [row[limit] for limit in ("at_least", "at_most") if limit in row]
        if not limits or row["figure"] is None:
            assert row["met"] is None
            continue
        assert row["met"] == (row.get("at_least", -float("inf")) <= row["figure"] <= row.get("at_most", float("inf")))
        verdict = "yes" if row["met"] else "**no**"
        held = page.split("## What was to hold")[1].split("\n## ")[0]
        assert any(
            line.startswith(f"| {row['what']} |") and line.endswith(f"| {verdict} |") for line in page.splitlines()
        )
        assert (f"| {row['what']} |" in held) == (scale == 1)


def test_neither_names_a_place_or_a_name_of_the_machine(root, measured, page):
    for text in (page, json.dumps(measured)):
        for word in (str(root), "/tmp/", "/home/", "/root/", "/work/", "/var/", "://"):
            assert word not in text


def test_figures_of_another_machine_or_version_are_dropped_and_those_of_the_same_stay(tmp_path):
    file = tmp_path / "benchmarks.json"
    one = {"machine": {"processors": 2}, "versions": {"numpy": "2.0"}, "questions": {"start": {"rows": []}}}
    spark = one | {"versions": {"numpy": "2.0", "pyspark": "4.0"}, "questions": {"spark": {"rows": []}}}
    later = one | {"versions": {"numpy": "2.1"}, "questions": {"record": {"rows": []}}}
    kept = []
    for measured in (one, spark, one, later, later | {"machine": {"processors": 8}, "questions": {}}):
        keep(measured, file)
        kept.append(json.loads(file.read_text(encoding="utf-8")))
    assert [list(one["questions"]) for one in kept] == [
        ["start"],
        ["start", "spark"],
        ["start", "spark"],
        ["record"],
        [],
    ]
    assert kept[2]["versions"] == {"numpy": "2.0", "pyspark": "4.0"}


@pytest.mark.parametrize("words", [["--scale", "0"], ["--scale", "0.01", "--out", "docs/benchmarks.json"]])
def test_a_trial_that_would_overwrite_the_figures_or_measure_nothing_is_refused(monkeypatch, capsys, root, words):
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "argv", ["bench", *words])
    with pytest.raises(SystemExit):
        arguments()
    assert "error" in capsys.readouterr().err


def test_a_small_trial_has_no_file_and_the_full_size_has_the_figures():
    assert file_of(None, 0.01) is None
    assert file_of(None, 1) == FIGURES
    assert file_of(Path("trial.json"), 0.01) == Path("trial.json")
