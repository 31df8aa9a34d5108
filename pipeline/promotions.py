"""The ledger of promotions as a table, or one of its lines in full.

Each time the chain is checked, and the ledger beside the store is compared with what versions there say of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from features.errors import TrackingError
from models.metrics import net_benefit_name
from pipeline import ledger, paths

NONE = "—"
NOT_COMPARED = "Not compared with the store, so that lines cut off at the end would not be seen:"


def promotion_lines(path: Path | None = None, outcome: str | None = None, number: int | None = None) -> Iterator[str]:
    """What `backcast promotions` prints: the table of all decisions or of one outcome's, or one line in full.

    Raises
    ------
    TrackingError
        After whatever can be shown, if the chain is broken, if a version in the store was decided by a line that
        is not there, or if there is no such line.
    """
    is_of_the_store = path is None
    path = path or paths.promotions()
    lines, problems = ledger.checked(path)
    shown = [line for line in lines if outcome in (None, line["outcome"]) and number in (None, line["line"])]
    if number is not None:
        yield from (json.dumps(line, indent=1, ensure_ascii=False) for line in shown)
    elif shown:
        yield table(shown)
        yield from (f"{line['line']:>4}  {line['verdict']}" for line in shown)
    ledger.refuse(path, problems)
    if number is not None and not shown:
        raise TrackingError(f"{path} has {len(lines)} lines, and none that is line {number} of what was asked for.")
    compared = comparison_with_store(path, lines) if is_of_the_store else f"{NOT_COMPARED} another ledger was named."
    yield f"{path}: {len(lines)} decisions, the chain is whole. {compared}"


def comparison_with_store(path: Path, lines: list[dict[str, Any]]) -> str:
    """In words, how many versions in the store agree with the ledger, or why they were not asked.

    Raises
    ------
    TrackingError
        If a version was decided by a line that is not there, or is another.
    """
    uri = paths.store_uri()
    if uri.startswith(paths.SQLITE) and not Path(uri.removeprefix(paths.SQLITE)).exists():
        return f"{NOT_COMPARED} there is no store beside it."
    from pipeline import tracking  # costs seconds

    try:
        with tracking.store() as client:
            witnesses = tracking.ledger_witnesses(client)
    except TrackingError as error:
        return f"{NOT_COMPARED} {error}"
    ledger.refuse_contradictions(path, lines, witnesses)
    return f"Versions in the store that agree with it: {len(witnesses)}."


def table(lines: list[dict[str, Any]]) -> str:
    """One row a decision; differences are challenger less champion, out of fold, with 95 % intervals."""
    return pd.DataFrame([_row(line) for line in lines]).to_string(index=False, justify="left")


def _row(line: Mapping[str, Any]) -> dict[str, str]:
    differences = line["figures"].get("differences", {})
    threshold = line["rule"].get("threshold", 0.0)  # knowledge is not held against knowledge by figures
    return {
        "line": str(line["line"]),
        "when": line["when"].replace("T", " ").removesuffix("Z"),
        "who": line["who"],
        "outcome": line["outcome"],
        "decision": line["decision"],
        "challenger": _model(line["challenger"]),
        "champion": _model(line["champion"]),
        "log loss": _difference(differences.get("log_loss")),
        "net benefit": _difference(differences.get(net_benefit_name(threshold)), f" at {threshold:g}"),
        "AUROC": _difference(differences.get("auroc")),
    }


def _model(model: Mapping[str, str] | None) -> str:
    return f"{model['version']} ({model['learner']})" if model else NONE


def _difference(value: Mapping[str, Any] | None, where: str = "") -> str:
    if value is None or value["estimate"] is None:
        return NONE
    interval = "" if value["lower"] is None else f" ({value['lower']:+.4f} to {value['upper']:+.4f})"
    return f"{value['estimate']:+.4f}{interval}{where}"
