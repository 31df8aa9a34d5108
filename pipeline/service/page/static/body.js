// The pain drawing: a body whose regions are clicked, over the numbers of its list.

import { announce, h } from "./dom.js";
import { fieldOf, setValue, valueOf } from "./record.js";

const CYCLE = [0, 3, 5, 8, 10];
const STEPS = [3, 6, 8, 10];
const TYPED_WITHIN = 700; // milliseconds in which 1 and then 0 is ten

/** The step of the tint, 1 to 4; 0 where nothing is felt. */
export const stepOf = (points) => (points > 0 ? 1 + STEPS.findIndex((end) => points <= end) : 0);

export function connectBody(form, changed) {
  const svg = form.querySelector("svg.body");
  const block = svg.closest("[data-block]");
  const [readout, dial, list] = [".readout", ".dial", ".marked"].map((name) => block.querySelector(name));
  const { upper } = JSON.parse(svg.dataset.axes);
  const regions = [...svg.querySelectorAll(".region")];
  const controls = regions.filter((region) => region.getAttribute("role"));
  let chosen = null;
  let isTouched = false; // until a region is chosen, none is named
  let typedAt = 0;

  const nameOf = ({ region, side }) => `${svg.dataset.stem}${region}_${side}`;
  const fieldAt = (region) => fieldOf(form, nameOf(region.dataset));
  const controlOf = ({ dataset }) =>
    controls.find((other) => other.dataset.region === dataset.region && other.dataset.side === dataset.side);
  const pointsAt = (region) => {
    const points = Number(valueOf(fieldAt(region)).replace(",", "."));
    return Number.isFinite(points) ? Math.min(10, Math.max(0, points)) : 0;
  };
  const isDrawn = () => controls.some((control) => valueOf(fieldAt(control)) !== "");

  function choose(control, isFocused) {
    chosen = control;
    isTouched ||= isFocused;
    for (const other of controls) other.setAttribute("tabindex", other === control ? "0" : "-1");
    for (const region of regions) region.classList.toggle("is-chosen", controlOf(region) === control && isFocused);
    readOut();
  }

  function readOut() {
    for (const button of dial.children) button.disabled = !isTouched;
    if (!isTouched) return;
    const points = pointsAt(chosen);
    readout.textContent = `${chosen.getAttribute("aria-label")}: ${points ? `${points} of 10` : "no pain marked"}`;
    for (const button of dial.children) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.points) === points && valueOf(fieldAt(chosen)) !== ""));
    }
  }

  function mark(control, points) {
    setValue(fieldAt(control), points === 0 ? "" : String(points));
    choose(control, true);
    changed(fieldAt(control));
    announce(readout.textContent);
  }

  function draw() {
    const drawn = isDrawn();
    for (const region of regions) {
      const points = pointsAt(region);
      region.dataset.step = stepOf(points);
      if (!region.getAttribute("role")) continue;
      region.setAttribute("aria-valuenow", points);
      region.setAttribute("aria-valuetext", points ? `${points} of 10` : drawn ? "unmarked: no pain" : "no drawing yet");
    }
    const marked = controls.filter((control) => pointsAt(control) > 0);
    list.replaceChildren(
      ...marked
        .sort((a, b) => pointsAt(b) - pointsAt(a))
        .map((control) => h("li", {}, h("i", { "data-step": stepOf(pointsAt(control)) }), `${control.getAttribute("aria-label")} `, h("b", {}, pointsAt(control)))),
    );
    const isAbove = marked.some((control) => upper.includes(control.dataset.region));
    svg.setAttribute("aria-label", `Body: pain by region, ${marked.length} marked${isAbove ? ", some above the low back" : ""}`);
    readOut();
  }

  svg.addEventListener("click", (event) => {
    const region = event.target.closest(".region");
    if (!region) return;
    const control = controlOf(region);
    const points = pointsAt(control);
    mark(control, CYCLE.find((step) => step > points) ?? 0);
    control.focus({ preventScroll: true });
  });

  svg.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const points = pointsAt(chosen);
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const step = { ArrowUp: points + 1, ArrowDown: points - 1, Home: 0, End: 10, Delete: 0, Backspace: 0, PageUp: points + 3, PageDown: points - 3 }[event.key];
    if (move) {
      const next = controls[(controls.indexOf(chosen) + move + controls.length) % controls.length];
      choose(next, true);
      next.focus({ preventScroll: true });
    } else if (step !== undefined) {
      mark(chosen, Math.min(10, Math.max(0, step)));
    } else if (event.key === "Enter" || event.key === " ") {
      mark(chosen, CYCLE.find((other) => other > points) ?? 0);
    } else if (/^\d$/.test(event.key)) {
      const isTen = event.key === "0" && points === 1 && event.timeStamp - typedAt < TYPED_WITHIN;
      typedAt = event.timeStamp;
      mark(chosen, isTen ? 10 : Number(event.key));
    } else {
      return;
    }
    event.preventDefault();
  });

  svg.addEventListener("focusin", (event) => choose(event.target.closest(".region"), true));
  svg.addEventListener("focusout", () => regions.forEach((region) => region.classList.remove("is-chosen")));
  dial.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) mark(chosen, Number(button.dataset.points));
  });

  choose(controls[0], false);
  return draw;
}
