"""A small REDCap of our own, for tests: a project that stores records, and its API over HTTP.

It is written from REDCap's public descriptions of import, export and API (as cited in `import_rules`), knows nothing
of the code under test, and takes the project's shape from an uploaded data dictionary alone. It is not REDCap. What was
never tried against a real one: user rights, data access groups, surveys, production mode, the order of columns of
several arms, and any wording of an error beyond its form.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

Row = dict[str, str]
STATES = {"0": "Incomplete", "1": "Unverified", "2": "Complete"}
TOKEN = "0123456789ABCDEF0123456789ABCDEF"


class Refused(Exception):
    """What REDCap answers with HTTP 400, or 403 for a token."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def _pairs(written: str) -> Row:
    pairs = (choice.split(",", 1) for choice in written.split("|") if written)
    return {code.strip(): label.strip() for code, label in pairs}


class Project:
    """The records of one project, by record, instrument and instance.

    Parameters
    ----------
    metadata : rows of a data dictionary, under the names of the API
    repeating : instruments that repeat
    missing : missing-data codes with their labels
    """

    def __init__(self, metadata: Iterable[Row], repeating: Iterable[str] = (), missing: Row | None = None) -> None:
        self.metadata = [dict(row) for row in metadata]
        self.fields = {row["field_name"]: row for row in self.metadata}
        self._choices = {row["field_name"]: _pairs(row["select_choices_or_calculations"]) for row in self.metadata}
        self.forms = list(dict.fromkeys(row["form_name"] for row in self.metadata))
        self.record_id = self.metadata[0]["field_name"]
        self.repeating, self.missing = set(repeating), missing or {}
        self.stored: dict[str, dict[tuple[str, str], Row]] = {}

    # What goes in

    def take(self, rows: list[Row]) -> list[str]:
        """Store rows as an import in mode `normal` does: all or none; an empty cell leaves what was there."""
        problems = [problem for row in rows for problem in self._problems(row)]
        if problems:
            raise Refused("\n".join(problems))
        for row in rows:
            key = (row.get("redcap_repeat_instrument", ""), row.get("redcap_repeat_instance", ""))
            kept = self.stored.setdefault(row[self.record_id], {}).setdefault(key, {})
            kept |= {name: value for name, value in row.items() if value != "" and not name.startswith("redcap_")}
        return list(dict.fromkeys(row[self.record_id] for row in rows))

    def _problems(self, row: Row) -> Iterator[str]:
        """As REDCap names them: record, field, value, message."""
        repeated = row.get("redcap_repeat_instrument", "")
        if repeated and repeated not in self.repeating:
            yield f'"{row[self.record_id]}","redcap_repeat_instrument","{repeated}","This instrument does not repeat."'
        for name, value in row.items():
            if name.startswith("redcap_") or value == "":
                continue
            why = self._wrong(name, value, repeated)
            if why:
                yield f'"{row[self.record_id]}","{name}","{value}","{why}"'

    def _wrong(self, column: str, value: str, repeated: str) -> str:
        name, box, code = column.partition("___")
        field = self.fields.get(name)
        if field is None:
            return "This field does not exist in the project."
        if name != self.record_id and (field["form_name"] in self.repeating) != bool(repeated):
            return "This field is on an instrument that is repeated otherwise."
        if box:
            known = {*self.choices(field), *map(str.lower, self.missing)}
            return "" if code in known and value in ("0", "1") else "The value is not a valid option."
        if value in self.missing:
            return ""
        if field["field_type"] in ("radio", "dropdown"):
            return "" if value in self.choices(field) else "The value is not a valid category."
        return self._invalid(field, value)

    @staticmethod
    def _invalid(field: Row, value: str) -> str:
        kind = field["text_validation_type_or_show_slider_number"]
        try:
            number: Any = {"number": float, "date_ymd": dt.date.fromisoformat}.get(kind, str)(value)
            lower, upper = (
                {"number": float, "date_ymd": dt.date.fromisoformat}.get(kind, str)(bound) if bound else number
                for bound in (field["text_validation_min"], field["text_validation_max"])
            )
        except ValueError:
            return f"The value is not a valid {kind}."
        return "" if lower <= number <= upper else "The value is outside the range."

    def choices(self, field: Row) -> Row:
        return self._choices[field["field_name"]]

    # What comes out

    def export(
        self, records: Iterable[str] | None = None, *, labels: bool = False, headers: bool = False,
        box_labels: bool = False, fields: Iterable[str] | None = None,
    ) -> tuple[list[str], list[list[str]]]:  # fmt: skip
        """Header and rows of a flat export: a record's own row, then one an instance of an instrument."""
        columns = self._columns(set(self.fields if fields is None else fields))
        # By form, since the cells of other forms are empty; the record id is in every row.
        by_form: dict[str, list[int]] = {}
        for place, column in enumerate(columns):
            by_form.setdefault(self._form(column) if place else "", []).append(place)
        rows = []
        for record in self.stored if records is None else [one for one in self.stored if one in set(records)]:
            for (instrument, instance), row in sorted({("", ""): {}, **self.stored[record]}.items()):
                cells = [""] * len(columns)
                cells[0] = record
                forms = [instrument] if instrument else [form for form in self.forms if form not in self.repeating]
                for place in (place for form in forms for place in by_form.get(form, [])):
                    cells[place] = self._cell(columns[place], row, labels, box_labels)
                shown = instrument.replace("_", " ").capitalize() if labels else instrument
                rows.append([cells[0], *([shown, instance] if self.repeating else []), *cells[1:]])
        header = [self._title(column) if headers else column for column in columns]
        repeat = (
            ["Repeat Instrument", "Repeat Instance"]
            if headers
            else ["redcap_repeat_instrument", "redcap_repeat_instance"]
        )
        return [header[0], *(repeat if self.repeating else []), *header[1:]], rows

    def _form(self, column: str) -> str:
        name = column.partition("___")[0]
        return self.fields[name]["form_name"] if name in self.fields else column.removesuffix("_complete")

    def _columns(self, wanted: set[str]) -> list[str]:
        columns = []
        for form in self.forms:
            for name, field in self.fields.items():
                if field["form_name"] != form or not (name in wanted or name == self.record_id):
                    continue
                columns += self._boxes(name, field) if field["field_type"] == "checkbox" else [name]
            if f"{form}_complete" in wanted or wanted >= set(self.fields):
                columns.append(f"{form}_complete")
        return columns

    def _boxes(self, name: str, field: Row) -> list[str]:
        """A column a choice, and one for each missing-data code that any record uses there."""
        used = {column for parts in self.stored.values() for row in parts.values() for column in row}
        missing = [f"{name}___{code.lower()}" for code in self.missing if f"{name}___{code.lower()}" in used]
        return [f"{name}___{code}" for code in self.choices(field)] + missing

    def _cell(self, column: str, row: Row, labels: bool, box_labels: bool) -> str:
        name, box, code = column.partition("___")
        if name not in self.fields:
            return STATES["0"] if labels else "0"
        own = self._choices[name]
        if box:
            ticked = row.get(column, "0") == "1"
            if labels and box_labels:
                return (own.get(code) or self.missing[code.upper()]) if ticked else ""
            return ("Checked" if ticked else "Unchecked") if labels else str(int(ticked))
        value = row.get(column, "")
        return own.get(value, self.missing.get(value, value)) if labels else value

    def _title(self, column: str) -> str:
        name, box, code = column.partition("___")
        if column.endswith("_complete") and column not in self.fields:
            return "Complete?"
        if not box:
            return self.fields[name]["field_label"]
        label = self.choices(self.fields[name]).get(code, "") or self.missing[code.upper()]
        return f"{self.fields[name]['field_label']} (choice={label})"

    def file(self, **how: Any) -> str:
        """The same as the CSV that its page hands out."""
        header, rows = self.export(**how)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([header, *rows])
        return text.getvalue()


class _Api(BaseHTTPRequestHandler):
    """POST /api/ with `token` and `content`, answered as JSON."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        asked = {name: values[-1] for name, values in parse_qs(body, keep_blank_values=True).items()}
        self.server.asked.append(asked)
        try:
            answer, status = self._answer(asked), 200
        except Refused as refused:
            answer, status = {"error": str(refused)}, refused.status
        self._send(answer if isinstance(answer, bytes) else json.dumps(answer).encode(), status)

    def _answer(self, asked: Row) -> Any:
        project: Project = self.server.project
        if self.server.saying is not None:
            return self.server.saying
        if asked.get("token") != TOKEN:
            raise Refused("You do not have permissions to use the API", 403)
        match asked["content"], "data" in asked:
            case "metadata", False:
                return project.metadata
            case "project", False:
                codes = " | ".join(f"{code}, {label}" for code, label in project.missing.items())
                return {"project_id": 7, "is_longitudinal": 0, "missing_data_codes": codes}
            case "record", True:
                return {"count": len(project.take(list(csv.DictReader(io.StringIO(asked["data"])))))}
            case "record", False:
                header, rows = project.export(_list(asked, "records"), fields=_list(asked, "fields"))
                return [dict(zip(header, row, strict=True)) for row in rows]
        raise Refused(f"The value of the parameter content is not valid: {asked['content']}")

    def _send(self, body: bytes, status: int) -> None:
        if self.server.redirects_to:
            self.send_response(307)
            self.send_header("Location", self.server.redirects_to)
            body = b""
        else:
            self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _list(asked: Row, name: str) -> list[str] | None:
    """PHP's arrays: `records[0]=..&records[1]=..`; None where there is none."""
    values = [value for key, value in asked.items() if re.fullmatch(rf"{name}\[\d+\]", key)]
    return values or None


@contextmanager
def served(project: Project) -> Iterator[ThreadingHTTPServer]:
    """The project's API on a free port of this machine; `server.asked` lists the requests."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Api)
    server.project, server.asked, server.saying, server.redirects_to = project, [], None, ""
    server.url = f"http://127.0.0.1:{server.server_port}/api/"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
