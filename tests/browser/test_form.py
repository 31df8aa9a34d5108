"""The page without a browser: everything of the dictionary is on it once, and nothing comes from elsewhere."""

import itertools
import re
from html.parser import HTMLParser

import pytest

from features.axes import LEVELS
from features.dictionary import load_dictionary
from features.errors import KnowledgeError
from models.body_figure import region_shapes
from pipeline.service.page import form
from pipeline.service.page.render import STATIC, screening_page

PAGE = screening_page()
VARIABLES = load_dictionary().predictors
LATER = [v for v in load_dictionary().known_by("follow_up") if v.known != "preoperative"]


class Elements(HTMLParser):
    """Every element of a page with its attributes, and those of each question."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.of: dict[str, list[tuple[str, dict[str, str]]]] = {"before": [], "after": []}
        self.inside: str | None = None

    def handle_starttag(self, tag, attrs):
        given = {name: value or "" for name, value in attrs}
        self.inside = given.get("data-question", self.inside) if given.get("id") != "answer-view" else None
        self.found.append((tag, given))
        if self.inside:
            self.of[self.inside].append((tag, given))


@pytest.fixture(scope="module")
def parsed():
    parser = Elements()
    parser.feed(PAGE)
    return parser


@pytest.fixture(scope="module")
def whole_page(parsed):
    return parsed.found


@pytest.fixture(scope="module")
def elements(parsed):
    """Those of the form before an operation."""
    return parsed.of["before"]


@pytest.fixture(scope="module")
def workup(parsed):
    """Those of the form after one that failed."""
    return parsed.of["after"]


@pytest.fixture
def tables(monkeypatch):
    """The tables of the form, to be changed by a test."""
    form.form_sections.cache_clear()
    found = {name: form._table(name) for name in ("blocks", "items")}
    monkeypatch.setattr(form, "_table", found.__getitem__)
    yield found
    form.form_sections.cache_clear()


def test_every_preoperative_variable_is_asked_for_once_and_no_later_one(elements):
    fields = [given["data-field"] for _, given in elements if "data-field" in given]
    assert sorted(fields) == sorted(["case_id", *(variable.name for variable in VARIABLES)])


def test_every_later_variable_is_asked_for_once_after_the_operation_and_no_adjudication(workup):
    fields = [given["data-field"] for _, given in workup if "data-field" in given]
    assert len(fields) == len(set(fields))
    assert {variable.name for variable in LATER} - set(fields) == set(form.LEFT_OUT)
    assert set(fields) - {variable.name for variable in LATER} <= {variable.name for variable in VARIABLES} | {
        "case_id"
    }


def test_no_two_elements_share_an_id_and_every_label_and_description_has_its_element(whole_page):
    ids = [given["id"] for _, given in whole_page if "id" in given]
    assert len(ids) == len(set(ids))
    named = ("for", "aria-describedby", "aria-labelledby", "aria-controls")
    pointed = [name for _, given in whole_page for key in named for name in given.get(key, "").split()]
    assert set(pointed) <= set(ids)


def test_a_number_has_its_range_and_unit_beside_it_and_a_choice_its_choices(elements):
    controls = {given["name"]: given for tag, given in elements if tag in ("input", "select") and "name" in given}
    assert controls["odi"]["data-expected"] == "0 to 100 points of 100"
    codes = [given["value"] for tag, given in elements if tag == "input" and given.get("name") == "smoking"]
    assert codes == ["", "0", "1", "2"]


def test_nothing_is_recorded_before_somebody_records_it(elements):
    checked = [given for tag, given in elements if tag == "input" and "checked" in given]
    assert {given["value"] for given in checked} == {""}
    assert not [given for tag, given in elements if tag == "input" and given.get("type") == "text" and "value" in given]


def test_every_region_is_one_control_and_every_shape_can_be_clicked(elements):
    regions = [given for _, given in elements if given.get("class") == "region"]
    assert len(regions) == len(region_shapes())
    controls = [(given["data-region"], given["data-side"]) for given in regions if given.get("role") == "slider"]
    assert len(controls) == len(set(controls)) == len({(s.region, s.side) for s in region_shapes()})


def test_the_body_of_the_work_up_marks_what_hurts_now(workup):
    stems = [given["data-stem"] for _, given in workup if given.get("class") == "body"]
    names = {given["data-field"] for _, given in workup if "data-field" in given}
    regions = [given for _, given in workup if given.get("class") == "region"]
    assert stems == ["followup_pain_"]
    assert {f"followup_pain_{given['data-region']}_{given['data-side']}" for given in regions} <= names


def test_every_place_of_the_follow_up_scan_leads_to_a_finding(workup):
    cells = [given for _, given in workup if given.get("class") == "place" and "data-zone" in given]
    at = ("data-level", "data-zone", "data-side")
    fields = {tuple(given.get(axis, "") for axis in at) for _, given in workup if "data-field" in given}
    assert {tuple(given[axis] for axis in at) for given in cells} <= fields


def test_every_place_of_a_herniation_can_be_clicked(elements):
    cells = [given for _, given in elements if given.get("class") == "place"]
    places = {tuple(given[f"data-{axis}"] for axis in ("level", "zone", "side")) for given in cells}
    asked = {
        tuple(dict(v.coordinates).get(axis, "") for axis in ("level", "zone", "side"))
        for v in VARIABLES
        if v.item == "herniation"
    }
    assert places == asked
    for level in LEVELS:
        row = [given for given in cells if given["data-level"] == level]
        ends = [(float(given["x"]), float(given["x"]) + float(given["width"])) for given in row]
        assert all(left[1] == pytest.approx(right[0]) for left, right in itertools.pairwise(ends))


def test_the_page_needs_no_other_host_no_inline_script_and_no_inline_style(whole_page):
    assert not re.findall(r"https?://(?!www\.w3\.org)", PAGE)
    assert not [given for _, given in whole_page if "style" in given or any(name.startswith("on") for name in given)]
    assert all(given.get("src") for tag, given in whole_page if tag == "script")


def test_no_script_reads_what_was_received_as_markup_or_names_a_host():
    for script in sorted(STATIC.glob("*.js")):
        text = script.read_text(encoding="utf-8")
        assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text), script.name
        assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text), script.name
    for style in sorted(STATIC.glob("*.css")):
        assert "@import" not in style.read_text(encoding="utf-8")
        assert "url(" not in style.read_text(encoding="utf-8")


@pytest.mark.parametrize("tab", form.PREFIXES)
def test_one_act_records_what_is_normal_and_only_that(tab):
    for section in form.form_sections(tab):
        for block in section.blocks:
            acts = [field for field in block.fields if field.normal]
            in_parts = block.layout == "layers" or any(block.modalities)  # which have acts of their own
            assert bool(acts) == bool(block.all_normal or in_parts), block.name
            assert all(field.normal in field.unremarkable for field in acts), block.name


def test_a_variable_that_no_table_places_is_asked_for_all_the_same(tables):
    items = tables["items"]
    tables["items"] = items[~items["item"].isin(["fair", "followup_fair"])]
    asked = {
        tab: [field.name for section in form.form_sections(tab) for block in section.blocks for field in block.fields]
        for tab in form.PREFIXES
    }
    assert sorted(asked["before"]) == sorted(variable.name for variable in VARIABLES)
    assert {"followup_fair_left", "followup_fair_right"} <= set(asked["after"])


def test_a_faulty_table_is_refused_with_every_fault(tables):
    items, blocks = tables["items"], tables["blocks"]
    items.loc[items["item"] == "slr", "normal"] = "7"
    items.loc[items["item"] == "odi", "block"] = "nowhere"
    items.loc[items["item"] == "bmi_kg_m2", "item"] = "shoe_size"
    items.loc[items["item"] == "followup_enhancement", "implies"] = "sunshine"
    blocks.loc[0, "layout"] = "wheel"
    with pytest.raises(KnowledgeError) as refused:
        form.form_sections()
    for fault in ("wheel", "nowhere", "shoe_size", "slr takes 7 for normal", "implies sunshine"):
        assert fault in str(refused.value)


def test_the_banner_stands_from_the_start_where_a_model_is_virtual():
    assert 'id="banner">' in screening_page(is_virtual=True)
    assert 'id="banner" hidden>' in PAGE
