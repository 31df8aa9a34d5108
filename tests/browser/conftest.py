"""A real browser on a real service, whose two models learned from a few invented cases.

Skipped with a reason where there is no browser; BACKCAST_REQUIRE_BROWSER=1 makes that a failure.
BACKCAST_BROWSER names another Chromium, BACKCAST_SERVICE the address of a service that runs already.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn

from features.predictors import candidate_predictors, predictor
from models.bundle import write_bundle
from models.cause_model import write_cause_model
from models.training import learn
from pipeline.params import load_params
from pipeline.prediction_record.store import Record
from pipeline.service.answering import load_cause_finder, load_screener
from pipeline.service.app import create_app
from pipeline.service.settings import ServiceSettings
from tests.small_models import invented_development, made_bundle

LOOKED_FOR = ("chromium", "chromium-browser", "google-chrome")
MILLISECONDS = 10_000
"""How long a test waits for the page before it fails."""


def _missing(why: str) -> None:
    if os.environ.get("BACKCAST_REQUIRE_BROWSER") == "1":
        pytest.fail(f"{why} BACKCAST_REQUIRE_BROWSER=1 forbids to skip this.")
    pytest.skip(why)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium. Playwright leaves its event loop running in this thread: closed before the tests of other modules."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("Playwright is not installed: `make setup` installs it.")
    chromium = os.environ.get("BACKCAST_BROWSER") or next(filter(None, map(shutil.which, LOOKED_FOR)), None)
    if chromium is None:
        _missing("There is no Chromium: on Debian `apt install chromium`, or name one with BACKCAST_BROWSER.")
    with sync_playwright() as playwright:
        # Containers have no user namespaces for Chromium's own sandbox; it opens nothing but this page.
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@dataclass
class ScreenPage:
    """The page in a window, with what a test often does on it; by the ids of the form before an operation."""

    page: Any
    address: str
    prefix: str = ""
    kept_as: str = "backcast.case"

    def load(self, example: str) -> None:
        self.page.select_option("#example", example)
        self.page.wait_for_selector(f"#{self.prefix}example-about:not([hidden])")

    def ask(self) -> None:
        """Ask, and wait for the answer."""
        self.page.click(f"#{self.prefix}ask")
        self.page.wait_for_selector("#answer-view h1")

    def value(self, name: str) -> str:
        return self.page.eval_on_selector(
            f'#{self.prefix}record [data-field="{name}"]',
            "field => field.querySelector('select, input:not([type=radio]), input:checked').value",
        )

    def kept(self) -> dict[str, str]:
        return self.page.evaluate("name => JSON.parse(localStorage.getItem(name)) ?? {}", self.kept_as)

    def text(self, selector: str) -> str:
        return self.page.inner_text(selector)

    def open_block(self, block: str) -> None:
        self.page.eval_on_selector(f'[data-block="{block}"]', "block => { block.open = true }")


@pytest.fixture(scope="module")
def window(browser: Any) -> Window:
    """One window for the tests of a module: a new one costs a second each time."""
    return Window(browser.new_context().new_page())


class Window:
    """A window that remembers which addresses its page asked for, and what the browser complained of."""

    def __init__(self, page: Any) -> None:
        self.page, self.asked, self.errors = page, list[str](), list[str]()
        page.set_default_timeout(MILLISECONDS)
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text) if _is_error(message) else None)


@pytest.fixture
def open_page(window: Window, address: str) -> Iterator[Callable[..., ScreenPage]]:
    """Opens the page as a browser that has never seen it; it must speak to no other host, and report no error."""
    page = window.page

    def opened(width: int = 1280, height: int = 900, scheme: str = "light", at: str = "") -> ScreenPage:
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        page.goto(address + at)
        return ScreenPage(page, address, *AFTER) if at else ScreenPage(page, address)

    yield opened
    page.unroute_all()
    page.evaluate("localStorage.clear()")
    page.goto("about:blank")
    asked, errors = window.asked.copy(), window.errors.copy()
    window.asked.clear()
    window.errors.clear()
    assert {urlsplit(url).netloc for url in asked} <= {urlsplit(address).netloc, ""}
    assert errors == []


def _is_error(message: Any) -> bool:
    """Whether the browser complains; a refused request is reported there too, and is no fault of the page."""
    return message.type in ("error", "warning") and "Failed to load resource" not in message.text


AFTER = ("w-", "backcast.workup")
"""What the ids of the form after a failed operation begin with, and under which name it is kept."""


@pytest.fixture
def workup_page(open_page: Callable[..., ScreenPage]) -> ScreenPage:
    return open_page(at="#workup")


@pytest.fixture
def screen_page(open_page: Callable[..., ScreenPage]) -> ScreenPage:
    return open_page()


@pytest.fixture(scope="session")
def serious() -> Callable[[Any], list[tuple[str, list[Any]]]]:
    """Rule and places of every finding of axe-core that is serious or worse.

    A form that is hidden cannot fail, and costs as much as one that is shown: its panel is empty meanwhile.
    """
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        _missing("axe-playwright-python is not installed: `make setup` installs it.")
    axe = Axe()

    def found(page: Any) -> list[tuple[str, list[Any]]]:
        assert page.evaluate(REPEATED_IDS) == []
        page.evaluate(TAKE_OUT)
        violations = axe.run(page).response["violations"]
        page.evaluate(PUT_BACK)
        bad = [one for one in violations if one["impact"] in ("serious", "critical")]
        return [(one["id"], [node["target"] for node in one["nodes"]][:5]) for one in bad]

    return found


REPEATED_IDS = """() => [...document.querySelectorAll('[id]')].map(one => one.id)
    .filter((id, at, all) => all.indexOf(id) !== at)"""
TAKE_OUT = """() => {
    window.takenOut = [...document.querySelectorAll('[data-question][hidden]')].map(one => [one, [...one.childNodes]]);
    for (const [one] of window.takenOut) one.replaceChildren();
}"""
PUT_BACK = "() => { for (const [one, nodes] of window.takenOut) one.append(...nodes); }"


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the service answers."""
    running = os.environ.get("BACKCAST_SERVICE")
    if running:
        yield running
        return
    folder = tmp_path_factory.mktemp("service")
    params = load_params()
    write_cause_model(params.cause, params.derive, folder / "causes")
    with Record.open(folder / "record.db") as record:
        settings = ServiceSettings(
            models=tuple(_models(folder)),
            causes=("models:/backcast-cause/1", folder / "causes"),
            record=folder / "record.db",
            params=replace(params.service, requests_per_second=1000, burst=1000),
            hosts=("127.0.0.1",),
            exports=False,
        )
        app = create_app(settings, load_screener(settings), load_cause_finder(settings), record)
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False, ws="none"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the service did not start"
            time.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/"
        server.should_exit = True
        thread.join()


def _models(folder: Path) -> Iterator[tuple[str, Path]]:
    """A model of failure, and the same under the name of a second outcome."""
    development = invented_development()
    known = {p.name: p for p in candidate_predictors("failure_12m", 40)}
    predictors = [known.get(name) or predictor(name) for name in development.X.columns]
    learned = learn(development, "logistic", predictors, {"C": [0.1]}, refits=4, seed=5)
    failure = made_bundle(learned, development)
    worse = replace(failure, outcome="worse_12m", outcome_label="worse than before")
    for bundle in (failure, worse):
        write_bundle(bundle, folder / bundle.outcome)
        yield f"models:/backcast-{bundle.outcome}/1", folder / bundle.outcome
