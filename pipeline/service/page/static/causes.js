// The answer after a failed operation: a red flag first and alone; else causes in words of likelihood, with what
// speaks for and against each; what to look for next; the plan; the pictures.

import { courseFigure, courseWords } from "./course.js";
import { h } from "./dom.js";
import { card, cautionsOf, flags, foot, head } from "./parts.js";
import { painFigure } from "./pain.js";
import { lowered, planSections } from "./treatment.js";
import { capital, signed } from "./words.js";

const LIKELIHOODS = ["unlikely", "less likely", "possible", "likely"];
const FIRST_OPEN = 1; // causes whose evidence is open from the start
const LONG = 10; // lines of a plan from which paper takes a smaller type

export function showCauses(view, answer, { caseId, back, startAgain }) {
  const isFlagged = answer.red_flags.length > 0;
  const title = isFlagged ? "Red flag" : "After the operation: why it failed";
  const body = isFlagged
    ? [flags(answer, `${answer.plan.first} No cause is ranked.`)]
    : [causes(answer), investigate(answer), course(answer), plan(answer), pictures(answer), cautions(answer), card("is-not", "What this is not", h("p", {}, answer.is_not))];
  view.replaceChildren(head(answer, { title, caseId, back, startAgain, again: "New work-up" }), ...body.filter(Boolean), foot(answer, knowledgeOf(answer)));
  view.dataset.kind = "causes";
  view.dataset.length = view.querySelectorAll(".plan-step, .not-now li, .confirming li").length > LONG ? "long" : "usual";
}

// The causes

function causes(answer) {
  const told = answer.causes.filter((one) => one.likelihood !== LIKELIHOODS[0]);
  const rest = answer.causes.filter((one) => one.likelihood === LIKELIHOODS[0]);
  const most = Math.max(1, ...answer.causes.flatMap((one) => [...one.for, ...one.against].map((finding) => Math.abs(finding.points))));
  return card(
    "causes",
    "Causes, by what speaks for them",
    h("p", { class: "small" }, "Each is judged on its own, so that several may hold at once."),
    h("ol", { class: "cause-list" }, ...told.map((one, place) => cause(one, most, place < FIRST_OPEN))),
    rest.length
      ? h("details", { class: "words" }, h("summary", {}, `Unlikely: ${rest.map((one) => lowered(one.label)).join(", ")}`), h("ol", { class: "cause-list" }, ...rest.map((one) => cause(one, most, false))))
      : null,
    answer.impossible.length ? h("p", { class: "small rest" }, `Cannot be: ${answer.impossible.map((one) => `${lowered(one.label)} (${one.because})`).join("; ")}.`) : null,
  );
}

function cause(one, most, isOpen) {
  const dots = LIKELIHOODS.map((_, place) => h("i", { class: place <= LIKELIHOODS.indexOf(one.likelihood) ? "is-on" : "" }));
  const details = h("div", { class: "cause-evidence", hidden: !isOpen }, evidence(one, most));
  const opener = h("button", { type: "button", class: "opener", "aria-expanded": String(isOpen) }, h("span", { class: "cause-name" }, capital(one.label)));
  opener.addEventListener("click", () => {
    details.hidden = !details.hidden;
    opener.setAttribute("aria-expanded", String(!details.hidden));
  });
  return h(
    "li",
    { class: "cause", "data-cause": one.cause, "data-likelihood": one.likelihood },
    h("div", { class: "cause-head" }, h("h3", {}, opener), h("span", { class: "likelihood-word" }, h("span", { class: "dots", "aria-hidden": "true" }, dots), h("b", {}, one.likelihood))),
    h("p", { class: "cause-brief" }, brief(one)),
    details,
  );
}

/** The strongest findings for and against, in one line. */
function brief(one) {
  const first = (findings, count) => findings.slice(0, count).map((finding) => finding.label);
  return [
    one.for.length ? h("span", {}, h("b", {}, "For: "), `${first(one.for, 3).join("; ")}. `) : h("span", {}, "Nothing found speaks for it. "),
    one.against.length ? h("span", {}, h("b", {}, "Against: "), `${first(one.against, 2).join("; ")}.`) : null,
  ];
}

function evidence(one, most) {
  const column = (title, kind, findings) => h("div", { class: `evidence-column ${kind}` }, h("h4", {}, title), findings.length ? h("ul", {}, ...findings.map((finding) => h("li", {}, strength(finding.points, most), h("span", {}, capital(finding.label)), h("span", { class: "figure" }, signed(finding.points))))) : h("p", { class: "small" }, "Nothing."));
  const found = [...one.for, ...one.against].reduce((sum, finding) => sum + finding.points, 0);
  return [
    h("div", { class: "evidence-columns" }, column("For", "speaks-for", one.for), column("Against", "speaks-against", one.against), notSought(one.not_sought)),
    h("p", { class: "small sum" }, `In log-odds: ${signed(one.prior_log_odds)} before any finding, ${signed(found)} by the findings, ${signed(one.log_odds)} together. A longer bar counts for more.`),
  ];
}

function strength(points, most) {
  const bar = h("span", { class: "strength", "aria-hidden": "true" });
  bar.style.width = `${Math.max(6, (100 * Math.abs(points)) / most)}%`;
  return h("span", { class: "lane", "aria-hidden": "true" }, bar);
}

/** What was not sought, by the investigation that would show it. */
function notSought(findings) {
  const by = new Map();
  for (const { label, investigation } of findings) by.set(investigation, [...(by.get(investigation) ?? []), label]);
  const rows = [...by].map(([investigation, labels]) => h("li", {}, h("b", {}, capital(investigation)), h("span", { class: "of" }, `: ${labels.map(lowered).join("; ")}`)));
  return h("div", { class: "evidence-column not-sought" }, h("h4", {}, "Not yet sought"), rows.length ? h("ul", {}, ...rows) : h("p", { class: "small" }, "Nothing is left."));
}

// What next

function investigate(answer) {
  const [first, ...others] = answer.next_investigations;
  if (!first) {
    const settled = card("investigate", "Investigate next", h("p", {}, "Nothing that is left would change the ranking much."));
    settled.classList.add("is-settled");
    return settled;
  }
  return card(
    "investigate",
    "Investigate next",
    h("div", { class: "next-first" }, h("p", { class: "next-name" }, capital(first.label)), h("p", {}, textOf(first))),
    others.length ? h("ol", { class: "next-others", start: 2 }, ...others.map((one) => h("li", {}, h("b", {}, capital(one.label)), h("span", { class: "small of" }, ` ${textOf(one)}`)))) : null,
  );
}

/** Why, without the name that stands above it already. */
const textOf = ({ label, text }) => capital(text.startsWith(`${label}: `) ? text.slice(label.length + 2) : text);

function course(answer) {
  const { course: line, operated } = answer;
  const values = { relief: line.initial_relief_percent, interval: line.pain_free_interval_months, tempo: line.return_tempo, months: line.months_since_operation, now: line.pain_before && line.pain_now !== null ? (100 * line.pain_now) / line.pain_before : null };
  const where = [["Intended", operated.intended], ["Noted", operated.noted], ["Seen", operated.seen]].filter(([, words]) => words);
  return card(
    "course-card",
    "Course since the operation",
    courseFigure(values),
    h("p", {}, line.text || courseWords(values) || "The course was not recorded."),
    where.length ? h("dl", { class: "where" }, ...where.flatMap(([title, words]) => [h("dt", {}, title), h("dd", {}, words)])) : null,
  );
}

const plan = (answer) => card("plan-card", "Plan, the gentlest first", ...planSections(answer.plan));

function pictures(answer) {
  return card("pain", "Where it hurts now, and what would explain it", painFigure(answer.picture, "operated"), h("details", { class: "words" }, h("summary", {}, "All in words"), ...answer.story.map((line) => h("p", {}, line))));
}

const cautions = (answer) => cautionsOf(answer.cautions.map((caution) => caution.text));

const knowledgeOf = ({ model }) => (model ? `Knowledge: ${model.name} ${model.sha256.slice(0, 12)}.` : null);
