"""The course of the pain after an operation as one line, as SVG text: relief, return, now.

The height is the part of the pain before the operation, since relief is asked as a part of it. Where nothing is
recorded of a stretch, the line is broken; where the pain now is not known beside that before, it ends at the
height of then, and that is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from models.svg import BOUNDARY, INK, OUTLINE, PAPER, TEXT, TINTS, group, tag, text

WIDTH, HEIGHT = 560, 190
HEADING = 26
"""Height of the title above it, where it has one."""
LEFT, RIGHT, TOP, FLOOR = 58, 540, 26, 146
BEFORE = 54
"""Width of the time before the operation."""
MOST = 120.0
"""Per cent of the pain before that the axis reaches; more is drawn at its edge."""
LEAST_MONTHS = 1.0
STEPS = (1, 2, 3, 6, 12, 24, 36, 60, 120)
"""Months between two marks of the axis."""
MARKS = 8


class Point(NamedTuple):
    """A turn of the line: months since the operation, per cent of the pain before."""

    months: float
    pain: float


def course_points(course: Mapping[str, Any]) -> list[Point]:
    """The turns of the line from the operation to now; fewer than two where it cannot be drawn.

    Parameters
    ----------
    course : mapping
        `months_since_operation`, `initial_relief_percent`, `pain_free_interval_months`, `return_tempo`,
        `pain_before` and `pain_now` (points of 10, the worse of leg and back); None is not recorded.

    Examples
    --------
    >>> course_points({"months_since_operation": 12.0, "initial_relief_percent": 80.0, "return_tempo": "gradual",
    ...                "pain_free_interval_months": 7.0, "pain_before": 8.0, "pain_now": 4.0})[1:]
    [Point(months=0.0, pain=20.0), Point(months=7.0, pain=20.0), Point(months=12.0, pain=50.0)]
    """
    tempo, relief = course.get("return_tempo"), course.get("initial_relief_percent")
    interval = course.get("pain_free_interval_months") or 0.0
    end = max(course.get("months_since_operation") or 0.0, interval, LEAST_MONTHS)
    now = _now(course)
    if tempo == "never_better" or (tempo is None and relief is not None and relief <= 0):
        return [Point(0.0, 100.0), Point(end, now)]
    if relief is None:
        return []
    low = 100.0 - relief
    held = [Point(0.0, 100.0), Point(0.0, low), Point(interval, low)]
    return [*held, Point(interval, now), Point(end, now)] if tempo == "sudden" else [*held, Point(end, now)]


def _now(course: Mapping[str, Any]) -> float:
    before, now = course.get("pain_before"), course.get("pain_now")
    return min(MOST, 100.0 * now / before) if before and now is not None else 100.0


def course_figure(course: Mapping[str, Any], title: str, *, is_headed: bool = False) -> str:
    """The line as an `<svg>` element that scales to the width it is given; empty where nothing can be drawn.

    The title is told to whoever listens to the page, and written above the line where nothing else says it
    (`is_headed`).
    """
    points = course_points(course)
    if not points:
        return ""
    end, above = points[-1].months, HEADING if is_headed else 0
    content = [
        f"<title>{escape(title)}</title>",
        tag("rect", y=-above, width=WIDTH, height=HEIGHT + above, fill=PAPER),
        *([text(0, 14 - above, title, size=14)] if is_headed else []),
        *_axes(end),
        *_line(points, end),
        *_words(course, points, end),
    ]
    return group(
        content, name="svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 {-above} {WIDTH} {HEIGHT + above}",
        role="img", font_family="system-ui, sans-serif", fill=TEXT,
    ).replace(" role=", f" aria-label={quoteattr(title)} role=", 1)  # fmt: skip


def _x(months: float, end: float) -> float:
    return round(LEFT + BEFORE + (RIGHT - LEFT - BEFORE) * months / end, 1)


def _y(pain: float) -> float:
    return round(FLOOR - (FLOOR - TOP) * min(pain, MOST) / MOST, 1)


def _axes(end: float) -> Iterable[str]:
    yield tag("path", d=f"M{LEFT} {FLOOR}H{RIGHT}", stroke=OUTLINE, stroke_width=1.2)
    for pain in (0, 50, 100):
        yield tag("path", d=f"M{LEFT} {_y(pain)}H{RIGHT}", stroke=BOUNDARY, stroke_width=0.6, stroke_dasharray="2 4")
        yield text(LEFT - 8, _y(pain) + 5, f"{pain} %", size=13, anchor="end")
    step = next((step for step in STEPS if end / step <= MARKS), STEPS[-1])
    for months in range(0, int(end) + 1, step):
        yield tag("path", d=f"M{_x(months, end)} {FLOOR}v5", stroke=OUTLINE, stroke_width=1.2)
        yield text(_x(months, end), FLOOR + 19, str(months), size=13, anchor="middle")
    yield text((_x(0, end) + RIGHT) / 2, FLOOR + 38, "months since the operation", size=13, anchor="middle")
    yield tag("path", d=f"M{_x(0, end)} {TOP - 8}V{FLOOR}", stroke=INK, stroke_width=1.6)
    yield text(_x(0, end), TOP - 12, "operation", size=13, anchor="middle")
    yield text(LEFT + 2, _y(100) - 7, "before", size=13)


def _line(points: list[Point], end: float) -> Iterable[str]:
    path = "".join(f"L{_x(point.months, end)} {_y(point.pain)}" for point in points)
    yield tag(
        "path", d=f"M{LEFT} {_y(100)}{path}", fill="none", stroke=TINTS[-1], stroke_width=3, stroke_linejoin="round"
    )
    last = points[-1]
    yield tag("circle", cx=_x(last.months, end), cy=_y(last.pain), r=5, fill=TINTS[-1])


def _words(course: Mapping[str, Any], points: list[Point], end: float) -> Iterable[str]:
    last = points[-1]
    yield text(RIGHT, _y(last.pain) - 11, _now_words(course), size=13, weight="bold", anchor="end")


def _now_words(course: Mapping[str, Any]) -> str:
    """
    Examples
    --------
    >>> _now_words({"pain_now": 7.0}), _now_words({"pain_before": 8.0}), _now_words({"pain_before": 8, "pain_now": 0})
    ('now (7 of 10; before not recorded)', 'now (pain not recorded)', 'now')
    """
    now = course.get("pain_now")
    if now is None:
        return "now (pain not recorded)"
    return "now" if course.get("pain_before") else f"now ({now:g} of 10; before not recorded)"
