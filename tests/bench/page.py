"""`docs/benchmarks.md` from `docs/benchmarks.json`, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.reference.markdown import table

Measured = Mapping[str, Any]
HEAD = ("figure", "measured", "limit", "met")
LIMIT_WORDS = {True: "yes", False: "**no**", None: ""}


def benchmarks_page(measured: Measured) -> str:
    """Every question with its table; first what the project has set itself."""
    questions = measured["questions"].values()
    rows = [row for question in questions if question["scale"] == 1 for row in question["rows"]]
    parts = [
        "# Benchmarks",
        "Made from `docs/benchmarks.json` by `make bench`, which measures and writes both; do not edit this page.",
        "A ratio compares what ran beside each other, in one run on one machine, and carries over to others better "
        "than seconds do. `python -m tests.bench NAME --scale 0.01` tries one question small.",
        _where(measured),
        "## What was to hold",
        "\n".join(table(HEAD, [_limited(row) for row in rows if row["met"] is not None])),
        *(part for name, question in measured["questions"].items() for part in _question(name, question)),
    ]
    return "\n\n".join(parts) + "\n"


def _where(measured: Measured) -> str:
    """On what, with what."""
    machine = measured["machine"]
    named = ", ".join(f"{name} {version}" for name, version in measured["versions"].items())
    return (
        f"Measured on {machine['processors']} processors ({machine['processor']}) with {machine['memory_gb']:.0f} GB, "
        f"{machine['system']}; linear algebra and trees on one thread where no other number is told. {named}."
    )


def _question(name: str, question: Mapping[str, Any]) -> Iterable[str]:
    rows = question["rows"]
    yield f"## {question['title']}"
    yield " ".join(question["about"].split())
    when = f"{question['date']}, commit `{question['commit']}`{_trial(question['scale'])}"
    yield f"`python -m tests.bench {name}`, {when}"
    plain = [row for row in rows if "subject" not in row]
    yield "\n".join(table(HEAD, [_limited(row) for row in plain]))
    if any("subject" in row for row in rows):
        yield "\n".join(_by_subject([row for row in rows if "subject" in row]))
    notes = dict.fromkeys(_note(row) for row in plain if row.get("how"))
    if notes:
        yield "\n".join(f"- {note}" for note in notes)


def _trial(scale: float) -> str:
    """The end of the sentence: that figures are of a trial, if they are."""
    return "." if scale == 1 else f". **A trial at {scale:g} of the size**, mostly imports: not to quote."


def _limited(row: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return row["what"], _figure(row), _limit(row), LIMIT_WORDS[row["met"]]


def _by_subject(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line a subject, one column a figure."""
    columns = list(dict.fromkeys(row["what"] for row in rows))
    found = {(row["subject"], row["what"]): _figure(row | {"unit": ""}) for row in rows}
    subjects = dict.fromkeys(row["subject"] for row in rows)
    return table(
        ("model", *columns), [(one, *(found.get((one, column), "") for column in columns)) for one in subjects]
    )


def _note(row: Mapping[str, Any]) -> str:
    """How a figure was measured, and what limits it."""
    return f"*{row['what']}*: {row['how']}." + (f" Limited by {row['limited_by']}." if row.get("limited_by") else "")


def _figure(row: Mapping[str, Any]) -> str:
    """A figure with its interval, as many decimals in each, and its unit; or the reason why there is none."""
    if row["figure"] is None:
        return row.get("reason", "not estimable")
    told = [row[name] for name in ("figure", "lower", "upper") if name in row]
    figure, *interval = (_number(value, max(map(abs, told))) for value in told)
    within = f" ({' to '.join(interval)})" if len(interval) == 2 else ""
    return f"{figure}{within} {row.get('unit', '')}".strip()


def _limit(row: Mapping[str, Any]) -> str:
    least, most = row.get("at_least"), row.get("at_most")
    if least is not None and most is not None:
        return f"{least:g} to {most:g}"
    return f"at least {least:g}" if least is not None else f"at most {most:g}" if most is not None else ""


def _number(value: float, size: float) -> str:
    """Three digits that count in a number of that size, in plain writing where that is short."""
    if not size:
        return "0"
    if value and size < 1e-3:
        return f"{value:.1e}"
    return f"{value:,.{3 if size < 1 else 2 if size < 10 else 1 if size < 100 else 0}f}"
