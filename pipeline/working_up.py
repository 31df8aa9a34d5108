"""Cases of a file after an operation that failed: a table of causes, one case told in words, a page a case."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from features.axes import CAUSES
from features.causes import CauseEvidence, flag_names_at_followup
from features.errors import TrackingError
from features.followup import FollowUp
from models.cause_model import CauseModel
from models.input_keys import input_keys
from models.workup import IS_NOT, CauseFinder
from pipeline import tracking
from pipeline.files import put_table, write_text, written_whole
from pipeline.intake import SLICE, named_case
from pipeline.models_to_serve import REGISTERED
from pipeline.prediction_record.store import kept_inputs
from pipeline.scoring import bundle_folder, file_name
from pipeline.sources.records import input_sha256
from pipeline.workup_page import workup_page

NO_CHAMPION = "backcast-cause is not registered. Register it with `make repro`, or name --model."


@contextmanager
def loaded_finder(name: str | None) -> Iterator[CauseFinder]:
    """The named model of causes, or the champion.

    Raises
    ------
    TrackingError
        If there is no champion.
    BundleError
        If it is another model, damaged, or was made with other code.
    """
    if name and not name.startswith(REGISTERED):
        yield CauseFinder(CauseModel.load(Path(name)), name)
        return
    with tempfile.TemporaryDirectory() as scratch, tracking.store() as client:
        uri = name or tracking.champion_uri(client, tracking.CAUSE)
        if uri is None:
            raise TrackingError(NO_CHAMPION)
        yield CauseFinder(CauseModel.load(bundle_folder(client, uri, Path(scratch))), uri)


# ---- the table of a batch ------------------------------------------------------------------------


def work_up_file(path: Path, cases: pd.DataFrame, out: Path, model: str | None) -> str:
    """Judge every case that was read from a file, write the table, log it, and say what was done."""
    with written_whole(out) as beside:
        with loaded_finder(model) as finder:
            table = causes_table(cases, finder.model)
        put_table(table, beside, out.suffix)
        first = Counter(table.loc[table["rank"] == 1, "cause"])
        flagged = int((table["red_flags"] != "").sum())
        with tracking.store():
            run_id = tracking.log_workups(
                table,
                uri=finder.uri,
                model_sha256=finder.model.sha256,
                input_sha256=input_sha256(path, cases),
                first=first,
                flagged=flagged,
            )
    labels = {cause.name: cause.label for cause in finder.model.causes}
    lines = [f"{len(cases)} cases under {finder.uri}, in {out}; logged in MLflow as run {run_id}."]
    lines += [f"  {labels[cause]:34} first in {count}" for cause, count in first.most_common()]
    lines += [f"  no cause is ranked for {flagged} with a red flag"] if flagged else []
    return "\n".join([*lines, f"Caution: {IS_NOT}"])


def causes_table(cases: pd.DataFrame, model: CauseModel) -> pd.DataFrame:
    """A row for each case and each cause that can be, the likeliest first.

    Returns
    -------
    DataFrame
        `case_id`, `prediction_key`, `red_flags`, `rank`, `cause`, `likelihood`, `log_odds`, `prior_log_odds`, and
        `points_<finding>`; the log-odds are the prior plus the points. A case with a red flag has one row, which
        says so, and no cause.
    """
    starts = range(0, max(len(cases), 1), SLICE)
    parts = [
        _slice_of_causes(cases.iloc[start : start + SLICE], model)
        for start in tqdm(
            starts, desc="work-up", unit_scale=SLICE, unit="case", disable=None if len(starts) > 1 else True
        )
    ]
    return pd.concat(parts, ignore_index=True)


def _slice_of_causes(cases: pd.DataFrame, model: CauseModel) -> pd.DataFrame:
    followup = FollowUp(cases)
    found, flags = model.evidence(followup), np.array(flag_names_at_followup(followup), dtype=object)
    is_told = found.is_possible & (flags == "")[:, None]
    case, cause = np.nonzero(is_told)
    order = np.lexsort((found.rank[case, cause], case))
    told = _rows(found, case[order], cause[order], model)
    flagged = pd.DataFrame({"place": np.flatnonzero(flags != "")})
    table = pd.concat([told, flagged]).sort_values("place", kind="stable").reset_index(drop=True)
    place = table.pop("place").to_numpy(dtype=np.intp)
    inputs = cases[[name for name in cases.columns if name in kept_inputs()]]
    inputs = inputs.assign(months_since_operation=followup.months_since.round(2))
    keys = input_keys(inputs, model.sha256, sorted(inputs.columns)).to_numpy()
    front = pd.DataFrame(
        {"case_id": cases.index.to_numpy()[place], "prediction_key": keys[place], "red_flags": flags[place]}
    )
    return pd.concat([front, table], axis=1)


def _rows(found: CauseEvidence, case: Any, cause: Any, model: CauseModel) -> pd.DataFrame:
    points = found.points[case, cause]
    front = pd.DataFrame(
        {
            "place": case,
            "rank": found.rank[case, cause].astype(np.float64),
            "cause": np.array(CAUSES, dtype=object)[cause],
            "likelihood": found.likelihood[case, cause],
            "log_odds": found.log_odds[case, cause],
            "prior_log_odds": found.prior[case, cause],
        }
    )
    return pd.concat([front, pd.DataFrame(points, columns=[f"points_{one.name}" for one in model.findings])], axis=1)


# ---- one case, and a page a case -----------------------------------------------------------------


def told_case(path: Path, cases: pd.DataFrame, case_id: str, model: str | None) -> list[str]:
    """One case in lines: its course, causes with their evidence, what to find out next, the plan, cautions.

    Raises
    ------
    CaseNotFoundError
        If the file has no such case.
    """
    case = named_case(path, cases, case_id)
    with loaded_finder(model) as finder:
        answer = finder.answers(as_records(case))[0]
    return [*answer["story"], *(f"Caution: {one['text']}" for one in answer["cautions"]), IS_NOT]


def write_pages(cases: pd.DataFrame, folder: Path, model: str | None) -> str:
    """A page of HTML for each case, named for its case_id; each prints on one sheet."""
    with loaded_finder(model) as finder:
        answers = zip(cases.index, finder.answers(as_records(cases)), strict=True)
        for case_id, answer in tqdm(answers, desc="pages", unit="page", total=len(cases), disable=None):
            write_text(workup_page(answer, str(case_id)), folder / f"{file_name(str(case_id))}.html")
    return f"{folder}: {len(cases)} pages, one a case. They show patients' values: for those entitled to look."


def as_records(cases: pd.DataFrame) -> list[dict[str, Any]]:
    """Typed cases as a request would hold them: what is recorded, days as ISO 8601."""
    days = {name: cases[name].dt.strftime("%Y-%m-%d") for name in cases.select_dtypes("datetime")}
    rows = cases.assign(**days).astype(object).to_dict("records")
    return [{str(name): value for name, value in row.items() if not pd.isna(value)} for row in rows]
