"""Bad input of notebooks: before `dvc repro`, on a study without lesions, with an error nobody foresaw."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from features.errors import BackcastError, FileFormatError
from pipeline.notebooks import NotMadeYetError, opened
from pipeline.notebooks.making import failure, main, make_notebooks

ROOT = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """The root of a repository in which nothing was made yet."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy2(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "studies", tmp_path / "studies")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_notebook(root: Path, *cells: str) -> None:
    made = nbformat.v4.new_notebook()
    made.cells = [nbformat.v4.new_markdown_cell("# Is it told?"), *map(nbformat.v4.new_code_cell, cells)]
    nbformat.write(made, root / "notebooks" / "01_try.ipynb")


def test_before_the_pipeline_ran_one_sentence_names_the_command(root):
    with pytest.raises(NotMadeYetError, match=r"Stage cohort has not run here: data/cohort/.* Run `make repro`"):
        opened("cohort")


def test_it_is_the_same_from_the_folder_of_notebooks(root, monkeypatch):
    monkeypatch.chdir(root / "notebooks")
    with pytest.raises(NotMadeYetError, match="Stage evaluate has not run"):
        opened("evaluate")
    assert Path.cwd() == root


def test_what_a_notebook_shows_of_our_errors_is_their_sentence(root):
    with pytest.raises(BackcastError) as caught:
        opened("train")
    assert caught.value._render_traceback_() == [str(caught.value)]


def test_a_notebook_that_cannot_be_told_yet_makes_no_page(root, capsys):
    write_notebook(root, "from pipeline.notebooks import opened", "opened('cohort')", "print('never')")
    (root / "data" / "notebooks").mkdir(parents=True)
    (root / "data" / "notebooks" / "01_try.html").write_text("of another run")
    assert main([]) == NotMadeYetError.exit_status
    told = capsys.readouterr()
    assert "Run `make repro`" in told.err
    assert "Traceback" not in told.err
    assert not (root / "data" / "notebooks" / "01_try.html").exists()
    index = (root / "data" / "notebooks" / "index.html").read_text()
    assert "Is it told?" in index
    assert "Stage cohort has not run here" in index


def test_a_study_without_lesions_skips_the_story_with_a_page_that_says_so(root, capsys):
    params = (root / "params.yaml").read_text()
    (root / "params.yaml").write_text(params.replace("study: lumbar", "study: nhs_proms"))
    opens = "from pipeline.notebooks import opened\nprint('so far')\nopened('derive', asks_builders=True)"
    write_notebook(root, opens, "print('never')")
    assert main([]) == 0
    page = (root / "data" / "notebooks" / "01_try.html").read_text()
    assert '<p class="banner">No clinical builder applies to Hip and knee replacement in England' in page
    assert "so far" in page
    assert "never" not in page
    assert "SkippedError" not in page.split('<p class="banner">')[1]
    assert "neither lesions nor pain drawings are recorded" in capsys.readouterr().out


def test_any_other_error_keeps_its_traceback():
    status, said = failure("ZeroDivisionError", "division by zero", "\x1b[31mTraceback ...\x1b[0m")
    assert (status, said) == (1, "Traceback ...")


def test_an_error_of_a_package_that_only_the_kernel_loaded_is_its_sentence_too():
    """In a process of its own, since here other tests may have loaded the package."""
    asked = "from pipeline.notebooks.making import failure; print(failure('RecordError', 'no record', 'Traceback'))"
    done = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(20, 'no record')"


def test_a_notebook_that_there_is_not_is_refused_by_name(root):
    with pytest.raises(FileFormatError, match=r"notebooks/11_more\.ipynb does not exist"):
        make_notebooks(["11_more"])
