"""Templates to pages that hold all they need: no outside host, pictures inside the file."""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import markupsafe

from features.words import number, percent
from pipeline.reporting.performance_tables import metric_label
from pipeline.reporting.words import capital, count, plain, with_interval

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"


def rendered(template: str, **content: Any) -> str:
    """A page from a template of `pipeline/templates`; a name that the template wants and nobody gave is an error."""
    return environment().get_template(template).render(**content)


@cache
def environment() -> jinja2.Environment:
    """Templates with everything escaped; `picture` embeds a file, so that the page has no outside host."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {
        "picture": embedded,
        "svg": lambda text: markupsafe.Markup(text),
        "number": number,
        "count": count,
        "percent": percent,
        "interval": with_interval,
        "plain": plain,
        "capital": capital,
        "metric": metric_label,
    }
    return made


def embedded(path: Path) -> str:
    """A PNG as an address that holds the picture itself."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
