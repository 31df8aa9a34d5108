// What both answers are made of.

import { h } from "./dom.js";
import { capital } from "./words.js";

export const card = (name, title, ...children) => h("section", { class: `card ${name}`, "aria-labelledby": `a-${name}` }, h("h2", { id: `a-${name}` }, title), ...children);

/** Title, case and day, the acts, and on paper the banner of a virtual registry. */
export function head(answer, { title, caseId, back, startAgain, again }) {
  const made = new Date(answer.made_at ?? Date.now());
  const about = [caseId ? `Case ${caseId}` : null, made.toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric" })];
  return h(
    "header",
    { class: "answer-head" },
    h("div", {}, h("h1", { tabindex: "-1" }, title), h("p", { class: "small" }, about.filter(Boolean).join(" · "))),
    h("div", { class: "head-acts" }, h("button", { type: "button", class: "quiet", onclick: back }, "Back to the case"), h("button", { type: "button", class: "quiet", onclick: startAgain }, again), h("button", { type: "button", class: "main", onclick: () => window.print() }, "Print")),
    answer.provenance === "virtual" ? h("p", { class: "paper-banner" }, "Virtual registry: not for patients.") : null,
  );
}

/** The flags that are raised, what to do about each, and why there is nothing else. */
export function flags(answer, why) {
  const flag = (one) => h("li", { class: one.urgency === "emergency" ? "flag is-emergency" : "flag" }, h("p", { class: "urgency" }, one.urgency), h("h2", {}, capital(one.label)), h("p", { class: "action" }, `${one.action}.`));
  return h("section", { class: "flags", "aria-label": "Red flags" }, h("ul", {}, ...answer.red_flags.map(flag)), h("p", { "data-announce": "" }, why));
}

export const cautionsOf = (texts) => (texts.length ? card("cautions", "Cautions", h("ul", {}, ...texts.map((words) => h("li", {}, words)))) : null);

/** Under what id the answer is kept, and what made it. */
export function foot({ prediction_id: id }, madeBy) {
  return h(
    "footer",
    { class: "answer-foot small" },
    id ? h("p", {}, "Prediction ", h("code", {}, id), ". Keep this id: the answer can be drawn again from the record.") : null,
    madeBy ? h("p", {}, madeBy) : null,
  );
}
