"""The screening page as a clinic uses it, in a real browser on a real service."""

import re

import pytest

PARACENTRAL_LEFT = '.place[data-level="l5_s1"][data-zone="paracentral"][data-side="left"]'
PROMISED = {
    "disc_herniation": ("L5-S1 paracentral and recess, left", "The plan reaches the best supported source"),
    "plan_misses_source": ("L4-L5 foramen, left", "The plan does not reach the best supported lesion"),
    "sacroiliac_mimic": ("Sacroiliac joint, right", "The best supported source is not in the spine"),
}


def region(name, side, view="back"):
    return f'.body#body [data-view="{view}"] .region[data-region="{name}"][data-side="{side}"] path'


def test_a_case_is_entered_by_clicking_and_answered(screen_page):
    page = screen_page.page
    page.fill("#f-age_years", "47")
    page.click('[data-field="sex"] label:has-text("female")')
    page.fill("#f-odi", "48")
    for _ in range(4):
        page.click(region("posterior_leg", "left"))
    page.click(region("buttock", "left"))
    page.click(PARACENTRAL_LEFT)
    page.select_option("#f-herniation_l5_s1_paracentral_left", label="extrusion")
    page.check("#f-planned_decompression_l5_s1_left")
    assert screen_page.kept() == {
        "age_years": "47",
        "sex": "female",
        "odi": "48",
        "pain_posterior_leg_left": "10",
        "pain_buttock_left": "3",
        "herniation_l5_s1_paracentral_left": "3",
        "planned_decompression_l5_s1_left": "1",
    }
    with page.expect_request("**/screen") as sent:
        screen_page.ask()
    assert sent.value.post_data_json == {
        "age_years": 47,
        "sex": "female",
        "odi": 48,
        "pain_posterior_leg_left": 10,
        "pain_buttock_left": 3,
        "herniation_l5_s1_paracentral_left": 3,
        "planned_decompression_l5_s1_left": 1,
    }
    answer = screen_page.text("#answer-view")
    assert re.search(r"\d+ of 100 patients like this", answer)
    assert "L5-S1 paracentral and recess, left" in answer
    assert "Virtual registry: not for patients" in screen_page.text("#banner")
    assert page.evaluate("document.activeElement.tagName") == "H1"


def test_work_that_is_not_finished_survives_a_reload_until_it_is_cleared(screen_page):
    page = screen_page.page
    page.fill("#f-odi", "4,5")
    page.fill("#f-age_years", "470")
    page.click(region("posterior_leg", "left"))
    page.reload()
    assert screen_page.value("odi") == "4,5"
    assert screen_page.text("#e-age_years") == "Expected: 16 to 105 years."
    assert page.get_attribute(region("posterior_leg", "left").removesuffix(" path"), "aria-valuetext") == "3 of 10"
    page.click("#clear")
    assert screen_page.kept() == {}
    assert screen_page.value("odi") == ""
    page.click("#kept button")
    assert screen_page.value("odi") == "4.5"
    assert screen_page.kept()["pain_posterior_leg_left"] == "3"


@pytest.mark.parametrize("name", PROMISED)
def test_an_example_is_answered_as_its_name_promises_and_prints_on_one_page(screen_page, name):
    source, verdict = PROMISED[name]
    screen_page.load(name)
    screen_page.ask()
    assert screen_page.text(".ranked li:first-child .source-name") == source
    assert screen_page.text(".verdict").startswith(verdict)
    printed = screen_page.page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1


def test_a_case_with_nothing_but_its_age_prints_its_cautions_on_one_page(screen_page):
    screen_page.page.fill("#f-age_years", "47")
    screen_page.ask()
    assert "Not recorded" in screen_page.text(".cautions")
    printed = screen_page.page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1


def test_a_red_flag_is_shown_first_and_no_risk(screen_page):
    screen_page.load("red_flag")
    with screen_page.page.expect_response("**/screen") as received:
        screen_page.ask()
    answer = screen_page.text("#answer-view")
    assert "Cauda equina compression" in answer
    assert "MRI at once" in answer
    assert "no risk is given" in answer
    assert screen_page.page.locator("#answer-view .card").count() == 0
    assert "of 100" not in answer
    assert received.value.json()["prediction_id"] in answer


def test_a_mistake_is_shown_at_its_field_while_it_is_made(screen_page):
    page = screen_page.page
    page.fill("#f-odi", "480")
    page.press("#f-odi", "Tab")
    assert screen_page.text("#e-odi") == "Expected: 0 to 100 points of 100."
    assert page.get_attribute("#f-odi", "aria-invalid") == "true"
    page.fill("#f-nrs_leg", "much")
    page.click("#ask")
    assert "Leg pain (NRS): Write a number, 0 to 10 points of 10." in screen_page.text("#problems")
    assert page.evaluate("document.activeElement.id") == "problems"
    page.click('#problems a:has-text("Oswestry")')
    assert page.evaluate("document.activeElement.id") == "f-odi"
    page.fill("#f-odi", "48")
    assert page.is_hidden("#e-odi")


def test_what_the_service_refuses_is_shown_at_its_field_and_never_as_markup(screen_page):
    page = screen_page.page
    page.fill("#f-age_years", "47")
    page.fill("#f-case_id", "<img src=x onerror=alert(1)>")
    page.click("#ask")
    page.wait_for_selector("#e-case_id:not([hidden])")
    assert "identifier" in screen_page.text("#e-case_id")
    assert page.is_visible("#case-view")
    page.fill("#f-case_id", "A-17")
    screen_page.ask()
    assert "Case A-17" in screen_page.text(".answer-head")
    assert page.locator("img[src=x]").count() == 0


def test_a_record_without_anything_is_refused_in_words(screen_page):
    screen_page.page.click("#ask")
    screen_page.page.wait_for_selector("#problems:not([hidden])")
    assert "Nothing is recorded" in screen_page.text("#problems")


def test_a_service_that_cannot_be_reached_loses_no_work(screen_page):
    page = screen_page.page
    page.fill("#f-odi", "48")
    page.route("**/screen", lambda route: route.abort())
    page.click("#ask")
    page.wait_for_selector("#problems:not([hidden])")
    assert "cannot be reached" in screen_page.text("#problems")
    assert screen_page.value("odi") == "48"


def test_what_is_not_recorded_is_never_sent_and_normal_is_an_act_of_its_own(screen_page):
    page = screen_page.page
    screen_page.open_block("tension")
    state = '[data-block="tension"] [data-state]'
    assert screen_page.text(state) == "not examined"
    page.click('[data-field="slr_left"] label:has-text("positive")')
    page.click('[data-block="tension"] [data-normal-all]')
    tension = {name: value for name, value in screen_page.kept().items() if "slr" in name or "stretch" in name}
    assert tension.pop("slr_left") == "1"
    assert set(tension.values()) == {"0"}
    assert len(tension) == 5
    page.click('[data-normal-level="l4_l5"]')
    assert screen_page.text('[data-level="l4_l5"] [data-level-state]') == "normal"
    assert screen_page.text('[data-level="l3_l4"] [data-level-state]') == "not read"
    assert screen_page.value("herniation_l4_l5_central") == "0"
    assert screen_page.value("disc_degeneration_l4_l5") == "1"
    page.click('[data-clear-level="l4_l5"]')
    assert screen_page.text('[data-level="l4_l5"] [data-level-state]') == "not read"


def test_a_case_is_entered_by_keyboard_alone(screen_page):
    page, keyboard = screen_page.page, screen_page.page.keyboard
    page.focus("#f-age_years")
    keyboard.type("61")
    keyboard.press("Tab")
    keyboard.press("ArrowRight")  # from not recorded to female
    assert screen_page.value("sex") == "female"
    page.focus("#body .region[tabindex='0']")
    keyboard.press("ArrowRight")
    keyboard.press("7")
    chosen = page.evaluate("({...document.activeElement.dataset})")
    assert screen_page.value(f"pain_{chosen['region']}_{chosen['side']}") == "7"
    keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.getAttribute('aria-valuetext')") == "8 of 10"
    keyboard.type("10")
    assert screen_page.value(f"pain_{chosen['region']}_{chosen['side']}") == "10"
    page.focus("#spine .place[tabindex='0']")
    keyboard.press("ArrowDown")
    keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "f-herniation_l5_s1_paracentral_left"
    keyboard.type("ext")
    assert screen_page.value("herniation_l5_s1_paracentral_left") == "3"
    page.focus("#f-planned_decompression_l5_s1_left")
    keyboard.press("Space")
    page.focus("#ask")
    keyboard.press("Enter")
    page.wait_for_selector("#answer-view h1")
    keyboard.press("Tab")
    keyboard.press("Enter")
    assert page.is_visible("#case-view")


def test_enter_in_a_field_asks_nothing(screen_page):
    page = screen_page.page
    page.route("**/screen", lambda route: route.abort())
    page.fill("#f-odi", "48")
    page.press("#f-odi", "Enter")
    page.press("#f-odi", "Tab")
    assert page.inner_text("#ask") == "Ask for the risk"
    assert page.is_hidden("#problems")


def test_an_example_never_takes_work_away_for_good(screen_page):
    page = screen_page.page
    page.fill("#f-odi", "48")
    screen_page.load("disc_herniation")
    assert screen_page.value("odi") == "52"
    page.click("#kept button")
    assert screen_page.kept() == {"odi": "48"}


def test_the_last_essential_fields_that_are_missing_are_named_and_led_to(screen_page):
    page = screen_page.page
    screen_page.load("disc_herniation")
    page.fill("#f-odi", "")
    page.click('#progress button:has-text("Oswestry")')
    assert page.evaluate("document.activeElement.id") == "f-odi"


def test_a_new_case_starts_empty_also_in_this_browser(screen_page):
    screen_page.load("disc_herniation")
    screen_page.ask()
    screen_page.page.click("text=New case")
    assert screen_page.page.is_visible("#case-view")
    assert screen_page.kept() == {}


def test_the_same_drawing_can_be_entered_as_a_list(screen_page):
    page = screen_page.page
    page.click(".as-list > summary")
    page.fill("#f-pain_groin_right", "6")
    assert page.get_attribute(region("groin", "right", "front").removesuffix(" path"), "data-step") == "2"


def test_an_answer_leaves_with_its_record_and_two_plans_are_not_compared(screen_page):
    page = screen_page.page
    screen_page.load("plan_misses_source")
    screen_page.ask()
    assert page.locator(".notice").count() == 0
    page.click("text=Back to the case")
    assert page.inner_html("#answer-view") == ""
    page.uncheck("#f-planned_decompression_l5_s1_left")
    page.check("#f-planned_decompression_l4_l5_left")
    screen_page.ask()
    assert "do not compare operations" in screen_page.text(".notice")
    page.go_back()
    page.fill("#f-odi", "30")
    screen_page.ask()
    assert page.locator(".notice").count() == 0


def test_an_answer_is_shown_again_from_the_record_at_its_address(screen_page):
    page = screen_page.page
    screen_page.load("disc_herniation")
    screen_page.ask()
    answer = screen_page.text("#answer-view")
    page.reload()
    page.wait_for_selector("#answer-view h1")
    assert screen_page.text("#answer-view") == answer
    page.goto(f"{screen_page.address}#prediction/00000000-0000-0000-0000-000000000000")
    page.reload()
    page.wait_for_selector("#problems:not([hidden])")
    assert "no such prediction" in screen_page.text("#problems")


def test_a_link_that_leads_nowhere_does_not_pass_off_another_case_as_its_own(screen_page):
    page, nowhere = screen_page.page, f"{screen_page.address}#filled/00000000-0000-0000-0000-000000000000"
    page.goto(nowhere)
    page.reload()
    page.wait_for_selector("#problems:not([hidden])")
    assert "another case" not in screen_page.text("#problems")
    page.fill("#f-odi", "48")
    page.reload()
    page.wait_for_selector("#problems:not([hidden])")
    assert "What stands below is another case" in screen_page.text("#problems")
    assert screen_page.value("odi") == "48"


def test_a_link_from_a_card_opens_the_answer_with_the_form_filled_in(screen_page):
    page = screen_page.page
    case = {"age_years": 61.0, "odi": 48.0, "smoking": 2.0, "diagnosis": "spinal_stenosis", "slr_left": 1.0}
    made = page.request.post(f"{screen_page.address}screen", data=case).json()["prediction_id"]
    page.goto(f"{screen_page.address}#filled/{made}")
    page.reload()
    page.wait_for_selector("#answer-view h1")
    assert page.url.endswith(f"#prediction/{made}")
    page.go_back()
    with page.expect_request("**/screen") as asked:
        screen_page.ask()
    assert asked.value.post_data_json == case


def test_groups_open_to_their_variables_and_add_up(screen_page):
    page = screen_page.page
    screen_page.load("disc_herniation")
    with page.expect_response("**/screen") as received:
        screen_page.ask()
    outcome = received.value.json()["outcomes"][0]
    assert page.locator(".part-row:visible").count() == 0
    page.click(".opener >> nth=0")
    assert page.locator(".part-row:visible").count() > 0
    shown = [
        float(words.replace("−", "-")) for words in page.locator(".group-row .figure:nth-child(3)").all_inner_texts()
    ]
    assert sum(shown) == pytest.approx(sum(outcome["contributions"].values()), abs=0.005 * len(shown) + 1e-9)


def test_a_phone_shows_everything_without_scrolling_sideways(open_page):
    phone = open_page(width=390, height=844)
    phone.page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true })")
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390
    phone.page.click(PARACENTRAL_LEFT)
    assert phone.page.locator('[data-panel="l5_s1"] tbody tr:visible').count() == 4
    phone.page.click("text=Show the whole level >> visible=true")
    assert phone.page.locator('[data-panel="l5_s1"] tbody tr:visible').count() > 10
    phone.load("sacroiliac_mimic")
    phone.ask()
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_axe_finds_nothing_serious_in_the_form_with_everything_open(screen_page, serious):
    page = screen_page.page
    screen_page.load("sacroiliac_mimic")
    page.fill("#f-odi", "480")
    page.click("#ask")
    page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true })")
    page.evaluate("document.querySelectorAll('.top, .bar').forEach(one => { one.style.position = 'static' })")
    assert serious(page) == []


def test_axe_finds_nothing_serious_in_the_answer_in_the_dark(open_page, serious):
    phone = open_page(width=390, height=844, scheme="dark")
    phone.load("plan_misses_source")
    phone.ask()
    phone.page.click(".opener >> nth=0")
    assert serious(phone.page) == []
    phone.page.click("text=Back to the case")
    phone.load("red_flag")
    phone.ask()
    assert serious(phone.page) == []
