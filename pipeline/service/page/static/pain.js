// Expected over reported pain, and lesions and plan, drawn on copies of the shapes of the form.

import { stepOf } from "./body.js";
import { byId, h, s } from "./dom.js";
import { markAt, placesOf } from "./spine.js";
import { percent } from "./words.js";

const WITH_RODS = "482 62 262 336"; // wider than the form's spine, where no plan is drawn
const EXPECTED_STEPS = [0.2, 0.5];
const STEP_NAMES = ["1–3", "4–6", "7–8", "9–10"];
const LESION_STEPS = ["is-weak", "is-some", "is-strong"];

const expectedStep = (share) => EXPECTED_STEPS.filter((step) => Math.round(100 * share) / 100 >= step).length;

function copyOf(id) {
  const copy = byId(id).cloneNode(true);
  copy.removeAttribute("id");
  copy.setAttribute("role", "img");
  for (const part of copy.querySelectorAll("[tabindex]")) for (const name of ["tabindex", "role", "aria-label", "aria-valuemin", "aria-valuemax", "aria-valuenow", "aria-valuetext"]) part.removeAttribute(name);
  for (const part of copy.querySelectorAll(".is-chosen")) part.classList.remove("is-chosen");
  return copy;
}

const isDefined = (rows) => rows.some((row) => row.some((value) => value !== null));

/** Body and spine side by side; the brackets are those of a plan, or of an operation that was. */
export function painFigure(picture, brackets = "planned") {
  const hasDrawing = isDefined(picture.reported);
  const hasExpected = isDefined(picture.expected);
  return h(
    "div",
    { class: "pain-figure" },
    h("figure", {}, bodyOf(picture, hasDrawing), h("figcaption", {}, bodyLegend(picture, hasDrawing, hasExpected))),
    h("figure", {}, spineOf(picture), h("figcaption", {}, spineLegend(picture, brackets))),
  );
}

function bodyOf(picture, hasDrawing) {
  const svg = copyOf("body");
  const { regions, upper, sides } = JSON.parse(svg.dataset.axes);
  let matched = 0;
  for (const part of svg.querySelectorAll(".region")) {
    const { region, side } = part.dataset;
    const row = regions.indexOf(region);
    const column = sides.indexOf(side);
    const felt = (row >= 0 ? picture.reported[row] : picture.upper[upper.indexOf(region)])[column];
    const expected = row >= 0 ? picture.expected[row][column] : null;
    part.dataset.step = stepOf(felt ?? 0);
    const step = expectedStep(expected ?? 0);
    if (step) part.append(s("path", { d: part.querySelector("path").getAttribute("d"), class: "expected", fill: `url(#hatch-${step})` }));
    if (step && felt > 0) matched += 1;
    part.querySelector("title").textContent += `: felt ${felt === null ? "not recorded" : `${felt} of 10`}${expected === null ? "" : `, expected ${percent(expected)}`}`;
  }
  svg.setAttribute("aria-label", `Body: ${hasDrawing ? "pain as drawn" : "no pain drawing"}${matched ? `; felt where it is expected in ${matched} of the shapes` : ""}. Hatching: ${picture.expected_label}.`);
  return svg;
}

function bodyLegend(picture, hasDrawing, hasExpected) {
  const swatch = (step, fill) => s("svg", { class: "swatch", viewBox: "0 0 26 16", "aria-hidden": "true" }, s("rect", { width: 26, height: 16, rx: 3, "data-step": step, class: "tint" }), fill ? s("rect", { width: 26, height: 16, rx: 3, class: "expected", fill: `url(#hatch-${fill})` }) : null);
  return [
    h("p", {}, h("strong", {}, "Tint: pain as drawn, of 10. "), hasDrawing ? STEP_NAMES.map((name, place) => h("span", { class: "key" }, swatch(place + 1), name)) : "No pain drawing."),
    h("p", {}, h("strong", {}, hasExpected ? `Hatching: ${picture.expected_label}. ` : "No hatching: expected pain is undefined. "), hasExpected ? EXPECTED_STEPS.map((share, place) => h("span", { class: "key" }, swatch(0, place + 1), `from ${percent(share)}`)) : null),
    hasDrawing && hasExpected ? h("p", {}, h("span", { class: "key" }, swatch(3, 2), "felt and expected"), h("span", { class: "key" }, swatch(0, 2), "expected, not felt"), h("span", { class: "key" }, swatch(3), "felt, not expected")) : null,
    h("p", { class: "small" }, "Left and right are the patient’s."),
  ];
}

function spineOf(picture) {
  const svg = copyOf("spine");
  svg.querySelector(".cells").remove();
  svg.setAttribute("viewBox", WITH_RODS);
  const places = placesOf(svg);
  const { levels } = JSON.parse(byId("body").dataset.axes);
  const marks = [];
  picture.planned.forEach((sides, level) => {
    const [x, y] = places[`${levels[level]} central`];
    sides.forEach((isPlanned, side) => isPlanned && marks.push(bracket(x, y, side === 0 ? -1 : 1)));
    if (picture.fused[level]) marks.push(rod(x - 96, y), rod(x + 96, y));
  });
  for (const { level, zone, side, weight, share, is_best: isBest } of [...picture.lesions].sort((a, b) => (a.zone !== "disc") - (b.zone !== "disc"))) {
    const place = `${level} ${zone}${side ? ` ${side}` : ""}`;
    const grade = Math.max(1, Math.min(4, Math.round(4 * weight)));
    const kind = LESION_STEPS[share === null ? 0 : expectedStep(share)];
    if (isBest) marks.push(...markAt(place, places[place], Math.min(4, grade + 1), { "data-halo": "" }));
    marks.push(...markAt(place, places[place], grade, { "data-kind": kind }));
  }
  svg.querySelector(".marks").replaceChildren(...marks);
  const lesions = picture.lesions.length;
  svg.setAttribute("aria-label", `Lumbar spine: ${lesions} lesion${lesions === 1 ? "" : "s"} marked.`);
  return svg;
}

const bracket = (x, y, side) => s("path", { class: "bracket", d: `M${x + side * 76} ${y - 18}h${side * 8}v36h${-side * 8}` });

const rod = (x, y) => s("g", { class: "rod" }, s("path", { d: `M${x} ${y - 18}v36` }), s("circle", { cx: x, cy: y - 18, r: 4.5 }), s("circle", { cx: x, cy: y + 18, r: 4.5 }));

const BRACKET_WORDS = { planned: ["to be decompressed", "to be fused"], operated: ["decompressed", "fused"] };

function spineLegend(picture, brackets) {
  const [opened, fused] = BRACKET_WORDS[brackets];
  const dot = (kind) => s("svg", { class: "swatch round", viewBox: "0 0 18 18", "aria-hidden": "true" }, s("circle", { cx: 9, cy: 9, r: 6.5, class: "mark", "data-kind": kind }));
  return [
    h("p", {}, picture.lesions.length ? [h("strong", {}, "Lesions: "), h("span", { class: "key" }, LESION_STEPS.map(dot), "darker explains more of the pain, larger is the surer source, ringed is the best")] : "No lesion found, or no scan read."),
    h("p", {}, h("span", { class: "key" }, s("svg", { class: "swatch round", viewBox: "0 0 18 18", "aria-hidden": "true" }, s("path", { class: "bracket", d: "M6 3h7v12h-7" })), opened), h("span", { class: "key" }, s("svg", { class: "swatch round", viewBox: "0 0 18 18", "aria-hidden": "true" }, s("path", { class: "bracket", d: "M9 3v12" }), s("circle", { class: "screw", cx: 9, cy: 4, r: 3 }), s("circle", { class: "screw", cx: 9, cy: 14, r: 3 })), fused)),
  ];
}
