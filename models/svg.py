"""The few SVG elements and the colours that the figures are drawn with, as escaped text."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

PAPER = "#ffffff"
# One orange that darkens and one blue: told apart by people who confuse red and green, and by lightness alone.
TINTS = ("#fbe3cb", "#f7bc85", "#e88d42", "#c8580c")
"""Reported pain, from mild to worst."""
INK = "#0a2342"
"""Whatever is expected or explained."""
SHARE_FILLS = (PAPER, "#8fb4d9", INK)
"""A lesion, by the share it explains."""
TEXT = "#1a1a1a"
OUTLINE = "#3a3a3a"
BOUNDARY = "#8c8c8c"


def tag(name: str, **attributes: object) -> str:
    """An element without content; an underscore in the name of an attribute stands for a hyphen.

    >>> tag("path", d="M0 0H1", stroke_width=2)
    '<path d="M0 0H1" stroke-width="2"/>'
    """
    return f"<{name}{_attributes(attributes)}/>"


def group(content: Iterable[str], name: str = "g", **attributes: object) -> str:
    """An element around others."""
    return f"<{name}{_attributes(attributes)}>{''.join(content)}</{name}>"


def tooltip(words: str) -> str:
    """A `<title>`: it names the element in which it stands."""
    return f"<title>{escape(words)}</title>"


def _attributes(attributes: dict[str, object]) -> str:
    return "".join(f" {name.replace('_', '-')}={quoteattr(str(value))}" for name, value in attributes.items())


def text(
    x: float,
    y: float,
    words: str,
    *,
    size: int = 16,
    weight: str = "normal",
    anchor: str = "start",
    is_haloed: bool = False,
) -> str:
    """A line of words from (or around) x, on the baseline y; a halo keeps it readable over a drawing."""
    halo: dict[str, object] = (
        {"stroke": PAPER, "stroke_width": 5, "stroke_linejoin": "round", "paint_order": "stroke"} if is_haloed else {}
    )
    place = {"x": x, "y": y, "font_size": size, "font_weight": weight, "text_anchor": anchor}
    return f"<text{_attributes({**place, **halo})}>{escape(words)}</text>"
