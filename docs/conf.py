"""How the pages become a site: `make docs`. Nothing is fetched from another host, to build it or to read it."""

import re

from sphinx.application import Sphinx

project = "Backcast"
author = "The Backcast developers"
project_copyright = author
extensions = ["myst_parser", "sphinx_copybutton"]
exclude_patterns = ["images/README.md"]

# A link that leads nowhere stops the build, as does a heading out of order or a page that nothing leads to.
nitpicky = True
myst_heading_anchors = 3
myst_enable_extensions = ["attrs_inline"]
suppress_warnings = ["misc.highlighting_failure"]  # an answer that is shown with an ellipsis is no valid anything

html_theme = "furo"
html_title = "Backcast"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/icon.svg"
html_show_sphinx = False
html_copy_source = False
html_show_search_summary = False  # summaries are fetched, which a browser refuses of pages that are opened as files
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5c8a", "color-brand-content": "#0b5c8a"},
    "dark_css_variables": {"color-brand-primary": "#7cc4ec", "color-brand-content": "#7cc4ec"},
}
copybutton_prompt_text = "$ "

TARGET = re.compile(r'<a id="([\w-]+)"></a>')


def with_targets(app: Sphinx, docname: str, source: list[str]) -> None:
    """`<a id="x"></a>`, which a page on a code host needs as it is, becomes a target that links are checked against."""
    source[0] = TARGET.sub(r"[]{#\1}", source[0])


def setup(app: Sphinx) -> None:
    app.connect("source-read", with_targets)
