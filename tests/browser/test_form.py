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


class Elements(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, {name: value or "" for name, value in attrs}))


@pytest.fixture(scope="module")
def elements():
    parser = Elements()
    parser.feed(PAGE)
    return parser.found


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


def test_the_page_needs_no_other_host_no_inline_script_and_no_inline_style(elements):
    assert not re.findall(r"https?://(?!www\.w3\.org)", PAGE)
    assert not [given for _, given in elements if "style" in given or any(name.startswith("on") for name in given)]
    assert all(given.get("src") for tag, given in elements if tag == "script")


def test_no_script_reads_what_was_received_as_markup_or_names_a_host():
    for script in sorted(STATIC.glob("*.js")):
        text = script.read_text(encoding="utf-8")
        assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text), script.name
        assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text), script.name
    for style in sorted(STATIC.glob("*.css")):
        assert "@import" not in style.read_text(encoding="utf-8")
        assert "url(" not in style.read_text(encoding="utf-8")


def test_one_act_records_what_is_normal_and_only_that():
    for section in form.form_sections():
        for block in section.blocks:
            acts = [field for field in block.fields if field.normal]
            assert bool(acts) == bool(block.all_normal), block.name
            assert all(field.normal in field.unremarkable for field in acts), block.name


def test_a_variable_that_no_table_places_is_asked_for_all_the_same(tables):
    items = tables["items"]
    tables["items"] = items[items["item"] != "fair"]
    fields = [field.name for section in form.form_sections() for block in section.blocks for field in block.fields]
    assert sorted(fields) == sorted(variable.name for variable in VARIABLES)


def test_a_faulty_table_is_refused_with_every_fault(tables):
    items, blocks = tables["items"], tables["blocks"]
    items.loc[items["item"] == "slr", "normal"] = "7"
    items.loc[items["item"] == "odi", "block"] = "nowhere"
    items.loc[items["item"] == "bmi_kg_m2", "item"] = "shoe_size"
    blocks.loc[0, "layout"] = "wheel"
    with pytest.raises(KnowledgeError) as refused:
        form.form_sections()
    for fault in ("wheel", "nowhere", "shoe_size", "slr takes 7 for normal"):
        assert fault in str(refused.value)


def test_the_banner_stands_from_the_start_where_a_model_is_virtual():
    assert 'id="banner">' in screening_page(is_virtual=True)
    assert 'id="banner" hidden>' in PAGE
