// What raised and lowered the risk: groups, each of which opens to its variables, in log-odds and as risk.

import { h } from "./dom.js";
import { capital, logistic, ofHundred, signed } from "./words.js";

const NEGLIGIBLE = 0.005; // log-odds that no picture shows

/** Groups in the order of their weight, each with its variables in the order of theirs. */
function groupsOf(outcome) {
  const groups = new Map();
  for (const [name, value] of Object.entries(outcome.contributions)) {
    const { label, group } = outcome.predictors[name];
    if (!groups.has(group)) groups.set(group, { label: capital(group), value: 0, parts: [] });
    groups.get(group).value += value;
    groups.get(group).parts.push({ label, value, isMissing: outcome.missing.includes(name) });
  }
  const byWeight = (a, b) => Math.abs(b.value) - Math.abs(a.value);
  for (const group of groups.values()) group.parts.sort(byWeight);
  return [...groups.values()].sort(byWeight);
}

export function waterfall(outcome) {
  const groups = groupsOf(outcome);
  const start = outcome.base_log_odds;
  let at = start;
  for (const group of groups) {
    group.from = at;
    let part = at;
    for (const one of group.parts) {
      one.from = part;
      part = one.to = part + one.value;
    }
    at = group.to = at + group.value;
  }
  const ends = [start, at, ...groups.flatMap((group) => [group.to, ...group.parts.map((part) => part.to)])];
  const low = Math.min(...ends);
  const span = Math.max(...ends) - low || 1;
  const place = (value) => (100 * (value - low)) / span;

  const rows = groups.flatMap((group, number) => {
    const parts = group.parts.filter((part) => Math.abs(part.value) >= NEGLIGIBLE || part.isMissing);
    const rest = group.parts.length - parts.length;
    const own = parts.map((part) => row(partLabel(part), part, place, { class: "part-row", hidden: true, "data-of": number }));
    if (rest) own.push(h("tr", { class: "part-row", hidden: true, "data-of": number }, h("td", { colspan: 4, class: "rest" }, `${rest} more that count for less than 0.01`)));
    const opener = h("button", { type: "button", class: "opener", "aria-expanded": "false" }, group.label);
    opener.addEventListener("click", () => {
      const isOpen = opener.getAttribute("aria-expanded") === "true";
      opener.setAttribute("aria-expanded", String(!isOpen));
      for (const other of own) other.hidden = isOpen;
    });
    return [row(opener, group, place, { class: "group-row" }), ...own];
  });
  return h(
    "table",
    { class: "waterfall" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Group"), h("th", { scope: "col" }, h("span", { class: "unseen" }, "Picture")), h("th", { scope: "col" }, "Log-odds"), h("th", { scope: "col" }, "Risk of 100"))),
    h("tbody", {}, edge("Average case of the model", start, place), ...rows, edge("This case", at, place)),
  );
}

const partLabel = (part) => [part.label, part.isMissing ? h("em", { class: "stand-in" }, " not recorded: median") : null];

function row(label, { value, from, to }, place, attributes) {
  const bar = h("span", { class: `fall ${value > 0 ? "raises" : "lowers"}` });
  bar.style.left = `${Math.min(place(from), place(to))}%`;
  bar.style.width = `${Math.max(0.6, Math.abs(place(to) - place(from)))}%`;
  return h(
    "tr",
    attributes,
    h("th", { scope: "row" }, label),
    h("td", { class: "track", "aria-hidden": "true" }, h("span", { class: "lane" }, bar)),
    h("td", { class: "figure" }, signed(value)),
    h("td", { class: "figure" }, `${ofHundred(logistic(from))} → ${ofHundred(logistic(to))}`.replaceAll("fewer than 1", "<1")),
  );
}

function edge(label, at, place) {
  const tick = h("span", { class: "edge" });
  tick.style.left = `${place(at)}%`;
  return h(
    "tr",
    { class: "edge-row" },
    h("th", { scope: "row" }, label),
    h("td", { class: "track", "aria-hidden": "true" }, h("span", { class: "lane" }, tick)),
    h("td", { class: "figure" }, at.toFixed(2).replace("-", "−")),
    h("td", { class: "figure" }, ofHundred(logistic(at))),
  );
}
