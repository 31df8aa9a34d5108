"""The figure of expected over reported pain: what is drawn where, in which step, and that it can be read."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.path import Path

from features.anatomy import MIDLINE_ZONES, SITES
from features.axes import LABELS, LEVELS, REGIONS, SIDES, UPPER_REGIONS
from features.errors import KnowledgeError, ValuesError
from models import body_figure as module
from models.body_figure import BodyPicture, DrawnLesion, body_figure, body_lines, mirrored_path, region_shapes
from models.body_picture import EXPECTED_STEPS, REPORTED_STEPS, expected_step, figure_description, reported_step
from models.svg import BOUNDARY, INK, OUTLINE, PAPER, SHARE_FILLS, TEXT, TINTS

SVG = "{http://www.w3.org/2000/svg}"
GRIDS = {"reported": REGIONS, "upper": UPPER_REGIONS, "expected": REGIONS}
BEST = DrawnLesion("l4_l5", "paracentral", "left", weight=0.85, share=0.72, is_best=True)
OTHER = DrawnLesion("l5_s1", "central", None, weight=0.3, share=0.1)


def picture(*, undefined=(), lesions=(), planned=(), fused=(), label="expected from the best lesion", **pain):
    """Pain by (region, side), 0 elsewhere; `undefined` names the grids that are not known at all."""
    grids = {name: np.full((len(axis), 2), np.nan if name in undefined else 0.0) for name, axis in GRIDS.items()}
    for name, values in pain.items():
        for (region, side), value in values.items():
            grids[name][GRIDS[name].index(region), SIDES.index(side)] = value
    return BodyPicture(
        **grids,
        lesions=tuple(lesions),
        planned=np.array([[(level, side) in planned for side in SIDES] for level in LEVELS]),
        fused=np.array([level in fused for level in LEVELS]),
        expected_label=label,
    )


LEFT_L5 = {
    "reported": {("lateral_leg", "left"): 8, ("low_back", "right"): 4},
    "expected": {("lateral_leg", "left"): 0.8, ("foot_dorsum", "left"): 0.3},
    "upper": {("upper_back", "right"): 2},
    "lesions": (BEST, OTHER),
}


@pytest.fixture(scope="module")
def left_l5():
    return picture(**LEFT_L5, planned=[("l4_l5", "left")], fused=["l5_s1"])


@pytest.fixture(scope="module")
def unknown():
    return picture(undefined=tuple(GRIDS))


def read(shown, title="Pain"):
    return ElementTree.fromstring(body_figure(shown, title))


def steps_of(svg):
    """(region, side) → its steps of tint and hatching, by view."""
    steps = {}
    for place in svg.iter(f"{SVG}g"):
        if "data-region" in place.attrib:
            found = steps.setdefault((place.get("data-region"), place.get("data-side")), {})
            found[place.get("data-view")] = (int(place.get("data-reported")), int(place.get("data-expected")))
    return steps


def fills_of(svg, region, side):
    """What a region is filled with, from the bottom up, in the first view that shows it."""
    at_place = [g for g in svg.iter(f"{SVG}g") if (g.get("data-region"), g.get("data-side")) == (region, side)]
    return [path.get("fill") for path in at_place[0].iter(f"{SVG}path")]


def words_of(svg):
    return [element.text for element in svg.iter(f"{SVG}text")]


def polygons(path):
    """The closed parts of a path of lines and cubic curves, as points: ten to a curve."""
    step = np.linspace(0, 1, 11)[1:, None]
    for part in re.findall(r"M[^M]*", path):
        corners = np.array([float(number) for number in re.findall(r"-?[\d.]+", part)]).reshape(-1, 2)
        points = [corners[:1]]
        for start in range(0, len(corners) - 1, 3):
            a, b, c, d = corners[start : start + 4]
            points.append(
                (1 - step) ** 3 * a + 3 * (1 - step) ** 2 * step * b + 3 * (1 - step) * step**2 * c + step**3 * d
            )
        yield np.vstack(points)


def holds(path, points):
    return np.any([Path(polygon).contains_points(points) for polygon in polygons(path)], axis=0)


def centre(path):
    points = np.vstack(list(polygons(path)))
    return (points.min(axis=0) + points.max(axis=0)) / 2


def shape(view, region, side="left"):
    return next(s.path for s in region_shapes() if (s.view, s.region, s.side) == (view, region, side))


# The body


def test_every_region_is_drawn_where_it_can_be_seen():
    seen_from = {
        "low_back": {"back"},
        "buttock": {"back"},
        "groin": {"front"},
        "lateral_hip": {"front", "back"},
        "anterior_thigh": {"front"},
        "medial_thigh": {"front"},
        "lateral_thigh": {"front", "back"},
        "posterior_thigh": {"back"},
        "knee": {"front"},
        "medial_leg": {"front"},
        "lateral_leg": {"front", "back"},
        "posterior_leg": {"back"},
        "foot_dorsum": {"front"},
        "foot_lateral": {"front", "back", "sole"},
        "foot_sole": {"back", "sole"},
        "head_neck": {"front", "back"},
        "shoulder_arm": {"front", "back"},
        "upper_back": {"back"},
        "trunk": {"front"},
    }
    assert set(seen_from) == {*REGIONS, *UPPER_REGIONS}
    for side in SIDES:
        for region, views in seen_from.items():
            assert {s.view for s in region_shapes() if (s.region, s.side) == (region, side)} == views, (region, side)


def test_left_is_the_mirror_of_right():
    paths = {(s.view, s.region, s.side): s.path for s in region_shapes()}
    for (view, region, side), path in paths.items():
        other = SIDES[1 - SIDES.index(side)]
        assert paths[view, region, other] == mirrored_path(path)
        assert mirrored_path(mirrored_path(path)) == path
        assert paths[view, region, other] != path


@pytest.mark.parametrize(("view", "left_is"), [("front", 1), ("back", -1), ("sole", 1)])
def test_the_left_of_the_patient_is_on_the_right_of_the_viewer_unless_seen_from_behind(view, left_is):
    for s in region_shapes():
        if s.view == view:
            assert np.sign(centre(s.path)[0]) == (left_is if s.side == "left" else -left_is), s.region


@pytest.mark.parametrize(
    ("view", "downwards"),
    [
        ("front", ["head_neck", "trunk", "groin", "anterior_thigh", "knee", "medial_leg", "foot_dorsum"]),
        ("front", ["lateral_hip", "lateral_thigh", "lateral_leg", "foot_lateral"]),
        ("back", ["upper_back", "low_back", "buttock", "posterior_thigh", "posterior_leg", "foot_sole"]),
    ],
)
def test_regions_follow_each_other_from_head_to_foot(view, downwards):
    heights = [centre(shape(view, region))[1] for region in downwards]
    assert heights == sorted(heights)


@pytest.mark.parametrize(
    ("view", "inner", "outer"),
    [
        ("front", "medial_thigh", "anterior_thigh"),
        ("front", "anterior_thigh", "lateral_thigh"),
        ("front", "medial_leg", "lateral_leg"),
        ("front", "groin", "lateral_hip"),
        ("front", "foot_dorsum", "foot_lateral"),
        ("back", "buttock", "lateral_hip"),
        ("back", "posterior_leg", "lateral_leg"),
        ("sole", "foot_sole", "foot_lateral"),
    ],
)
def test_outer_regions_lie_further_from_the_midline(view, inner, outer):
    assert abs(centre(shape(view, outer))[0]) > abs(centre(shape(view, inner))[0])


@pytest.mark.parametrize("view", ["front", "back", "sole"])
def test_the_regions_tile_the_body_without_gap_or_overlap(view):
    # Scattered points: each inside the silhouette lies in one region, each outside it in none.
    halves = [line.path for line in body_lines() if (line.view, line.kind) == (view, "outline")]
    reach = np.abs(np.vstack([p for half in halves for p in polygons(half)])).max(axis=0) + 5
    points = np.random.default_rng(1).uniform([-reach[0], -5], reach, (20_000, 2))
    inside = np.sum([holds(half, points) for half in halves], axis=0)
    covered = np.sum([holds(s.path, points) for s in region_shapes() if s.view == view], axis=0)
    assert inside.max() == 1
    assert inside.mean() > 0.2
    assert (covered == inside).mean() > 0.999  # ten lines to a curve leave slivers


def test_a_region_that_is_not_drawn_is_refused(monkeypatch):
    table = module.outline_table()
    monkeypatch.setattr(module, "outline_table", lambda: table.replace({"part": {"knee": "elbow"}}))
    region_shapes.cache_clear()
    with pytest.raises(KnowledgeError, match=r"unknown regions \['elbow'\], and does not draw \['knee'\]"):
        region_shapes()
    region_shapes.cache_clear()


# Steps


@pytest.mark.parametrize(
    ("points", "step"), [(0, 0), (0.5, 1), (3, 1), (4, 2), (6, 2), (7, 3), (8, 3), (9, 4), (10, 4), (np.nan, 0)]
)
def test_the_tint_darkens_with_reported_pain_and_nothing_felt_is_blank(points, step):
    assert reported_step(points) == step
    if not np.isnan(points):
        svg = read(picture(reported={("knee", "left"): points}))
        assert fills_of(svg, "knee", "left") == [TINTS[step - 1] if step else PAPER]


@pytest.mark.parametrize(
    ("share", "step"), [(0, 0), (0.19, 0), (0.199, 1), (0.2, 1), (0.49, 1), (0.5, 2), (1, 2), (np.nan, 0)]
)
def test_the_hatching_thickens_with_expected_pain(share, step):
    assert expected_step(share) == step
    if not np.isnan(share):
        fills = fills_of(read(picture(expected={("knee", "left"): share})), "knee", "left")
        assert len(fills) == 1 + (step > 0)
        assert not step or fills[1].endswith(f"-{step})")


def test_strong_hatching_has_more_ink_than_some():
    patterns = list(read(picture()).iter(f"{SVG}pattern"))
    ink = [float(p.find(f"{SVG}path").get("stroke-width")) / 2 / float(p.get("width")) for p in patterns]
    assert len(ink) == len(EXPECTED_STEPS)
    assert 0.1 < ink[0] < ink[1] / 2 < 0.25


def test_what_is_felt_or_expected_is_drawn_on_its_side_and_nowhere_else(left_l5):
    steps = steps_of(read(left_l5))
    marked = {place: views for place, views in steps.items() if any(v != (0, 0) for v in views.values())}
    assert marked == {
        ("lateral_leg", "left"): {"front": (3, 2), "back": (3, 2)},
        ("foot_dorsum", "left"): {"front": (0, 1)},
        ("low_back", "right"): {"back": (2, 0)},
        ("upper_back", "right"): {"back": (1, 0)},
    }
    assert set(steps) == {(region, side) for region in (*REGIONS, *UPPER_REGIONS) for side in SIDES}


# The spine


def marks(svg, **place):
    wanted = {f"data-{name}": value for name, value in place.items()}
    return [g for g in svg.iter(f"{SVG}g") if "data-zone" in g.attrib and wanted.items() <= g.attrib.items()]


def lesion_at(site, **more):
    return DrawnLesion(site.level, site.zone, site.side, **{"weight": 0.5, "share": 0.3, **more})


def test_every_site_can_be_drawn_and_no_two_at_the_same_place():
    svg = read(picture(lesions=[lesion_at(site) for site in SITES]))
    drawn = {ElementTree.tostring(next(iter(marks(svg, level=s.level, zone=s.zone, side=s.side or "midline")))[-1])
             for s in SITES}  # fmt: skip
    assert len(drawn) == len(SITES)


def test_lesions_keep_their_level_and_side_seen_from_behind():
    svg = read(picture(lesions=[lesion_at(site) for site in SITES]))
    places = {}
    for site in SITES:
        if site.zone not in ("disc", "facet"):
            circle = marks(svg, level=site.level, zone=site.zone, side=site.side or "midline")[0][-1]
            places[site] = float(circle.get("cx")), float(circle.get("cy"))
    middle = places[next(s for s in places if s.zone == "central")][0]
    for site, (x, y) in places.items():
        assert np.sign(x - middle) == {"left": -1, "right": 1, None: 0}[site.side]
        nearest = min(
            LEVELS, key=lambda level: abs(y - next(places[s][1] for s in places if s[:2] == (level, "central")))
        )
        assert nearest == site.level
    outwards = [places[next(s for s in places if s == ("l4_l5", zone, "right"))][0]
                for zone in ("paracentral", "foraminal", "far_lateral")]  # fmt: skip
    assert middle < outwards[0] < outwards[1] < outwards[2]


def test_a_lesion_darkens_with_what_it_explains_and_grows_with_its_weight():
    shares, weights = (np.nan, 0.1, 0.3, 0.7), (0.1, 0.3, 0.6, 1.0)
    drawn = [
        marks(read(picture(lesions=[DrawnLesion("l4_l5", "foraminal", "left", weight, share)])))[0][-1]
        for share, weight in zip(shares, weights, strict=True)
    ]
    assert [circle.get("fill") for circle in drawn] == [SHARE_FILLS[step] for step in (0, 0, 1, 2)]
    radii = [float(circle.get("r")) for circle in drawn]
    assert radii == sorted(set(radii))


@pytest.mark.parametrize("zone", ["paracentral", "disc", "facet"])
def test_the_best_lesion_has_a_ring_a_word_and_its_share(zone):
    side = None if zone in MIDLINE_ZONES else "left"
    plain = picture(lesions=[DrawnLesion("l4_l5", zone, side, 0.5, 0.72)])
    best = picture(lesions=[DrawnLesion("l4_l5", zone, side, 0.5, 0.72, is_best=True)])
    rings = [len([e for e in marks(read(shown))[0] if e.get("fill") == "none"]) for shown in (plain, best)]
    assert rings[0] == 0
    assert rings[1] >= 2
    assert {"best", "72 % of"} <= set(words_of(read(best)))
    assert "best" not in words_of(read(plain))
    assert "of the pain" not in figure_description(picture(lesions=[DrawnLesion("l4_l5", zone, side, 0.5, np.nan)]))


def test_the_best_lesion_is_drawn_over_its_neighbours():
    neighbour = DrawnLesion("l4_l5", "paracentral_down", "left", 0.5, 0.2)
    for lesions in [(BEST, neighbour), (neighbour, BEST)]:
        assert marks(read(picture(lesions=lesions)))[-1].get("data-zone") == "paracentral"


def test_a_disc_never_hides_a_lesion_before_it():
    disc = DrawnLesion("l4_l5", "disc", None, 0.5, 0.9, is_best=True)
    for lesions in [(OTHER, disc), (disc, OTHER)]:
        assert [mark.get("data-zone") for mark in marks(read(picture(lesions=lesions)))] == ["disc", "central"]


def test_the_plan_is_bracketed_at_its_level_and_side():
    svg = read(picture(lesions=[BEST, OTHER], planned=[("l4_l5", "left"), ("l5_s1", "right")], fused=["l5_s1"]))
    plan = {(g.get("data-plan"), g.get("data-level"), g.get("data-side")): g for g in svg.iter() if g.get("data-plan")}
    assert set(plan) == {
        ("decompression", "l4_l5", "left"),
        ("decompression", "l5_s1", "right"),
        ("fusion", "l5_s1", None),
    }
    middle = float(marks(svg, zone="central")[0][-1].get("cx"))
    for (_, level, side), group in plan.items():
        if side:
            edge = re.search(r"H([\d.]+)V([\d.]+)H", group[0].get("d"))
            assert (float(edge[1]) < middle) == (side == "left")
            lesion = marks(svg, level=level)[0][-1]
            assert 0 < float(edge[2]) - float(lesion.get("cy")) < 25


def test_a_fusion_joins_two_vertebrae_on_both_sides():
    svg = read(picture(lesions=[OTHER], fused=["l5_s1"]))
    disc = marks(svg, zone="central")[0][-1]
    screws = [c for g in svg.iter() if g.get("data-plan") == "fusion" for c in g.iter(f"{SVG}circle")]
    around = [(float(c.get("cx")) - float(disc.get("cx")), float(c.get("cy")) - float(disc.get("cy"))) for c in screws]
    assert sorted(np.sign(around).tolist()) == [[-1, -1], [-1, 1], [1, -1], [1, 1]]


# What is not known


def test_what_is_not_known_is_said_and_not_drawn(unknown):
    svg = read(unknown)
    assert {"no pain drawing", "no scan read", "no level planned"} <= set(words_of(svg))
    assert {step for views in steps_of(svg).values() for step in views.values()} == {(0, 0)}
    assert figure_description(unknown) == "No pain drawing. No scan read. No level planned."


def test_what_is_known_is_not_said_to_be_missing(left_l5):
    words = words_of(read(left_l5))
    assert not [word for word in words if word.startswith("no ") or word == "not recorded"]


def test_a_scan_without_a_lesion_is_not_a_scan_that_was_not_read():
    read_scan = picture(reported={("knee", "left"): 5})
    assert "no lesion found" in words_of(read(read_scan))
    assert "No lesion found." in figure_description(read_scan)


def test_an_upper_body_that_was_not_asked_for_is_marked():
    assert "not recorded" in words_of(read(picture(undefined=("upper",))))


@pytest.mark.parametrize("grid", ["reported", "expected"])
def test_agreement_is_claimed_only_where_both_are_known(grid):
    shown = picture(**{**LEFT_L5, grid: {}}, undefined=(grid,))
    readings = {"felt and expected", "expected, not felt", "felt, not expected"}
    assert not readings & set(words_of(read(shown)))
    assert "not felt" not in figure_description(shown)
    assert "not expected" not in figure_description(shown)
    assert readings <= set(words_of(read(picture(**LEFT_L5))))


# Text


def test_the_text_alternative_names_what_is_drawn(left_l5):
    assert figure_description(left_l5) == (
        "Felt and expected: outer calf left 8 of 10, expected 80 %. "
        "Expected, not felt: back of the foot and great toe left 0 of 10, expected 30 %. "
        "Felt, not expected: low back right 4 of 10, expected 0 %; upper back right 2 of 10. "
        "Lesions: L4-L5 paracentral and recess, left, the best, explains 72 % of the pain; "
        "L5-S1 central canal, explains 10 % of the pain. "
        "Planned: decompression L4-L5 left; fusion L5-S1."
    )
    svg = read(left_l5, "Where it hurts")
    named = {element.get("id"): element.text for element in svg}
    assert svg.get("role") == "img"
    assert [named[name] for name in svg.get("aria-labelledby").split()] == [
        "Where it hurts",
        figure_description(left_l5),
    ]


def test_every_region_and_lesion_names_itself(left_l5):
    svg = read(left_l5)
    for place in svg.iter(f"{SVG}g"):
        if "data-region" in place.attrib:
            words = place.find(f"{SVG}title").text
            assert words.startswith(f"{LABELS[place.get('data-region')]} {place.get('data-side')} ")
    assert marks(svg, level="l4_l5")[0].find(f"{SVG}title").text == BEST.label


def test_left_and_right_are_written_in_every_view(left_l5):
    words = words_of(read(left_l5))
    assert {"front", "back", "soles", "Lumbar spine, from behind", "Left and right are the patient’s."} <= set(words)
    assert words.count("left") == words.count("right") == 4


def test_legend_names_every_step(left_l5):
    words = " ".join(words_of(read(left_l5)))
    assert len(TINTS) == len(REPORTED_STEPS)
    for name in ("1–3", "4–6", "7–8", "9–10", "from 20 %", "from 50 %", "expected from the best lesion"):
        assert name in words


def test_a_title_is_escaped_and_a_long_one_wrapped(left_l5):
    title = """Pain & "expected" <script>alert('x')</script> """ + "of one case " * 12
    svg = read(left_l5, title)
    assert svg.find(f"{SVG}title").text == title
    assert not list(svg.iter(f"{SVG}script"))
    height = [int(read(left_l5, words).get("viewBox").split()[-1]) for words in ("Pain", title)]
    assert height[0] < height[1]
    assert max(len(words) for words in words_of(svg)) < 70


def test_it_needs_nothing_from_outside_and_runs_nothing(left_l5):
    text = body_figure(left_l5, "Pain")
    assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]
    assert not re.findall(r"<(?:script|image|use|style|foreignObject)|\son\w+=|href|@import|style=", text)
    assert set(re.findall(r"url\((.)", text)) == {"#"}


def test_every_pattern_that_is_used_is_defined_and_two_figures_do_not_share_names(left_l5, unknown):
    names = []
    for shown in (left_l5, unknown):
        text = body_figure(shown, "Pain")
        defined = set(re.findall(r' id="([^"]*)"', text))
        assert set(re.findall(r"url\(#([^)]*)\)", text)) <= defined
        names.append(defined)
    assert not names[0] & names[1]


def test_the_same_picture_gives_the_same_bytes():
    assert body_figure(picture(**LEFT_L5), "Pain") == body_figure(picture(**LEFT_L5), "Pain")


# Colours


def luminance(colour):
    """Relative luminance as WCAG 2.2 defines it."""
    channels = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one, other):
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_white_on_black_has_the_contrast_of_the_standard():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_words_lines_and_hatching_stand_out():
    assert contrast(TEXT, PAPER) >= 7
    assert min(contrast(OUTLINE, PAPER), contrast(BOUNDARY, PAPER)) >= 3
    assert min(contrast(INK, tint) for tint in (PAPER, *TINTS)) >= 3


@pytest.mark.parametrize("scale", [(PAPER, *TINTS), SHARE_FILLS])
def test_steps_can_be_told_apart_in_black_and_white(scale):
    assert all(contrast(one, other) >= 1.2 for one, other in pairwise(scale))
    assert [luminance(colour) for colour in scale] == sorted(map(luminance, scale), reverse=True)


# Refusals


def test_a_picture_that_cannot_be_is_refused_with_every_problem():
    with pytest.raises(ValuesError) as refusal:
        BodyPicture(
            reported=np.full((len(REGIONS), 2), 11.0),
            upper=np.zeros((3, 2)),
            expected=np.r_[np.full((1, 2), np.nan), np.zeros((len(REGIONS) - 1, 2))],
            lesions=(
                DrawnLesion("l7_s1", "central", None, 0.5, 0.5),
                DrawnLesion("l4_l5", "paracentral", None, 0.5, 0.5),
                DrawnLesion("l4_l5", "disc", "left", 1.5, np.nan),
            ),
            planned=np.zeros((5, 2)),
            fused=np.zeros(4, dtype=bool),
            expected_label="expected",
        )
    for problem in (
        r"reported lies outside 0 to 10 in 30 places",
        r"upper has the shape \(3, 2\); it is \(4, 2\)",
        r"expected is NaN in some places only",
        r"lesion 1: there is no central of l7_s1",
        r"lesion 2: paracentral with the side None",
        r"lesion 3: disc with the side left",
        r"lesion 3: weight and share lie in \[0, 1\]",
        r"planned is float64 of the shape \(5, 2\); it is bool of \(5, 2\)",
        r"fused is bool of the shape \(4,\); it is bool of \(5,\)",
    ):
        assert re.search(problem, str(refusal.value)), problem
