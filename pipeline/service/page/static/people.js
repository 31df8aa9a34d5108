// Risks as pictures: a hundred people, and a scale with interval and base rate.

import { h, s } from "./dom.js";
import { ofHundred, percent } from "./words.js";

const COLUMNS = 20;
const PITCH = 22;

/** A hundred people: as many filled as the risk says, and a line under as many as the base rate says. */
export function people(risk, baseRate) {
  const filled = Math.round(100 * risk);
  const base = Math.round(100 * baseRate);
  const person = (place) => {
    const x = (place % COLUMNS) * PITCH;
    const y = Math.floor(place / COLUMNS) * (PITCH + 10);
    return s(
      "g",
      { transform: `translate(${x} ${y})`, class: place < filled ? "person is-ill" : "person" },
      s("circle", { cx: 11, cy: 7, r: 4.2 }),
      s("path", { d: "M4.5 21.5c0-5.2 2.4-8.2 6.5-8.2s6.5 3 6.5 8.2c0 1.2-.8 2-2 2h-9c-1.200 0-2-.8-2-2z" }),
      place < base ? s("path", { class: "base-line", d: "M3 27.500h16" }) : null,
    );
  };
  return s(
    "svg",
    {
      class: "people",
      viewBox: `0 0 ${COLUMNS * PITCH} ${(100 / COLUMNS) * (PITCH + 10)}`,
      role: "img",
      "aria-label": `${ofHundred(risk)} of 100 people are filled; ${ofHundred(baseRate)} of 100 are underlined, the base rate.`,
    },
    ...Array.from({ length: 100 }, (_, place) => person(place)),
  );
}

/** Risk, interval and base rate on a scale from none to all. */
export function scale({ risk, risk_lower: lower, risk_upper: upper, base_rate: base }, top = 1) {
  const at = (element, share, width) => {
    element.style.left = `${(100 * share) / top}%`;
    if (width !== undefined) element.style.width = `${(100 * width) / top}%`;
    return element;
  };
  const marks = [
    lower !== null && upper !== null ? at(h("span", { class: "interval" }), lower, upper - lower) : null,
    at(h("span", { class: "base" }), base),
    at(h("span", { class: "dot" }), risk),
  ];
  return h("span", { class: "scale", role: "img", "aria-label": `Risk ${percent(risk)}, base rate ${percent(base)}` }, ...marks);
}
