// Where it was operated: three accounts on one spine, intended, noted and seen; each is marked by clicking.

import { announce, s } from "./dom.js";
import { fieldsIn, setValue, valueOf } from "./record.js";
import { placesOf } from "./spine.js";
import { connectTabs, markChosen } from "./tablist.js";

const COLUMNS = { intended: 92, noted: 74, seen: 27 }; // from the axis of the spine, to either side
const SIDES = { left: -1, right: 1 };

/** The marks of one account at a level: [layer, side] for each side, and whether it is fused there. */
function siteMarks(layer, [x, y], sides, isFused) {
  const column = COLUMNS[layer];
  const marks = [];
  for (const side of sides) {
    const dx = SIDES[side];
    if (layer === "seen") marks.push(s("rect", { class: "site-mark", "data-layer": layer, x: x + dx * column - 5, y: y - 13, width: 10, height: 26, rx: 4 }));
    else marks.push(s("path", { class: "site-mark", "data-layer": layer, d: `M${x + dx * (column - 8)} ${y - 17}h${dx * 8}v34h${-dx * 8}` }));
  }
  if (isFused) {
    for (const dx of [-1, 1]) {
      const at = x + dx * column;
      marks.push(s("path", { class: "site-mark", "data-layer": layer, d: `M${at} ${y - 17}v34` }));
      for (const end of [-17, 17]) marks.push(s("circle", { class: "site-screw", "data-layer": layer, cx: at, cy: y + end, r: 4 }));
    }
  }
  return marks;
}

export function connectLayers(form, changed) {
  const block = form.querySelector("[data-layout=layers]");
  const svg = block.querySelector("svg.sites");
  const told = block.querySelector(".layers-told");
  const places = placesOf(svg);
  const cells = [...svg.querySelectorAll(".place")];
  const levels = [...new Set(cells.map((cell) => cell.dataset.level))];
  const tabs = [...block.querySelectorAll("[role=tab]")];
  const panels = new Map([...block.querySelectorAll("[data-layer-panel]")].map((panel) => [panel.dataset.layerPanel, panel]));
  let layer = "intended";
  let chosen = cells.find((cell) => cell.dataset.level === "l4_l5" && cell.dataset.side === "left");

  const titleOf = (name) => tabs.find((tab) => tab.dataset.layer === name).querySelector("span").textContent.trim();
  const labelOfLevel = (level) => cells.find((cell) => cell.dataset.level === level).dataset.label.split(",")[0];

  /** The fields of a layer at a place: one by side, one for a fusion; both sides where an account knows no fusion. */
  function fieldsAt(name, { level, side }) {
    const all = fieldsIn(panels.get(name)).filter((field) => field.dataset.level === level);
    if (side) return all.filter((field) => field.dataset.side === side);
    const fused = all.filter((field) => !field.dataset.side);
    return fused.length ? fused : all;
  }

  const isMarked = (name, place) => {
    const here = fieldsAt(name, place);
    return here.length > 0 && here.every((field) => valueOf(field) === "1");
  };

  function show(name) {
    layer = name;
    markChosen(tabs, tabs.find((tab) => tab.dataset.layer === name));
    for (const [other, panel] of panels) panel.hidden = other !== name;
    svg.dataset.layer = name;
  }

  /** The sides of a level that an account names; a fusion is at both. */
  const sidesAt = (name, level) => Object.keys(SIDES).filter((side) => isMarked(name, { level, side }));
  const isFusedAt = (name, level) => name !== "seen" && isMarked(name, { level, side: "" });

  function wordsOfLayer(name) {
    return levels
      .map((level) => {
        const sides = sidesAt(name, level);
        const what = [sides.length === 2 ? "both sides" : sides[0], isFusedAt(name, level) ? "fused" : ""].filter(Boolean);
        return what.length ? `${labelOfLevel(level)} ${what.join(", ")}` : "";
      })
      .filter(Boolean);
  }

  const levelsOf = (name) => levels.filter((level) => sidesAt(name, level).length || isFusedAt(name, level)).join();
  const sidesOf = (name) => levels.flatMap((level) => (isFusedAt(name, level) ? Object.keys(SIDES) : sidesAt(name, level)).map((side) => `${level} ${side}`)).join();

  /** What two accounts do not share, in words; empty where they agree, or one says nothing. */
  function difference(one, other) {
    if (!levelsOf(one) || !levelsOf(other)) return "";
    if (levelsOf(one) !== levelsOf(other)) return `${titleOf(other)} at another level than ${titleOf(one).toLowerCase()}.`;
    return sidesOf(one) === sidesOf(other) ? "" : `${titleOf(other)} on another side than ${titleOf(one).toLowerCase()}.`;
  }

  function draw() {
    const marks = [];
    for (const level of levels) {
      for (const name of panels.keys()) marks.push(...siteMarks(name, places[`${level} central`], sidesAt(name, level), isFusedAt(name, level)));
    }
    svg.querySelector(".marks").replaceChildren(...marks);
    for (const cell of cells) {
      const by = [...panels.keys()].filter((name) => isMarked(name, cell.dataset));
      cell.setAttribute("aria-label", `${cell.dataset.label}: ${by.length ? by.join(", ") : "not marked"}`);
    }
    for (const tab of tabs) {
      const words = wordsOfLayer(tab.dataset.layer);
      const isSaid = fieldsIn(panels.get(tab.dataset.layer)).some((field) => valueOf(field) !== "");
      tab.querySelector("[data-layer-state]").textContent = words.join("; ") || (isSaid ? "nowhere" : panels.get(tab.dataset.layer).dataset.missing);
      tab.classList.toggle("is-said", words.length > 0);
    }
    const differs = [difference("intended", "noted"), difference("noted", "seen"), levelsOf("noted") ? "" : difference("intended", "seen")].filter(Boolean);
    told.textContent = differs.join(" ");
    told.classList.toggle("is-apart", differs.length > 0);
  }

  function toggle(cell) {
    const value = isMarked(layer, cell.dataset) ? "" : "1";
    const fields = fieldsAt(layer, cell.dataset);
    for (const field of fields) setValue(field, value);
    if (fields.length) changed(fields[0]);
    announce(`${cell.getAttribute("aria-label")}. You mark: ${titleOf(layer)}.`);
  }

  function choose(cell) {
    chosen = cell;
    for (const other of cells) other.setAttribute("tabindex", other === cell ? "0" : "-1");
  }

  svg.addEventListener("click", (event) => {
    const cell = event.target.closest(".place");
    if (!cell) return;
    choose(cell);
    toggle(cell);
    cell.focus({ preventScroll: true });
  });
  svg.addEventListener("focusin", (event) => choose(event.target));
  svg.addEventListener("keydown", (event) => {
    const [right, down] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
    if (right || down) {
      const width = cells.length / levels.length;
      const at = cells.indexOf(chosen);
      const column = Math.min(width - 1, Math.max(0, (at % width) + right));
      const row = Math.min(levels.length - 1, Math.max(0, Math.floor(at / width) + down));
      cells[row * width + column].focus();
    } else if (event.key === "Enter" || event.key === " ") {
      toggle(chosen);
    } else {
      return;
    }
    event.preventDefault();
  });

  connectTabs(tabs, (tab) => show(tab.dataset.layer));
  block.addEventListener("choose-layer", (event) => show(event.detail));
  block.addEventListener("click", ({ target }) => {
    const { copyLayer, ...act } = target.closest("button")?.dataset ?? {};
    const fields = fieldsIn(panels.get(layer));
    if (copyLayer) {
      for (const field of fields) {
        const { level, side = "" } = field.dataset;
        const isThere = isMarked(copyLayer, { level, side }) || (layer === "seen" && isFusedAt(copyLayer, level));
        setValue(field, isThere ? "1" : "");
      }
    } else if ("restLayer" in act) {
      for (const field of fields) if (valueOf(field) === "") setValue(field, field.dataset.normal);
    } else if ("clearLayer" in act) {
      for (const field of fields) setValue(field, "");
    } else {
      return;
    }
    changed(fields[0]);
    announce(`${titleOf(layer)}: ${wordsOfLayer(layer).join("; ") || "nothing marked"}`);
  });

  choose(chosen);
  show(layer);
  return draw;
}
