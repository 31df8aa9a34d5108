"""Numbers and shares as people read them, whoever says them."""

import inspect
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from features.words import exact_percent, number, percent

ROOT = Path(__file__).resolve().parents[2]
OWN_PERCENT = re.compile(r":[,.\d]*%\}|\{100 \* [^{}]*\} ?%")


def test_numbers_are_written_as_people_write_them():
    assert (number(-0.001), number(1234.5, 1), number(None), number(float("nan"))) == ("0.00", "1,234.5", "—", "—")
    assert (percent(0.5), percent(-0.125, 1), percent(None), percent(float("nan"))) == ("50 %", "−12.5 %", "—", "—")


def test_no_share_is_called_certain():
    assert (percent(0.0001), percent(0.9999)) == ("under 1 %", "over 99 %")
    assert (percent(0.0004, 1), percent(0.9996, 1)) == ("under 0.1 %", "over 99.9 %")
    assert (percent(0), percent(1)) == ("0 %", "100 %")


@given(st.floats(1e-9, 1 - 1e-9), st.integers(0, 2))
def test_some_is_never_told_as_none_or_all(share, digits):
    assert float(percent(share, digits).removesuffix(" %").split(" ")[-1]) not in (0, 100)


def test_all_is_told_as_all_whatever_dust_its_sum_left():
    assert sum([0.1] * 10) < 1
    assert (percent(sum([0.1] * 10)), exact_percent(0.1 + 0.2 - 0.3)) == ("100 %", "0 %")


def test_code_writes_percentages_by_these_words_alone():
    """Python's own `%` has no space before the sign, and both make none or all of what is some."""
    code = [path for folder in ("features", "models", "pipeline") for path in (ROOT / folder).rglob("*")]
    texts = {path: path.read_text(encoding="utf-8") for path in code if path.suffix in (".py", ".csv", ".j2")}
    words = Path(inspect.getfile(percent))
    assert [path for path, text in texts.items() if OWN_PERCENT.search(text) and path != words] == []
