"""The page on which a surgeon reviews what the builders take for true: every knowledge table, in words."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from features.anatomy import ZONE_LABELS
from features.axes import CAUSES, LABELS, LEVELS, REGIONS, ROOTS
from features.cause_priors import NEEDS
from features.cause_tables import GROUPS, cause_findings, causes, evidence, investigations, stated_ratios
from features.dictionary import Variable, load_dictionary
from features.finding_evidence import LIKE_THE_CLINIC, agreement_words
from features.knowledge_checks import AXIAL_SOURCES, DECADES, ROOT_ZONES
from features.knowledge_tables import knowledge_table, table_names
from features.mimic_tables import capped_ratios
from features.red_flags import MONTHS_SINCE
from features.words import percent

NOT_FOR_REVIEW = ("variables", "choices")
"""The dictionary has a page of its own."""
STATUS_WORDS = {
    "verified": "the figure was read in the source named",
    "derived": "computed from figures that were read",
    "mixed": "in part read, in part from memory; the source says which",
    "memory": "background knowledge, to be checked",
    "assumption": "nobody has measured it",
    "expert_assignment": "a judgement, made without data on this very point",
}
PUBLISHED = ("verified", "derived")
AGES_SHOWN = (30, 50, 70)

Numbers = Mapping[str, int]
Rows = list[str]


@dataclass(frozen=True)
class Section:
    """A part of the page: what its tables are for, how sure they are, and how they are drawn."""

    title: str
    tables: tuple[str, ...]
    about: str
    drawn: Callable[[Numbers], Rows]


def knowledge_page() -> str:
    """Every knowledge table but the dictionary as a Markdown page, sources as numbered references at its end."""
    sections = _sections()
    numbers = _source_numbers(name for section in sections for name in section.tables)
    lines = [
        "# What the builders take for true",
        "",
        "Made from the tables of `features/knowledge/` by `make docs`; do not edit this page.",
        "",
        "Everything that the two clinical builders know about lesions, roots, pain and mimics stands on this page, "
        "for a surgeon to review. A number in square brackets leads to its source at the end. "
        "**Bold** in a grid is a published figure, plain is a judgement. To correct a fact, correct its row in the "
        "table that the section names, with its source.",
        "",
        *_status_table(sections),
        "",
        *(f"{place}. [{section.title}](#{_anchor(section.title)})" for place, section in enumerate(sections, start=1)),
    ]
    for section in sections:
        lines += ["", f"## {section.title}", "", section.about, "", _counted(section), "", *section.drawn(numbers)]
    lines += ["", "## Sources", "", *(f'{n}. <a id="source-{n}"></a>{_cell(source)}' for source, n in numbers.items())]
    return "\n".join(lines) + "\n"


def _sections() -> list[Section]:
    named = [
        Section(
            "Which root a lesion reaches",
            ("root_reach",),
            "A lesion of the scan becomes a compromise of roots by its level and zone; 1 is reached as far as the "
            "lesion itself counts, 0.3 three tenths of that. The first root is the textbook rule; how far a second one "
            "is reached is a judgement. Conjoined roots are not covered; another numbering of the levels moves the "
            "whole grid by one root.",
            _root_reach,
        ),
        Section(
            "Where each source is felt",
            ("territories",),
            "Share of patients with that source who feel pain in the region, on its side. For the roots only the two "
            "shares behind thigh and calf in S1 rest on counted patients, and those were counted by dermatome; the "
            "mimics rest on about 50 patients each, if on any. Pain leaves the dermatome in most patients, so nothing "
            "here is all or nothing. An empty cell counts as 0.",
            _territories,
        ),
        Section(
            "How reliable a finding is as a source of pain",
            ("lesion_weights",),
            "How far a finding of that grade, at its site, is believed to be a source of pain, on [0, 1]. These are "
            "judgements, the softest facts of the page. Where the finding is common in people without pain, its weight "
            "is reduced by the share of them at that age: the last columns show what is left.",
            _lesion_weights,
        ),
        Section(
            "Findings in people without pain",
            ("asymptomatic_prevalence",),
            "Share of people without back pain who have the finding at that age, and the number of people behind it. "
            "The shares come from a smooth model over 33 studies: from 60 years on each rests on 14 to 86 people, and "
            "0 people means that the model was extrapolated. They count the whole lumbar spine, not one level.",
            _prevalence,
        ),
        Section(
            "How much a finding tells",
            ("finding_ratios",),
            "Odds and likelihood ratios of findings, for sentences beside a case; no weight is computed from them. "
            "An odds ratio against low back pain says little about leg pain, and discography is a disputed reference. "
            "For central stenosis no odds ratio is given: the interval printed for it does not hold its estimate.",
            _finding_ratios,
        ),
        Section(
            "How well readers agree",
            ("reader_agreement",),
            "Two readers of one scan, or one patient drawing twice. Root compression, the link from the scan to the "
            "pain, is read less reliably than the herniation behind it. Sentences beside a case quote the kappas "
            "between readers who had not devised the grading.",
            _reader_agreement,
        ),
        Section(
            "Gradings of the scan and the examination",
            ("grading_systems",),
            "The grading that each column is recorded in. A grade written in another way is refused by name and never "
            "translated silently.",
            lambda numbers: _plain_table("grading_systems", numbers),
        ),
        Section(
            "Signs of each root",
            ("root_signs",),
            "What speaks for a root at the examination. The root of each sign is standard; its weight and threshold "
            "are judgements. A test that was not done says nothing.",
            _root_signs,
        ),
        Section(
            "Mimics: what is not the spine",
            tuple(name for name in table_names() if name.startswith("mimic_")),
            "Tests, clusters and rules for conditions outside the spine that feel like it, and how common they are "
            "before any test. Ratios from tiny studies are capped when they are used, whatever is printed here.",
            _mimics,
        ),
        Section(
            "Red flags",
            ("red_flags", "followup_red_flags"),
            "A case with a red flag is no question for a risk model, nor for a ranking of causes: it is shown with "
            "what to do now, and gets neither. Flags are kept specific, since each takes a case out; a question that "
            "was not asked raises none. The second table holds only after an operation.",
            _red_flags,
        ),
        Section(
            "Causes of failure",
            ("causes",),
            "What can be the cause after an operation that failed. The shares are those among failures of that kind of "
            "operation; series disagree by factors, so `cause.prior_weight` decides how far they count. A cause that "
            "needs what was not done is not ranked.",
            _causes,
        ),
        Section(
            "What is looked for after a failed operation",
            ("cause_findings", "investigations"),
            "When a finding counts as present, and what brings it to light. The background is the share of failures "
            "from other causes in which it is present; it serves the choice of the next investigation, and no points.",
            _cause_findings,
        ),
        Section(
            "What each finding says of each cause",
            ("cause_evidence",),
            "Each cause is judged on its own against all others. A published ratio counts as far as the size of its "
            "study allows; where none was published an ordered rule says that a finding speaks weakly, moderately or "
            "strongly (`cause.rule_ratios`). Of the findings of one cluster the strongest for and the strongest "
            "against the cause count. An empty cell says nothing.",
            _cause_evidence,
        ),
        Section(
            "Treatments after a failed operation",
            ("treatments", "treatment_confirmations", "contraindications", "treatment_goals"),
            "What may be done about each generator of pain, the least invasive first, what must be shown before it, "
            "what the record forbids, and the change that counts.",
            lambda numbers: _by_name(
                ("treatments", "treatment_confirmations", "contraindications", "treatment_goals"), numbers
            ),
        ),
        Section(
            "Outcomes",
            ("outcomes",),
            "What counts as having failed. One outcome has one kind of rule, and none is ever imputed.",
            lambda numbers: _plain_table(
                "outcomes", numbers, without=("instrument", "baseline", "reported", "rule", "cutoff")
            ),
        ),
        Section(
            "Who is in a study",
            ("criteria",),
            "Criteria in their order; a case is excluded by the first that it does not meet. A value in words is "
            "that of a parameter of `cohort`. A study with a record of its own brings criteria of its own.",
            lambda numbers: _plain_table("criteria", numbers, without=("criterion",)),
        ),
        Section(
            "Predictors",
            ("predictors",),
            "What a learner may use, in the order of what is known of it beforehand. A direction of +1 or -1 is held "
            "to by the learner; 0 leaves it open. That the sources of the pain matter for failure is an assumption: "
            "nobody has published it.",
            lambda numbers: _plain_table("predictors", numbers, without=("predictor",)),
        ),
        Section(
            "Units",
            ("unit_conversions",),
            "Conversions by name, for the mapping of a study: value times factor, plus offset.",
            lambda numbers: _plain_table("unit_conversions", numbers),
        ),
    ]
    shown = {name for section in named for name in section.tables}
    others = tuple(name for name in table_names() if name not in shown and name not in NOT_FOR_REVIEW)
    about = "Tables without a section of their own, as they stand."
    return named + (
        [Section("Other tables", others, about, lambda numbers: _by_name(others, numbers))] if others else []
    )


# Around the tables


def _source_numbers(names: Iterable[str]) -> dict[str, int]:
    """Each source by its number, in the order in which the page first needs it."""
    sources = [source for name in names for source in knowledge_table(name).get("source", ())]
    return {source: number for number, source in enumerate(dict.fromkeys(sources), start=1)}


def _status_table(sections: list[Section]) -> Rows:
    tables = [knowledge_table(name) for section in sections for name in section.tables]
    counts = pd.concat([table["status"] for table in tables if "status" in table]).value_counts()
    return _table(
        ("status", "means", "facts"),
        [(f"`{status}`", words, f"{counts.get(status, 0)}") for status, words in STATUS_WORDS.items()],
    )


def _counted(section: Section) -> str:
    tables = [knowledge_table(name) for name in section.tables]
    files = ", ".join(f"`{name}.csv`" for name in section.tables)
    with_status = [table["status"] for table in tables if "status" in table]
    if not with_status:
        return f"{files}: {sum(map(len, tables))} rows."
    statuses = pd.concat(with_status)
    counts = [f"{int((statuses == status).sum())} {status}" for status in STATUS_WORDS if (statuses == status).any()]
    return f"{files}: {len(statuses)} facts, {', '.join(counts)}."


def _anchor(title: str) -> str:
    return "".join(letter for letter in title.lower().replace(" ", "-") if letter.isalnum() or letter == "-")


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Rows:
    head = list(head)
    lines = [head, ["---"] * len(head), *map(list, rows)]
    return ["| " + " | ".join(cells) + " |" for cells in lines]


def _cell(value: object) -> str:
    if pd.isna(value):
        return ""
    text = f"{value:g}" if isinstance(value, int | float) else str(value)
    return text.replace("|", "/").replace("<=", "≤").replace(">=", "≥").replace("<", "&lt;")


def _reference(source: object, numbers: Numbers) -> str:
    number = numbers.get(str(source))
    return f"[[{number}]](#source-{number})" if number else ""


def _references(sources: Iterable[object], numbers: Numbers) -> str:
    return " ".join(_reference(source, numbers) for source in sorted(set(map(str, sources)), key=lambda s: numbers[s]))


def _words(name: object) -> str:
    """A name of a table's row or column as a person reads it."""
    return "" if pd.isna(name) else LABELS.get(str(name), str(name).replace("_", " "))


def _figure(value: float, is_published: bool) -> str:
    return f"**{value:g}**" if is_published else f"{value:g}"


def _with_interval(row: pd.Series) -> str:
    interval = "" if pd.isna(row["low"]) else f"{row['low']:g} to {row['high']:g}"
    if pd.isna(row["value"]):
        return interval
    return f"{row['value']:g} ({interval})" if interval else f"{row['value']:g}"


def _item_variable(item: str, **coordinates: str) -> Variable:
    """The first variable of an item at those coordinates, whose label and choices hold for all of them."""
    return next(
        v for v in load_dictionary().predictors if v.item == item and set(coordinates.items()) <= set(v.coordinates)
    )


def _item_words(item: str, **coordinates: str) -> str:
    """The label of an item without the places at which it is recorded, but for those given."""
    variable = _item_variable(item, **coordinates)
    label = variable.label
    for axis, place in variable.coordinates:
        if axis not in coordinates:
            label = label.replace(f", {LABELS[place]}", "").replace(f" {LABELS[place]}", "").replace(" ()", "")
    return label


def _grade_words(item: str, grade: float) -> str:
    return str(dict(_item_variable(item).choices)[float(grade)])


RULE_WORDS = {">=": "{} or more", "<=": "{} or less", ">": "more than {}", "<": "less than {}"}
FEW = 2


def _positive_when(item: str, rule: str, threshold: float) -> str:
    """When a test counts as positive: the one or two choices that do, or the one it has to reach."""
    variable = _item_variable(item)
    if not variable.choices:
        return RULE_WORDS[rule].format(" ".join(filter(None, (f"{threshold:g}", variable.unit))))
    meets = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}[rule]
    labels = [label for code, label in variable.choices if meets(code, threshold)]
    if len(labels) > FEW:
        return RULE_WORDS[rule].format(dict(variable.choices)[float(threshold)])
    return " or ".join(labels)


def _with_source(head: list[str], rows: list[list[str]], table: pd.DataFrame, numbers: Numbers) -> Rows:
    """A table with its sources by number, and the status of each row where it is not the same throughout."""
    if "status" in table and len(set(table["status"])) > 1:
        head = [*head, "status"]
        rows = [[*row, status] for row, status in zip(rows, table["status"], strict=True)]
    if "source" in table:
        head = [*head, "source"]
        rows = [[*row, _reference(source, numbers)] for row, source in zip(rows, table["source"], strict=True)]
    return _table(head, rows)


def _plain_table(name: str, numbers: Numbers, without: tuple[str, ...] = ()) -> Rows:
    """A table as it stands, names as words, a test with when it is positive; empty columns are left out."""
    table = knowledge_table(name).dropna(axis="columns", how="all")
    shown = table.drop(columns=[column for column in (*without, "source", "status") if column in table])
    if {"item", "rule", "threshold"} <= set(shown):
        positive = [_positive_when(*test) for test in shown[["item", "rule", "threshold"]].itertuples(index=False)]
        shown = shown.assign(rule=positive).drop(columns="threshold").rename(columns={"rule": "positive when"})
    if "item" in shown:
        regions = shown["region"] if "region" in shown else pd.Series(None, index=shown.index)
        shown = shown.assign(item=[_test_words(*test) for test in zip(shown["item"], regions, strict=True)])
        shown = shown.drop(columns="region", errors="ignore")
    rows = [[_cell(_words(value) if isinstance(value, str) else value) for value in row] for row in shown.to_numpy()]
    return _with_source([_words(column) for column in shown], rows, table, numbers)


def _test_words(item: object, region: object) -> str:
    if pd.isna(item):
        return ""
    if not pd.isna(region):
        return _item_words(str(item), region=str(region))
    return "Pain in the drawing" if item == "pain" else _item_words(str(item))


def _by_name(names: Iterable[str], numbers: Numbers) -> Rows:
    return [
        line for name in names for line in (f"### {_words(name).capitalize()}", "", *_plain_table(name, numbers), "")
    ]


# The tables


def _root_reach(numbers: Numbers) -> Rows:
    table = knowledge_table("root_reach").sort_values("reach", ascending=False, kind="stable")
    by_place = dict(list(table.groupby(["level", "zone"])))

    def cell(level: str, zone: str) -> str:
        rows = by_place[level, zone]
        return ", ".join(f"{_words(root)} {reach:g}" for root, reach in zip(rows["root"], rows["reach"], strict=True))

    grid = _table(
        ["level", *(ZONE_LABELS[zone] for zone in ROOT_ZONES)],
        [[_words(level), *(cell(level, zone) for zone in ROOT_ZONES)] for level in LEVELS],
    )
    return [*grid, "", f"Sources: {_references(table['source'], numbers)}"]


def _territories(numbers: Numbers) -> Rows:
    table = knowledge_table("territories")
    rows = {(row.pain_source, row.region): row for row in table.itertuples()}
    spine = [*ROOTS, *AXIAL_SOURCES]
    mimics = [source for source in dict.fromkeys(table["pain_source"]) if source not in spine]

    def cell(source: str, region: str) -> str:
        row = rows.get((source, region))
        return "" if row is None else _figure(row.share, row.status in PUBLISHED)

    def grid(sources: list[str]) -> Rows:
        lines = [[_words(region), *(cell(source, region) for source in sources)] for region in REGIONS]
        return _table(["region", *(_words(source) for source in sources)], lines)

    behind = [
        f"- {_words(source)}: {_people(rows)}{_references(rows['source'], numbers)}"
        for source in (*spine, *mimics)
        for rows in (table[table["pain_source"] == source],)
    ]
    return [
        *("Roots, discs and facet joints:", "", *grid(spine)),
        *("", "What is not the spine:", "", *grid(mimics)),
        *("", "Patients behind the published shares, and sources:", "", *behind),
    ]


def _people(rows: pd.DataFrame) -> str:
    n = sorted({int(people) for people in rows["n"].dropna() if people > 0})
    return f"n = {', '.join(map(str, n))}. " if n else ""


def _lesion_weights(numbers: Numbers) -> Rows:
    table = knowledge_table("lesion_weights")
    prevalence = knowledge_table("asymptomatic_prevalence").set_index(["finding", "age_years"])["prevalence"]

    def left(row: pd.Series, age: int) -> str:
        if not isinstance(row["prevalence_finding"], str):
            return ""
        return f"{row['weight'] * (1 - prevalence[row['prevalence_finding'], age]):.2f}"

    def cells(row: pd.Series) -> list[str]:
        zone = {} if pd.isna(row["zone"]) else {"zone": str(row["zone"])}
        return [
            _item_words(row["item"], **zone),
            ZONE_LABELS[row["site_zone"]],
            _grade_words(row["item"], row["grade"]),
            f"{row['weight']:g}",
            *(left(row, age) for age in AGES_SHOWN),
        ]

    head = ["finding", "source of pain", "grade", "weight", *(f"at {age} years" for age in AGES_SHOWN)]
    return _with_source(head, [cells(row) for _, row in table.iterrows()], table, numbers)


def _prevalence(numbers: Numbers) -> Rows:
    table = knowledge_table("asymptomatic_prevalence")
    by_place = {(row.finding, row.age_years): row for row in table.itertuples()}

    def cell(finding: str, age: int) -> str:
        row = by_place[finding, age]
        share = percent(row.prevalence)
        return f"{f'**{share}**' if row.n > 0 else share} ({int(row.n)})"

    grid = _table(
        ["finding", *(f"{age} years" for age in DECADES)],
        [[_words(finding), *(cell(finding, age) for age in DECADES)] for finding in dict.fromkeys(table["finding"])],
    )
    return [*grid, "", f"In brackets: people of that age. Sources: {_references(table['source'], numbers)}"]


METRIC_WORDS = {
    "odds_ratio": "odds ratio",
    "lr_positive": "LR+",
    "lr_negative": "LR-",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "share_with_pain": "with pain",
    "share_without_pain": "without pain",
    "share_with_symptoms": "with symptoms",
}
STUDY = ["finding", "reference", "population", "source"]


def _finding_ratios(numbers: Numbers) -> Rows:
    table = knowledge_table("finding_ratios")
    lines: Rows = []
    for question in dict.fromkeys(table["question"]):
        lines += [f"### {question.capitalize()}", "", *_ratios_of(table[table["question"] == question], numbers), ""]
    return [
        *lines,
        "In brackets behind a figure: its 95 % interval. With or without pain: the share of people who have it.",
    ]


def _ratios_of(table: pd.DataFrame, numbers: Numbers) -> Rows:
    """One row a finding and study, its figures side by side."""
    metrics = [metric for metric in METRIC_WORDS if (table["metric"] == metric).any()]
    head = ["finding", *(METRIC_WORDS[metric] for metric in metrics), "against", "people", "n", "status", "source"]
    rows = []
    for (finding, reference, population, _), study in table.groupby(STUDY, sort=False):
        figures = {row["metric"]: _with_interval(row) for _, row in study.iterrows()}
        rows.append(
            [
                *(_cell(finding), *(figures.get(metric, "") for metric in metrics)),
                *(_cell(reference), _cell(population), _cell(study["n"].iloc[0])),
                *(", ".join(dict.fromkeys(study["status"])), _references(study["source"], numbers)),
            ]
        )
    return _table(head, rows)


def _reader_agreement(numbers: Numbers) -> Rows:
    items = list(dict.fromkeys(v.item for v in load_dictionary().predictors if v.form == "imaging"))
    table = knowledge_table("reader_agreement")
    order = [items.index(item) if item in items else len(items) for item in table["item"]]
    table = table.assign(order=order).sort_values("order", kind="stable")
    head = ["finding", "who", "statistic", "value", "readers agree", "readers", "n", "note"]
    rows = [
        [
            _cell(row["finding"]),
            f"{row['comparison']} ({row['setting']})",
            _cell(row["statistic"]),
            _with_interval(row),
            _in_words(row),
            *(_cell(row[column]) for column in ("readers", "n", "note")),
        ]
        for _, row in table.iterrows()
    ]
    note = "In brackets behind a value: its 95 % interval. Words after Landis and Koch 1977."
    return [*_with_source(head, rows, table, numbers), "", note]


def _in_words(row: pd.Series) -> str:
    """Agreement in words for a kappa between readers who had not devised the grading."""
    is_kappa = "kappa" in row["statistic"] and row["setting"] in LIKE_THE_CLINIC and not pd.isna(row["value"])
    return agreement_words(row["value"]) if is_kappa else ""


def _root_signs(numbers: Numbers) -> Rows:
    """One row a sign, the weight with which it speaks for each root."""
    table = knowledge_table("root_signs")
    roots = [root for root in ROOTS if root in set(table["root"])]
    # A reflex is one of two roots; power is tested root by root and is one sign.
    is_shared = table.groupby("item")["tested_root"].transform(lambda tested: tested.duplicated().any())
    table = table.assign(sign_root=table["tested_root"].where(is_shared))
    rows = []
    for (item, tested), sign in table.groupby(["item", "sign_root"], sort=False, dropna=False):
        weights = dict(zip(sign["root"], sign["weight"], strict=True))
        fixed = {} if pd.isna(tested) else {"root": tested}
        rows.append(
            [
                _item_words(item, **fixed),
                _positive_when(item, sign["rule"].iloc[0], sign["threshold"].iloc[0]),
                *(f"{weights[root]:g}" if root in weights else "" for root in roots),
                _references(sign["source"], numbers),
            ]
        )
    return _table(["sign", "positive when", *(_words(root) for root in roots), "source"], rows)


def _mimics(numbers: Numbers) -> Rows:
    return _by_name((name for name in table_names() if name.startswith("mimic_")), numbers)


def _red_flags(numbers: Numbers) -> Rows:
    return [
        *_flags_of("red_flags", numbers),
        "",
        "After an operation:",
        "",
        *_flags_of("followup_red_flags", numbers),
    ]


def _flags_of(name: str, numbers: Numbers) -> Rows:
    table = knowledge_table(name)
    rows = [
        [
            _cell(row["label"]),
            " and ".join(_condition(text) for text in row["all_of"].split("+")),
            row["urgency"],
            _cell(row["action"]),
        ]
        for _, row in table.iterrows()
    ]
    return _with_source(["flag", "raised by", "urgency", "what to do now"], rows, table, numbers)


def _causes(numbers: Numbers) -> Rows:
    head = ["cause", "class", "cannot be where", *(f"after {group}" for group in GROUPS)]
    rows = [
        [cause.label, cause.kind, NEEDS[cause.needs], *(percent(cause.shares[group]) for group in GROUPS)]
        for cause in causes()
    ]
    return _with_source(head, rows, knowledge_table("causes").set_index("cause").loc[list(CAUSES)], numbers)


def _cause_findings(numbers: Numbers) -> Rows:
    table, lines = knowledge_table("cause_findings"), []
    for investigation in investigations():
        of_it = table[table["investigation"] == investigation.name]
        rows = [[_plain(row.label), *_when(row), percent(row.background)] for row in of_it.itertuples()]
        source = _reference(_investigation_source(investigation.name), numbers)
        looks_for = f"Looks for {investigation.looks_for}. {source}"
        head = ["finding", "present when", "threshold", "background"]
        lines += [f"### {investigation.label}", "", looks_for, "", *_with_source(head, rows, of_it, numbers), ""]
    return lines[:-1]


def _investigation_source(name: str) -> str:
    table = knowledge_table("investigations").set_index("investigation")
    return str(table.loc[name, "source"])


def _when(row: Any) -> tuple[str, str]:
    """The definition of a finding, and its threshold with the unit."""
    if pd.isna(row.threshold):
        return _cell(row.definition), ""
    unit = "" if pd.isna(row.unit) else f" {row.unit}"
    return _cell(row.definition), f"{_cell(row.rule)} {row.threshold:g}{unit}"


def _plain(label: str) -> str:
    """A label with a blank for the number behind it."""
    return re.sub(r"\{(value|percent)[^}]*\}", "…", label)


def _cause_evidence(numbers: Numbers) -> Rows:
    labels = {one.name: _plain(one.label) for one in cause_findings()}
    lines: Rows = []
    for cause in causes():
        rows = [row for row in evidence().rows if CAUSES[row["cause"]] == cause.name]
        if rows:
            table = pd.DataFrame(rows)
            cells = [
                [labels[cause_findings()[row["finding"]].name], *_says(row), _words(row["cluster"])] for row in rows
            ]
            head = ["finding", "present", "absent", "n", "cluster"]
            lines += [f"### {cause.label.capitalize()}", "", *_with_source(head, cells, table, numbers), ""]
    return lines[:-1]


def _says(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """What a row says where its finding is present, where it is absent, and of how many patients that is known."""
    if row["basis"] == "rule":
        return row["if_present"], row["if_absent"], ""
    if row["basis"] == "mimic":
        return "its own ratio", "its own ratio", ""
    positive, negative = stated_ratios(row["sensitivity"], row["specificity"], row["lr_positive"], row["lr_negative"])
    counted = capped_ratios(positive, negative, row["n"])
    said = [
        f"LR {ratio:.2g}" + (f", counts as {most:.2g}" if f"{most:.2g}" != f"{ratio:.2g}" else "")
        for ratio, most in zip((positive, negative), counted, strict=True)
    ]
    return said[0], said[1], _cell(row["n"])


def _condition(text: str) -> str:
    for rule, words in ((">=", "or more"), ("<=", "or less")):
        if rule in text:
            name, threshold = text.split(rule)
            if name == MONTHS_SINCE:
                return f"{threshold} months {words} since the operation"
            variable = load_dictionary()[name]
            return f"{variable.label.lower()} {threshold} {variable.unit} {words}".replace("  ", " ")
    label = load_dictionary()[text].label
    return label[0].lower() + label[1:]
