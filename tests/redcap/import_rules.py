"""REDCap's own rules for a data dictionary, written down apart from the code that makes ours.

Sources, read for these tests; numbers in the comments below refer to them:

1. REDCap knowledge base, RC-FD-08 *Data Dictionary: Column Reference* (verified against REDCap 17.4.1),
   bdeveer.github.io/REDCap_KB_RAG: the 18 columns, names, forms, types, choices, validation, matrices, alignment.
2. *Creating a Data Dictionary in REDCap*, Vanderbilt University 2015: record id first, names of at most 26 letters.
3. RC-BL-02 and RC-BL-04 of the same knowledge base: syntax of branching logic, of boxes in it, empty beside zero.
4. Utah CTSI and UW-Madison on *Missing Data Codes*: letters, digits, dots, dashes, underscores; never a real value.
5. RC-API-02 *Export Records* (from the API's help, version 16.1.3): what an export looks like.

Read nowhere, and held because they are cautious: no underscore at the end of a name or twice in a row, a matrix name
of at most 60 letters, codes of boxes in small letters.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator

Row = dict[str, str]
API_COLUMNS = (  # 1, and RC-API-08 for the names
    "field_name", "form_name", "section_header", "field_type", "field_label", "select_choices_or_calculations",
    "field_note", "text_validation_type_or_show_slider_number", "text_validation_min", "text_validation_max",
    "identifier", "branching_logic", "required_field", "custom_alignment", "question_number", "matrix_group_name",
    "matrix_ranking", "field_annotation",
)  # fmt: skip
UPLOAD_COLUMNS = (
    "Variable / Field Name", "Form Name", "Section Header", "Field Type", "Field Label",
    "Choices, Calculations, OR Slider Labels", "Field Note", "Text Validation Type OR Show Slider Number",
    "Text Validation Min", "Text Validation Max", "Identifier?", "Branching Logic (Show field only if...)",
    "Required Field?", "Custom Alignment", "Question Number (surveys only)", "Matrix Group Name", "Matrix Ranking?",
    "Field Annotation",
)  # fmt: skip
TYPES = {
    "text",
    "notes",
    "dropdown",
    "radio",
    "checkbox",
    "calc",
    "file",
    "descriptive",
    "slider",
    "yesno",
    "truefalse",
}
CHOOSING = {"dropdown", "radio", "checkbox"}
VALIDATIONS = {"": str, "number": float, "integer": int, "date_ymd": str}
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
CODE = re.compile(r"[A-Za-z0-9._-]+")
DATE = re.compile(r"\d{4}-\d\d-\d\d")


def complaints(rows: list[Row]) -> list[str]:
    """Everything that REDCap would refuse or warn of, field by field."""
    fields = {row["field_name"]: row for row in rows}
    found = [f"{row['field_name']}: {what}" for row in rows for what in _of_row(row, fields)]
    found += [f"{name}: stands {n} times" for name, n in Counter(row["field_name"] for row in rows).items() if n > 1]
    found += list(_of_project(rows)) + list(_of_matrices(rows))
    return found


def _of_row(row: Row, fields: dict[str, Row]) -> Iterator[str]:
    if tuple(row) != API_COLUMNS:
        yield "has not the 18 columns in their order"
        return
    yield from _of_names(row)
    yield from _of_choices(row)
    yield from _of_validation(row)
    for column in ("identifier", "required_field", "matrix_ranking"):
        if row[column] not in ("", "y"):
            yield f"{column} is neither y nor empty"
    if row["custom_alignment"] not in ("", "RV", "LV", "LH", "RH"):
        yield "unknown alignment"
    if row["required_field"] and row["field_type"] == "checkbox":
        yield "a checkbox cannot be required"
    if row["branching_logic"]:
        try:
            shown(row["branching_logic"], {}, fields)
        except SyntaxError as error:
            yield f"branching logic: {error}"
        if f"[{row['field_name']}]" in row["branching_logic"]:
            yield "is shown by its own value"


def _of_names(row: Row) -> Iterator[str]:
    name, form = row["field_name"], row["form_name"]
    if not NAME.fullmatch(name) or len(name) < 2:
        yield "is no name: small letters, digits and single underscores, a letter first"
    if len(name) > 26:
        yield "has more than 26 letters"
    if name.startswith("redcap_") or name.endswith("_complete"):
        yield "is a name that REDCap keeps for itself"
    if not NAME.fullmatch(form) or len(form) < 2:
        yield "its form is no name"
    if not row["field_label"].strip():
        yield "has no label"
    if re.search(r"<[a-z/]", row["field_label"]):
        yield "its label would be read as HTML"
    if row["field_annotation"].startswith("@"):
        yield "its annotation would be read as an action tag"


def _of_choices(row: Row) -> Iterator[str]:
    written = row["select_choices_or_calculations"]
    if row["field_type"] not in TYPES:
        yield "unknown field type"
    if (row["field_type"] in CHOOSING) != bool(written):
        yield "choices belong to radio buttons, lists and boxes, and to all of them"
    if row["field_type"] not in CHOOSING or not written:
        return
    pairs = [choice.partition(",") for choice in written.split("|")]
    codes = [code.strip() for code, _, _ in pairs]
    if not all(comma and label.strip() for _, comma, label in pairs):
        yield "a choice is not a code, a comma and a label"
    if not all(CODE.fullmatch(code) for code in codes):
        yield "a code holds more than letters, digits, dots, dashes and underscores"
    if len(set(codes)) < len(codes):
        yield "a code stands twice"
    if row["field_type"] == "checkbox" and not all(re.fullmatch(r"[a-z0-9_]+", code) for code in codes):
        yield "the code of a box will not be the end of its column"


def _of_validation(row: Row) -> Iterator[str]:
    kind = row["text_validation_type_or_show_slider_number"]
    bounds = [bound for bound in (row["text_validation_min"], row["text_validation_max"]) if bound]
    if kind not in VALIDATIONS:
        yield "unknown validation"
        return
    if (kind or bounds) and row["field_type"] != "text":
        yield "only a text is validated"
    if bounds and not kind:
        yield "bounds without a validation"
    try:
        values = [VALIDATIONS[kind](bound) for bound in bounds]
    except ValueError:
        yield "a bound is not of its validation"
        return
    if kind == "date_ymd" and not all(DATE.fullmatch(bound) for bound in bounds):
        yield "a bound is not of its validation"
    if len(values) == 2 and not values[0] < values[1]:
        yield "the bounds are the wrong way round"


def _of_project(rows: list[Row]) -> Iterator[str]:
    first = rows[0]
    if first["field_type"] != "text" or first["select_choices_or_calculations"] or first["branching_logic"]:
        yield "the first field, the record id, is not a plain text"
    forms = [row["form_name"] for row in rows]
    runs = [form for place, form in enumerate(forms) if place == 0 or forms[place - 1] != form]
    for form, n in Counter(runs).items():
        if n > 1:
            yield f"{form}: its fields do not stand together"


def _of_matrices(rows: list[Row]) -> Iterator[str]:
    names = [row["matrix_group_name"] for row in rows]
    for matrix in filter(None, dict.fromkeys(names)):
        at = [place for place, name in enumerate(names) if name == matrix]
        members = [rows[place] for place in at]
        if at != list(range(at[0], at[-1] + 1)):
            yield f"{matrix}: its rows do not stand together"
        if len({(m["form_name"], m["field_type"], m["select_choices_or_calculations"]) for m in members}) > 1:
            yield f"{matrix}: its rows differ in form, type or choices"
        if members[0]["field_type"] not in ("radio", "checkbox"):
            yield f"{matrix}: only radio buttons and boxes make a matrix"
        if any(m["section_header"] for m in members[1:]):
            yield f"{matrix}: a header stands within it"
        if not NAME.fullmatch(matrix) or not 2 <= len(matrix) <= 60 or matrix in {row["field_name"] for row in rows}:
            yield f"{matrix}: is no name for a matrix"
    for row in rows:
        if row["matrix_ranking"] and not (row["matrix_group_name"] and row["field_type"] == "radio"):
            yield f"{row['field_name']}: only radio buttons of a matrix are ranked"


TOKENS = re.compile(r"\s*(?:(\[[^]]*\])|('[^']*')|(-?\d+(?:\.\d+)?)|(<>|<=|>=|=|<|>)|(and|or|AND|OR)\b|([()]))")
COMPARED: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip


def shown(logic: str, values: Row, fields: dict[str, Row]) -> bool:
    """Whether a field is shown, with these raw values and the rest empty (3).

    Raises
    ------
    SyntaxError
        For what REDCap's validator of logic refuses: an unknown field or code, a text without quotes, double quotes,
        `and` beside `or` without brackets.
    """
    rest, tokens = logic, []
    while rest.strip():
        match = TOKENS.match(rest)
        if not match:
            raise SyntaxError(f"not understood: {rest.strip()[:20]}")
        tokens.append(match[match.lastindex])
        rest = rest[match.end() :]
    reader = _Reader(tokens, values, fields)
    result = reader.joined()
    if reader.tokens:
        raise SyntaxError(f"too much: {reader.tokens[0]}")
    return result


class _Reader:
    def __init__(self, tokens: list[str], values: Row, fields: dict[str, Row]) -> None:
        self.tokens, self.values, self.fields = tokens, values, fields

    def taken(self) -> str:
        if not self.tokens:
            raise SyntaxError("ends too early")
        return self.tokens.pop(0)

    def joined(self) -> bool:
        results, words = [self.statement()], set()
        while self.tokens and self.tokens[0].lower() in ("and", "or"):
            words.add(self.taken().lower())
            results.append(self.statement())
        if len(words) > 1:
            raise SyntaxError("and beside or needs brackets")
        return all(results) if words == {"and"} else any(results)

    def statement(self) -> bool:
        first = self.taken()
        if first == "(":
            result = self.joined()
            if self.taken() != ")":
                raise SyntaxError("a bracket is not closed")
            return result
        value, choices = self.value(first)
        sign, other = self.taken(), self.taken()
        if sign not in ("=", "<>", *COMPARED):
            raise SyntaxError(f"no comparison: {sign}")
        quoted = other.startswith("'")
        if not quoted and not re.fullmatch(r"-?[\d.]+", other):
            raise SyntaxError(f"no value: {other}")
        against = other.strip("'")
        if choices and against and against not in choices:
            raise SyntaxError(f"no such code: {against}")
        if sign in COMPARED:
            return value != "" and COMPARED[sign](float(value), float(against))
        return (value == against) == (sign == "=")

    def value(self, reference: str) -> tuple[str, set[str]]:
        match = re.fullmatch(r"\[([a-z0-9_]+)(?:\(([^)]+)\))?\]", reference)
        if not match or match[1] not in self.fields:
            raise SyntaxError(f"no such field: {reference}")
        field = self.fields[match[1]]
        written = field["select_choices_or_calculations"]
        codes = {choice.partition(",")[0].strip() for choice in written.split("|")} if written else set()
        if (field["field_type"] == "checkbox") != bool(match[2]) or (match[2] and match[2] not in codes):
            raise SyntaxError(f"boxes are named by their code, and nothing else is: {reference}")
        name = f"{match[1]}___{match[2]}" if match[2] else match[1]
        return self.values.get(name, "0" if match[2] else ""), {"0", "1"} if match[2] else codes
