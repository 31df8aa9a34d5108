// The plan after a failed operation: what is done for everybody, then for each likely cause, the gentlest first.

import { h } from "./dom.js";
import { capital } from "./words.js";

const TIER_WORDS = ["at once", "first line", "second line", "third line", "last resort"];

/** The plan as sections; nothing where there is none. */
export function planSections(plan) {
  const urgent = plan.generators.filter(isUrgent);
  const parts = [...urgent, plan.for_everybody, ...plan.generators.filter((part) => !urgent.includes(part))].filter(Boolean);
  return [
    plan.not_asked.length ? h("p", { class: "notice ask-first" }, h("strong", {}, "Ask these red flags first: "), `${plan.not_asked.map(lowered).join("; ")}.`) : null,
    h("div", { class: "generators" }, ...parts.map(generator), atLast(plan.at_last)),
    ...plan.notes.map((words) => h("p", { class: "small plan-note" }, words)),
  ];
}

/** Something of it is to be done at once. */
const isUrgent = (part) => part.steps.some((one) => one.tier === 0);

/** What is for everybody when all else has not helped enough. */
function atLast(steps) {
  return steps.length ? h("section", { class: "generator is-any at-last" }, h("h3", {}, "At last"), h("ol", { class: "plan-steps" }, ...steps.map(step))) : null;
}

function generator(part) {
  const isAny = part.cause === "any";
  return h(
    "section",
    { class: `generator ${isAny ? "is-any" : ""}` },
    h("h3", {}, isAny ? "Whatever the cause" : `For ${lowered(part.label)}`, part.likelihood ? h("span", { class: "chip likelihood", "data-likelihood": part.likelihood }, part.likelihood) : null),
    ...part.rules.map((rule) => h("p", { class: "rule" }, h("b", {}, rule.label), rule.evidence ? `: ${rule.evidence}.` : ".")),
    part.confirming.length ? h("ul", { class: "confirming" }, ...part.confirming.map(confirming)) : null,
    part.steps.length ? h("ol", { class: "plan-steps" }, ...part.steps.map(step)) : null,
    part.as_above.length ? h("p", { class: "small" }, `As above: ${part.as_above.map(lowered).join("; ")}.`) : null,
    notNow(part),
  );
}

function confirming(one) {
  const where = one.where.length ? ` (${one.where.join(", ")})` : "";
  return h(
    "li",
    { class: one.is_shown ? "is-shown" : "is-open" },
    h("b", {}, one.is_shown ? `Shown${where}: ` : "To be shown first: "),
    `${lowered(one.label)}.`,
    !one.is_shown && one.investigation ? h("span", { class: "by" }, ` By: ${lowered(one.investigation)}.`) : null,
  );
}

function step(one) {
  const lines = [
    one.goals.length ? h("span", {}, h("b", {}, "Goal "), one.goals.join("; ")) : null,
    one.review_weeks ? h("span", {}, h("b", {}, "Review "), `after ${one.review_weeks} weeks`) : null,
    one.stop ? h("span", {}, h("b", {}, "Stop "), one.stop) : null,
  ].filter(Boolean);
  return h(
    "li",
    { class: "plan-step" },
    h("p", { class: "step-name" }, h("b", {}, one.label), h("span", { class: "chip tier" }, TIER_WORDS[one.tier])),
    h("p", { class: "step-facts" }, ...lines),
    ...one.cautions.map((words) => h("p", { class: "step-caution" }, `Caution: ${words}.`)),
    one.ask_first.length ? h("p", { class: "step-ask" }, `Ask first: ${one.ask_first.map(lowered).join("; ")}.`) : null,
    h("details", { class: "words evidence" }, h("summary", {}, "Evidence"), h("p", {}, [one.evidence, one.effect].filter(Boolean).map(capital).join(". "), "."), h("p", { class: "small" }, `${one.source} (${one.status}).`)),
  );
}

const NOT_NOW = [["tried", "Tried"], ["withheld", "Withheld"]];

/** What waits for what is to be shown above; what was tried or is withheld, each with its reason. */
function notNow(part) {
  const waiting = part.waiting.length ? [h("li", {}, h("b", {}, "Not before that is shown: "), `${part.waiting.map((one) => lowered(one.label)).join("; ")}.`)] : [];
  const others = NOT_NOW.flatMap(([name, title]) => part[name].map((one) => h("li", { class: `is-${name}` }, h("b", {}, `${title}: `), lowered(one.label), h("span", { class: "small" }, ` (${one.because.join("; ")})`))));
  return waiting.length + others.length ? h("ul", { class: "not-now" }, ...waiting, ...others) : null;
}

/** A label within a sentence; an abbreviation keeps its capitals. */
export const lowered = (words) => (/^[A-Z][A-Z]|^[A-Z]\d/.test(words) ? words : words.charAt(0).toLowerCase() + words.slice(1));
