"""The REDCap data dictionary: a row a field, in REDCap's 18 columns, as its upload and its API take them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from features.dictionary import Variable
from pipeline.files import write_table
from pipeline.redcap.fields import Field, code_text, project_fields

COLUMNS = {
    "field_name": "Variable / Field Name",
    "form_name": "Form Name",
    "section_header": "Section Header",
    "field_type": "Field Type",
    "field_label": "Field Label",
    "select_choices_or_calculations": "Choices, Calculations, OR Slider Labels",
    "field_note": "Field Note",
    "text_validation_type_or_show_slider_number": "Text Validation Type OR Show Slider Number",
    "text_validation_min": "Text Validation Min",
    "text_validation_max": "Text Validation Max",
    "identifier": "Identifier?",
    "branching_logic": "Branching Logic (Show field only if...)",
    "required_field": "Required Field?",
    "custom_alignment": "Custom Alignment",
    "question_number": "Question Number (surveys only)",
    "matrix_group_name": "Matrix Group Name",
    "matrix_ranking": "Matrix Ranking?",
    "field_annotation": "Field Annotation",
}
"""By the name that REDCap's API has for a column, the one that its upload has."""
VALIDATIONS = {"number": "number", "date": "date_ymd"}


def data_dictionary() -> pd.DataFrame:
    """One row a field, the columns by the names of the API, every cell a text."""
    fields = project_fields()
    rows = [_row(field, fields[place - 1] if place else None) for place, field in enumerate(fields)]
    return pd.DataFrame(rows, columns=list(COLUMNS)).fillna("")


def write_data_dictionary(path: Path) -> None:
    """As a CSV for *Designer, Data Dictionary, Upload*.

    Raises
    ------
    FileFormatError
        If nothing can be written there.
    """
    write_table(data_dictionary().rename(columns=COLUMNS), path)


def _row(field: Field, before: Field | None) -> dict[str, str]:
    variable = field.variable
    is_first = before is None or (field.instrument, field.section) != (before.instrument, before.section)
    row = {
        "field_name": field.name,
        "form_name": field.instrument,
        "section_header": _header(field) if is_first else "",
        "field_type": field.kind,
        "field_label": field.label,
        "select_choices_or_calculations": " | ".join(f"{code}, {label}" for code, label in field.choices),
        "field_note": "" if field.matrix else _note(variable),
        "identifier": "y" if variable.identifies else "",
        "branching_logic": field.shown_if,
        # The record's own id is given by REDCap and cannot also be required.
        "required_field": "y" if variable.missing_means == "refused" and before is not None else "",
        "matrix_group_name": field.matrix,
        "field_annotation": "Backcast: " + ", ".join(v.name for v in field.variables),
    }
    return row | _validation(variable)


def _header(field: Field) -> str:
    """The title of a section, and what an empty field means where it means the same in all of it."""
    meanings = {v.missing_means for f in project_fields() if _is_beside(f, field) for v in f.variables}
    if len(meanings) > 1 or "refused" in meanings:
        return field.section
    return f"{field.section} (left empty: {meanings.pop()})"


def _is_beside(other: Field, field: Field) -> bool:
    return (other.instrument, other.section) == (field.instrument, field.section)


def _note(variable: Variable) -> str:
    return variable.unit if variable.type == "number" else "YYYY-MM-DD" if variable.type == "date" else ""


def _validation(variable: Variable) -> dict[str, str]:
    if variable.type not in VALIDATIONS:
        return {}
    lower, upper = (code_text(bound) if bound is not None else "" for bound in (variable.lower, variable.upper))
    return {
        "text_validation_type_or_show_slider_number": VALIDATIONS[variable.type],
        "text_validation_min": lower,
        "text_validation_max": upper,
    }
