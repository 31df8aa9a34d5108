"""What `backcast redcap` does: a data dictionary, exports and projects read, cases written and sent."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Unpack

import pandas as pd

from features.dictionary import Known
from features.errors import FileFormatError, ParamsError
from features.record import refuse_problems
from pipeline.files import refuse_out, write_table
from pipeline.intake import FIRST_ROW, Reading, checked_records, named_file, placed
from pipeline.redcap.api import codes_for_missing, exported, project_at, sent, shape_problems
from pipeline.redcap.columns import RECORD_ID
from pipeline.redcap.data_dictionary import write_data_dictionary
from pipeline.redcap.fields import missing_codes, project_fields, repeating_instrument
from pipeline.redcap.reading import RedcapCases, checked_cases, decoded, read_export, told
from pipeline.redcap.writing import redcap_rows, unwritable

CSV = (".csv",)


def write_dictionary(out: Path) -> str:
    """The data dictionary, for REDCap's upload.

    Raises
    ------
    FileFormatError
        If nothing can be written there.
    """
    _refuse_name(out)
    write_data_dictionary(out)
    fields = project_fields()
    instruments = len({field.instrument for field in fields})
    return (
        f"{out}: {len(fields)} fields in {instruments} instruments. Upload it as the data dictionary of an empty "
        f"project, then let the instrument {repeating_instrument()} repeat."
    )


def read_file(
    export: Path, out: Path, moment: Known, which: str, codes: tuple[str, ...], *, encoding: str, separator: str
) -> str:
    """An export as a CSV in the dictionary's layout; with any problem nothing is written.

    Parameters
    ----------
    which : "last", "first" or a number
        The work-up of a case that has several.
    codes : CODE=LABEL
        Missing-data codes of the project; those that REDCap suggests if none is named.

    Raises
    ------
    FileFormatError, ColumnsError, ValuesError, ParamsError
        With every problem at once.
    """
    refuse_out(out, export, CSV)
    wanted, named = _which(which), _named_codes(codes)
    table, lines = read_export(export, encoding, separator)
    return _written(decoded(table, lines, str(export), named), out, moment, wanted, str(export))


def fetch(address: str, out: Path, moment: Known, which: str) -> str:
    """The records of a project, over its API, as a CSV in the dictionary's layout.

    Raises
    ------
    RedcapServerError
        If the server cannot be asked.
    FileFormatError, ColumnsError, ValuesError, ParamsError
        As of `read_file`.
    """
    _refuse_name(out)
    wanted, project = _which(which), project_at(address)
    refuse_problems(address, shape_problems(project))
    rows = exported(project)
    found = decoded(rows, range(1, len(rows) + 1), address, codes_for_missing(project))
    return _written(found, out, moment, wanted, address)


def write_import(cases: Path, out: Path, **reading: Unpack[Reading]) -> str:
    """Cases as a CSV that REDCap's import takes.

    Raises
    ------
    FileFormatError, ColumnsError, ValuesError
        With every problem at once.
    """
    refuse_out(out, cases, CSV)
    rows = redcap_rows(_cases(cases, **reading))
    write_table(rows, out)
    return f"{out}: {rows[RECORD_ID].nunique()} cases in {len(rows)} rows of {len(rows.columns)} columns."


def send(cases: Path, address: str, **reading: Unpack[Reading]) -> str:
    """Cases to a project, over its API.

    Raises
    ------
    RedcapServerError
        If the server cannot be asked, or refuses.
    FileFormatError, ColumnsError, ValuesError
        With every problem of the cases or of the project at once.
    """
    project = project_at(address)
    typed = _cases(cases, **reading)
    refuse_problems(address, shape_problems(project))
    return f"{address} took {sent(project, typed)} cases."


def _written(found: RedcapCases, out: Path, moment: Known, which: str | int, source: str) -> str:
    cases = checked_cases(found, moment, which, source, today=dt.date.today())
    write_table(cases, out)
    return "\n".join([f"{out}: {len(cases)} cases, {len(cases.columns)} variables.", *told(found)])


def _cases(path: Path, **reading: Unpack[Reading]) -> pd.DataFrame:
    """Typed cases of a file in the dictionary's layout, with whatever is recorded by now."""
    needed = (RECORD_ID,)  # a record may be sent in parts
    params = named_file(path, **reading)
    typed, problems = checked_records(path, params, "adjudication", today=dt.date.today(), required=needed)
    unsaid = placed(unwritable(typed, FIRST_ROW), typed.index)
    refuse_problems(str(path), [*problems, *unsaid])
    return typed.reset_index(drop=True)


def _which(which: str) -> str | int:
    if which in ("last", "first"):
        return which
    if which.isdecimal() and int(which) > 0:
        return int(which)
    raise ParamsError(f"--work-up {which} is neither last, first nor a number from 1.")


def _named_codes(codes: tuple[str, ...]) -> dict[str, str]:
    if not codes:
        return missing_codes()
    pairs = [code.partition("=") for code in codes]
    if any(not code.strip() for code, _, _ in pairs):
        raise ParamsError("--missing needs a code, such as --missing UNK=Unknown.")
    return {code.strip(): label.strip() or code.strip() for code, _, label in pairs}


def _refuse_name(out: Path) -> None:
    if out.suffix not in CSV:
        raise FileFormatError(f"{out} does not end in .csv. Name another file.")
