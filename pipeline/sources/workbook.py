"""Excel: one sheet whose first row names the columns, given back as the text a CSV would hold.

Read with openpyxl. Faster readers exist and give an empty cell for `#N/A` and for a formula whose result the
file does not hold: what failed would pass for what was not recorded.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Collection
from typing import Any

import pandas as pd

from features.errors import FileFormatError
from pipeline.sources.delimited import BROKEN_OFF
from pipeline.sources.text import first_of, refuse_odd_header, text_table

OLE = b"\xd0\xcf\x11\xe0"
"""How a workbook begins that is protected by a password, and one of before 2007."""
Cells = list[list[Any]]


def workbook_table(
    where: str, raw: bytes, *, sheet: str | None, missing_marks: list[str], names: Collection[str] | None
) -> pd.DataFrame:
    """The named sheet, or the only visible one, as text; a row of the table is a row of the sheet from the second on.

    Raises
    ------
    FileFormatError
        If it is no whole workbook, the sheet is not plain, cells are merged, a row among the cases is empty, or
        the file does not hold the result of a formula.
    ColumnsError
        If the first row names a column twice, or not at all.
    """
    chosen = _sheet(where, _book(where, raw), sheet)
    merged = sorted(str(cells) for cells in chosen.merged_cells.ranges)
    if merged:
        raise FileFormatError(
            f"{where}: cells are merged ({first_of(merged)}). Unmerge them, and give each column a name of its own in "
            f"row 1 and each case its own values."
        )
    cells = _without_empty_ends(_values(where, raw, chosen))
    if not cells or all(_is_blank(name) for name in cells[0]):
        raise FileFormatError(f"{where}: row 1 is empty. The first row names the columns.")
    header = [None if name is None else str(name) for name in cells[0]]
    refuse_odd_header(where, header, names)
    empty = [place for place, row in enumerate(cells[1:], start=2) if all(map(_is_blank, row))]
    if empty:
        raise FileFormatError(
            f"{where}: {len(empty)} {'rows are' if len(empty) > 1 else 'row is'} empty (row {first_of(empty)}). "
            f"Delete what is empty between the cases."
        )
    columns = list(zip(*cells[1:], strict=True)) or [()] * len(header)
    return text_table(where, list(map(str, header)), columns, missing_marks)


def _book(where: str, raw: bytes, **how: bool) -> Any:
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise FileFormatError(f"{where}: to read Excel needs openpyxl. Run: pip install 'backcast[excel]'.") from None
    if raw.startswith(OLE):
        raise FileFormatError(f"{where} is protected by a password, or older than 2007. Save it as a plain .xlsx.")
    try:
        with warnings.catch_warnings(action="ignore"):  # some quote the value of a cell
            return load_workbook(io.BytesIO(raw), **how)
    except Exception:  # whatever its parsers stumble over; a fault of the file is no fault of ours
        raise FileFormatError(
            f"{where} is not a whole Excel file, or one that openpyxl cannot read. {BROKEN_OFF} Else save the sheet "
            f"alone, as .xlsx or as CSV (UTF-8)."
        ) from None


def _sheet(where: str, book: Any, name: str | None) -> Any:
    sheets = {sheet.title: sheet for sheet in book.worksheets}
    there = ", ".join(sheets) or "none"
    if name is not None:
        if name not in sheets:
            raise FileFormatError(f"{where} has no sheet {name}; it has: {there}. Set --sheet or ingest.sheet.")
        return sheets[name]
    visible = [sheet for sheet in sheets.values() if sheet.sheet_state == "visible"]
    if len(visible) != 1:
        raise FileFormatError(f"{where} has {len(visible)} sheets: {there}. Name one: --sheet or ingest.sheet.")
    return visible[0]


def _values(where: str, raw: bytes, sheet: Any) -> Cells:
    """The values of all cells, of a formula what it last came to."""
    rows = [list(row) for row in sheet.iter_rows()]
    formulas = [cell for row in rows for cell in row if cell.data_type == "f"]
    cells = [[cell.value for cell in row] for row in rows]
    if formulas:
        results = list(_book(where, raw, data_only=True)[sheet.title].iter_rows())
        computed = [results[cell.row - 1][cell.column - 1] for cell in formulas]
        # An empty word is a result; a number that is not there was never computed.
        unknown = [cell.coordinate for cell in computed if cell.value is None and cell.data_type == "n"]
        if unknown:
            raise FileFormatError(
                f"{where}: the results of {len(unknown)} formulas are not in the file (cell {first_of(unknown)}), as "
                f"where a program wrote it. Open it in Excel or LibreOffice and save it."
            )
        for formula, result in zip(formulas, computed, strict=True):
            cells[formula.row - 1][formula.column - 1] = result.value
    return cells


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _without_empty_ends(cells: Cells) -> Cells:
    """Without the empty rows below and the empty columns to the right that a format alone leaves behind."""
    while cells and all(map(_is_blank, cells[-1])):
        cells = cells[:-1]
    width = max((place for row in cells for place, value in enumerate(row, start=1) if not _is_blank(value)), default=0)
    return [row[:width] for row in cells]
