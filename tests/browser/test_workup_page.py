"""The second tab as a clinic uses it after an operation that failed, in a real browser on a real service."""

import re

import pytest

from pipeline.service.page.render import workup_examples

FIRST = {
    "recurrence": "Recurrent herniation, same side",
    "fibrosis": "Epidural fibrosis",
    "wrong_level": "Wrong level or side",
    "adjacent_segment": "Adjacent segment disease",
    "sacroiliac": "Sacroiliac joint",
    "residual_stenosis": "Residual bony stenosis",
    "little_known": "Recurrent herniation, same side",
}
DATES = {"operation_date": "2025-03-10", "workup_date": "2026-03-09"}


def site(level, side):
    return f'.sites .place[data-level="{level}"][data-side="{side}"]'


def fill_dates(page):
    for name, day in DATES.items():
        page.fill(f"#f-w-{name}", day)


def plot_box(page):
    page.eval_on_selector(".course-svg", "svg => svg.scrollIntoView({block: 'center'})")
    return page.locator(".course-svg").bounding_box()


def draw(page, *points):
    """One stroke over the plot of the course, in shares of its width and height."""
    box = plot_box(page)
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*at[0])
    page.mouse.down()
    for x, y in at[1:]:
        page.mouse.move(x, y, steps=6)
    page.mouse.up()


def printed_pages(page):
    return len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True)))


def test_a_work_up_is_entered_by_clicking_and_answered(screen_page):
    page = screen_page.page
    page.click("#tab-after")
    assert page.evaluate("location.hash") == "#workup"
    assert page.is_hidden("#case-view")
    fill_dates(page)
    page.click(site("l5_s1", "left"))
    page.click("#w-t-noted")
    page.click('[data-copy-layer="intended"]')
    page.click("#w-t-seen")
    page.click(site("l4_l5", "left"))
    assert page.inner_text(".layers-told") == "Seen at another level than noted."
    page.click(site("l4_l5", "left"))
    page.click(site("l5_s1", "left"))
    assert page.inner_text(".layers-told") == ""
    page.click('.shape:has-text("back within days")')
    box, handle = plot_box(page), page.locator(".course-handle").nth(1).bounding_box()
    page.mouse.move(handle["x"] + 8, handle["y"] + 8)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], handle["y"], steps=4)
    page.mouse.up()
    page.click('#w-body [data-view="back"] .region[data-region="posterior_leg"][data-side="left"] path')
    page.click('#w-spine .place[data-level="l5_s1"][data-zone="paracentral"][data-side="left"]')
    page.select_option("#f-w-followup_herniation_l5_s1_left", label="extrusion")
    page.select_option("#f-w-followup_enhancement_l5_s1_left", label="rim")
    page.click('#w-p-l5_s1 tbody[aria-label="CT"] [data-normal-group]')
    with page.expect_response("**/workup") as received:
        page.click("#w-ask")
    page.wait_for_selector("#answer-view h1")
    record = received.value.request.post_data_json
    assert 7 <= record.pop("pain_free_interval_months") <= 10
    assert record == {
        **DATES,
        "planned_decompression_l5_s1_left": 1,
        "operated_decompression_l5_s1_left": 1,
        "followup_operated_site_l5_s1_left": 1,
        "return_tempo": "sudden",
        "followup_pain_posterior_leg_left": 3,
        "followup_contrast": 1,
        "followup_herniation_l5_s1_left": 3,
        "followup_enhancement_l5_s1_left": 1,
        **{
            f"followup_{item}_l5_s1_{side}": 0
            for item in ("retained_fragment", "bone_left_recess", "bone_left_foramen")
            for side in ("left", "right")
        },
    }
    causes = [cause["cause"] for cause in received.value.json()["causes"]]
    shown = "all => all.map(one => one.dataset.cause)"
    assert page.eval_on_selector_all(".cause", shown) == causes
    assert page.evaluate("document.activeElement.tagName") == "H1"
    parts = page.eval_on_selector_all(".generator > h3", "all => all.map(one => one.textContent)")
    assert (parts[0], parts[-1]) == ("Whatever the cause", "At last")
    page.reload()  # the answer is told again from the record, under its own tab
    page.wait_for_selector("#answer-view h1")
    assert page.eval_on_selector_all(".cause", shown) == causes
    assert page.get_attribute("#tab-after", "aria-selected") == "true"
    page.click("text=Back to the case")
    assert page.is_visible("#workup-view")


@pytest.mark.parametrize(
    ("points", "tempo", "interval"),
    [
        ([(0.12, 0.15), (0.15, 0.7), (0.62, 0.7), (0.64, 0.15), (0.97, 0.15)], "sudden", 7),
        ([(0.12, 0.15), (0.15, 0.7), (0.4, 0.7), (0.97, 0.2)], "gradual", 5),
        ([(0.12, 0.16), (0.5, 0.2), (0.97, 0.17)], "never_better", 0),
    ],
)
def test_one_stroke_draws_the_course(workup_page, points, tempo, interval):
    page = workup_page.page
    fill_dates(page)
    draw(page, *points)
    assert workup_page.value("return_tempo") == tempo
    assert float(workup_page.value("pain_free_interval_months")) == pytest.approx(interval, abs=1)
    relief = float(workup_page.value("initial_relief_percent"))
    assert (relief < 20) if tempo == "never_better" else (65 <= relief <= 85)


def test_unfinished_work_of_both_questions_survives_a_reload_and_a_case_is_carried_over(screen_page):
    page = screen_page.page
    page.fill("#f-age_years", "47")
    page.fill("#f-leg_pain_duration_months", "6")
    page.fill("#f-back_pain_duration_months", "0")
    page.click("#tab-after")
    page.click('.shape:has-text("Never better")')
    assert page.input_value("#f-w-pain_free_interval_months") == "0"
    assert "47 years" in page.inner_text("[data-carry-words]")
    page.click("[data-carry-over]")
    assert page.input_value("#f-w-age_years") == "47"
    page.reload()
    assert page.is_visible("#workup-view")
    assert page.is_checked("#w-record input[value=never_better]")
    assert "2 findings go along" in page.inner_text("[data-carry-words]")
    page.click("[data-carried-list] summary")
    page.wait_for_selector(".carried li")
    assert "Duration of leg pain: 6 months" in page.inner_text(".carried")
    assert "Duration of back pain: 0 months" in page.inner_text(".carried")
    fill_dates(page)
    with page.expect_request("**/workup") as sent:
        page.click("#w-ask")
    page.wait_for_selector("#answer-view h1")
    assert sent.value.post_data_json["leg_pain_duration_months"] == 6
    page.click("text=New work-up")
    assert page.evaluate("localStorage.getItem('backcast.workup')") is None
    page.click("#tab-before")
    assert screen_page.value("age_years") == "47"


def test_every_example_has_its_cause_first_and_prints_on_one_page(workup_page):
    page = workup_page.page
    assert set(FIRST) == {example["name"] for example in workup_examples() if example["name"] != "infection"}
    for name, cause in FIRST.items():
        workup_page.load(name)
        workup_page.ask()
        assert page.inner_text(".cause:first-child .cause-name") == cause, name
        assert page.locator(".cause").first.get_attribute("data-likelihood") == "likely"
        assert not re.search(r"\d+\.\d+ ?%", page.inner_text("#answer-view"))
        assert printed_pages(page) == 1, name


def test_causes_open_to_what_counts_and_add_up(workup_page):
    page = workup_page.page
    workup_page.load("fibrosis")
    with page.expect_response("**/workup") as received:
        workup_page.ask()
    first, second = received.value.json()["causes"][:2]
    opener = ".cause >> nth=1 >> .opener"
    assert page.locator(".cause-evidence:visible").count() == 1
    page.click(opener)
    assert page.get_attribute(opener, "aria-expanded") == "true"
    assert page.locator(".cause-evidence:visible").count() == 2
    shown = page.locator(".cause >> nth=0 >> .evidence-column .figure").all_inner_texts()
    points = [float(words.replace("−", "-")) for words in shown]
    counted = [finding["points"] for side in ("for", "against") for finding in first[side]]
    assert points == pytest.approx(counted, abs=0.005)
    assert first["prior_log_odds"] + sum(counted) == pytest.approx(first["log_odds"], abs=1e-9)
    assert second["likelihood"] in page.inner_text(".cause >> nth=1")
    page.click(".plan-step >> nth=0 >> summary")
    assert page.inner_text(".plan-step >> nth=0 >> .evidence .small")


def test_a_red_flag_is_shown_alone(workup_page):
    page = workup_page.page
    workup_page.load("infection")
    workup_page.ask()
    answer = page.inner_text("#answer-view")
    assert "Infection of the spine" in answer
    assert "No cause is ranked" in answer
    assert page.locator("#answer-view .card").count() == 0
    assert printed_pages(page) == 1


def test_what_contradicts_itself_is_shown_at_its_field(workup_page):
    page = workup_page.page
    page.fill("#f-w-operation_date", DATES["workup_date"])
    page.fill("#f-w-workup_date", DATES["operation_date"])
    page.fill("#f-w-followup_odi", "480")
    page.click("#w-ask")
    assert "0 to 100 points of 100" in page.inner_text("#w-problems")
    page.fill("#f-w-followup_odi", "48")
    page.click("#w-ask")
    page.wait_for_selector("#e-w-workup_date:not([hidden]), #e-w-operation_date:not([hidden])")
    page.click("#w-problems a >> nth=0")
    assert page.evaluate("document.activeElement.id") in ("f-w-workup_date", "f-w-operation_date")


def test_a_work_up_is_entered_by_keyboard_alone(screen_page):
    page, keyboard = screen_page.page, screen_page.page.keyboard
    page.focus("#tab-before")
    keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-after"
    page.focus(".sites .place[tabindex='0']")
    keyboard.press("ArrowDown")
    keyboard.press("Enter")
    assert page.is_checked("#f-w-planned_decompression_l5_s1_left")
    page.focus(".shape.unset input")
    for _ in range(2):
        keyboard.press("ArrowRight")
    assert page.is_checked("#w-record input[value=sudden]")
    page.focus(".course-handle >> nth=0")
    keyboard.press("ArrowUp")
    relief = page.get_attribute(".course-handle >> nth=0", "aria-valuetext")
    assert relief == f"{page.input_value('#f-w-initial_relief_percent')} %"
    page.focus(".course-handle >> nth=1")
    keyboard.press("Home")
    keyboard.press("PageUp")
    assert page.input_value("#f-w-pain_free_interval_months") == "7"
    assert "free of pain for 7 months, then it came back within days" in page.inner_text("[data-told]")
    page.focus("#w-ask")
    keyboard.press("Enter")
    page.wait_for_selector("#answer-view h1")
    keyboard.press("Tab")
    keyboard.press("Enter")
    assert page.is_visible("#workup-view")


def test_axe_finds_nothing_serious_and_a_phone_scrolls_in_one_direction(open_page, serious):
    phone = open_page(width=360, height=800, scheme="dark", at="#workup")
    phone.load("little_known")
    phone.page.eval_on_selector_all("#w-record details", "all => all.forEach(one => { one.open = true })")
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 360
    phone.page.evaluate("document.querySelectorAll('.top, .bar').forEach(one => { one.style.position = 'static' })")
    assert serious(phone.page) == []
    phone.ask()
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert serious(phone.page) == []
