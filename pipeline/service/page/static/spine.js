// The lumbar spine: a place is clicked, its findings are chosen beside it; what is entered is marked on it.

import { s } from "./dom.js";
import { fieldsIn, isFinding, valueOf, wordsOf } from "./record.js";
import { connectTabs, markChosen } from "./tablist.js";

const WEIGHT_RADIUS = [0, 5, 6.5, 8, 9];

export const placesOf = (svg) => JSON.parse(svg.dataset.places);

export function connectSpine(form) {
  const block = form.querySelector("[data-layout=levels]");
  const svg = block.querySelector("svg.spine");
  const places = placesOf(svg);
  const cells = [...svg.querySelectorAll(".place")];
  const tabs = [...block.querySelectorAll("[role=tab]")];
  const panels = [...block.querySelectorAll("[data-panel]")];
  const levels = tabs.map((tab) => tab.dataset.level);
  let chosen = cells.find((cell) => cell.dataset.level === "l4_l5" && cell.dataset.zone === "paracentral");

  const fieldsAt = ({ level, zone, side }) =>
    fieldsIn(panels.find((panel) => panel.dataset.panel === level)).filter(
      (field) => field.dataset.zone === zone && (field.dataset.side ?? "") === side,
    );

  function chooseLevel(level) {
    markChosen(tabs, tabs.find((tab) => tab.dataset.level === level));
    for (const panel of panels) panel.hidden = panel.dataset.panel !== level;
    svg.dataset.level = level;
  }

  function choose(cell) {
    chosen = cell;
    for (const other of cells) other.setAttribute("tabindex", other === cell ? "0" : "-1");
    chooseLevel(cell.dataset.level);
    const here = fieldsAt(cell.dataset);
    for (const field of fieldsIn(block)) field.classList.toggle("is-here", here.includes(field));
    for (const other of cells) other.classList.toggle("is-chosen", other === cell);
    const panel = panels.find((other) => other.dataset.panel === cell.dataset.level);
    panel.querySelector("[data-place-about]").textContent = `Highlighted: ${cell.dataset.label}.`;
    return here;
  }

  /** A field's finding in words, empty where it is not read or normal. */
  const finding = (field) => (isFinding(field) ? wordsOf(field) : "");

  function draw() {
    const marks = [];
    for (const level of levels) {
      const panel = panels.find((other) => other.dataset.panel === level);
      const fields = fieldsIn(panel);
      const read = fields.filter((field) => valueOf(field) !== "");
      const found = fields.filter((field) => finding(field));
      const state = read.length === 0 ? "not read" : found.length ? `${found.length} finding${found.length > 1 ? "s" : ""}` : "normal so far";
      const all = fields.filter((field) => field.dataset.normal !== undefined);
      const isWhole = all.every((field) => valueOf(field) !== "");
      const tab = tabs.find((other) => other.dataset.level === level);
      const words = isWhole && !found.length ? "normal" : state;
      tab.querySelector("[data-level-state]").textContent = words;
      tab.dataset.state = read.length === 0 ? "unread" : found.length ? "found" : "normal";
      const grades = {};
      for (const field of found) {
        const { zone, side } = field.dataset;
        const place = `${level} ${zone}${side ? ` ${side}` : ""}`;
        grades[place] = Math.max(grades[place] ?? 0, Math.min(4, Number(valueOf(field)) || 1));
      }
      for (const [place, grade] of Object.entries(grades)) marks.push(...markAt(place, places[place], grade));
      for (const cell of cells.filter((other) => other.dataset.level === level)) {
        const here = fieldsAt(cell.dataset);
        const told = here.map((field) => [field, finding(field)]).filter(([, words_]) => words_);
        const isRead = here.some((field) => valueOf(field) !== "");
        const label = told.length ? told.map(([field, words_]) => `${field.dataset.item.replace("followup_", "").replaceAll("_", " ")} ${words_}`).join("; ") : isRead ? "nothing found" : "not read";
        cell.setAttribute("aria-label", `${cell.dataset.label}: ${label}`);
        cell.dataset.state = told.length ? "found" : isRead ? "read" : "unread";
      }
    }
    svg.querySelector(".marks").replaceChildren(...marks);
  }

  svg.addEventListener("click", (event) => {
    const cell = event.target.closest(".place");
    if (!cell) return;
    const [first] = choose(cell);
    for (const panel of panels) panel.classList.toggle("is-one-place", panel.dataset.panel === cell.dataset.level);
    first?.querySelector("select, input:checked, input")?.focus({ preventScroll: true });
  });
  svg.addEventListener("focusin", (event) => choose(event.target));
  svg.addEventListener("keydown", (event) => {
    const [right, down] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
    if (right || down) {
      const row = cells.filter((cell) => cell.dataset.level === chosen.dataset.level);
      const at = Math.min(row.length - 1, Math.max(0, row.indexOf(chosen) + right));
      const level = levels[Math.min(levels.length - 1, Math.max(0, levels.indexOf(chosen.dataset.level) + down))];
      cells.filter((cell) => cell.dataset.level === level)[at].focus();
    } else if (event.key === "Enter" || event.key === " ") {
      fieldsAt(chosen.dataset)[0]?.querySelector("select, input:checked, input")?.focus();
    } else {
      return;
    }
    event.preventDefault();
  });
  const showWhole = () => panels.forEach((panel) => panel.classList.remove("is-one-place"));
  for (const button of block.querySelectorAll("[data-whole-level]")) button.addEventListener("click", showWhole);
  connectTabs(tabs, (tab) => {
    chooseLevel(tab.dataset.level);
    showWhole();
  });
  block.addEventListener("choose-level", (event) => {
    chooseLevel(event.detail);
    showWhole();
  });
  chosen.setAttribute("tabindex", "0");
  chooseLevel("l4_l5");
  return draw;
}

/** A circle at its place; a band for the disc, two diamonds for the facet joints. */
export function markAt(place, [x, y], grade, attributes = {}) {
  const radius = WEIGHT_RADIUS[grade];
  if (place.includes(" disc")) return [s("rect", { x: x - 46, y: y - 6, width: 92, height: 12, rx: 6, class: "mark band", ...attributes })];
  if (place.includes(" facet")) {
    return [-34, 34].map((dx) => s("path", { d: `M${x + dx - radius} ${y + 16}l${radius} ${-radius}l${radius} ${radius}l${-radius} ${radius}z`, class: "mark", ...attributes }));
  }
  return [s("circle", { cx: x, cy: y, r: radius, class: "mark", ...attributes })];
}
