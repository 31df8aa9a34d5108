"""The site of the documentation: built strictly, without another host, searched as files, read on a phone."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOADED = re.compile(r"<(?:script|img|iframe|source|video)\b[^>]*?\bsrc=[\"'](?P<src>[^\"']+)|<link\b(?P<link>[^>]*)>")
FETCHED = re.compile(r"(?:@import|url\()\s*[\"']?((?:https?:)?//[^)\"']+)")
WIDTHS = (390, 1440)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site as `make docs` builds it: a link that leads nowhere, or a page that nothing leads to, is an error."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "--builder", "html",
         "--doctree-dir", str(folder / "doctrees"), "docs", str(folder / "html")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr[-4000:]
    return folder / "html"


def test_no_page_loads_anything_from_another_host(site):
    outside = []
    for page in site.rglob("*.html"):
        for found in LOADED.finditer(page.read_text(encoding="utf-8")):
            address = found["src"] or found["link"]
            if re.search(r"(https?:)?//", address) and 'rel="canonical"' not in address:
                outside.append(f"{page.name}: {address}")
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        outside += [f"{sheet.name}: {url}" for url in FETCHED.findall(text)]
    assert outside == []


@pytest.fixture
def reading(browser, site):
    """A window on the site as files, that notes whatever it asks of a network."""
    page = browser.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.failures = []
    page.on("pageerror", lambda error: page.failures.append(str(error)))
    yield page
    assert [address for address in asked if not address.startswith(("file:", "data:"))] == []
    assert page.failures == []
    page.close()


def test_the_search_works_without_a_server(reading, site):
    reading.goto((site / "search.html").as_uri() + "?q=piriformis")
    reading.wait_for_selector("#search-results li a")
    found = reading.locator("#search-results li a").all_inner_texts()
    assert any("builders take for true" in title for title in found), found


@pytest.mark.parametrize("width", WIDTHS)
def test_pages_fit_their_window(reading, site, width):
    reading.set_viewport_size({"width": width, "height": 900})
    for page in ("index", "reference/stages", "reference/knowledge", "explanation/architecture", "tutorials/clinic"):
        reading.goto((site / f"{page}.html").as_uri())
        assert reading.evaluate("document.documentElement.scrollWidth") <= width, f"{page} is wider than {width} pixels"


def test_the_drawing_of_the_architecture_is_shown(reading, site):
    reading.goto((site / "explanation/architecture.html").as_uri())
    assert reading.evaluate("document.querySelector('article img').naturalWidth") > 900
