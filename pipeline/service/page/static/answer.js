// The answer: a red flag first and alone; else risk, sources, plan, picture, what moved it, what to do next.

import { h } from "./dom.js";
import { painFigure } from "./pain.js";
import { card, cautionsOf, flags, foot, head } from "./parts.js";
import { people, scale } from "./people.js";
import { waterfall } from "./waterfall.js";
import { capital, ofHundred, outcomeTitle, percent } from "./words.js";

const WORTH_SHOWING = 0.05; // a mimic less likely than this is left to the sentence below
const LEAST_SUPPORT = 0.01; // a source with less is not shown, unless it is the best
const KINDS = { lesion: "lesion", mimic: "not the spine", unknown: "unknown" };

export function showAnswer(view, answer, { caseId, isPlanAlone, back, startAgain }) {
  const isFlagged = answer.red_flags.length > 0;
  const title = isFlagged ? "Red flag" : "Before the operation: what to expect";
  const parts = isFlagged ? [flags(answer, "See to this first. It is not a question for a risk model, and no risk is given.")] : risks(answer, isPlanAlone);
  view.replaceChildren(head(answer, { title, caseId, back, startAgain, again: "New case" }), ...parts.filter(Boolean), foot(answer, modelsOf(answer)));
  view.dataset.kind = "risk";
}

function risks(answer, isPlanAlone) {
  const [primary, ...others] = answer.outcomes;
  return [
    isPlanAlone ? h("p", { class: "notice", role: "note" }, h("strong", {}, "Only the plan was changed since the last answer. "), "The two risks do not compare operations: they are risks of different groups of patients, each of whom had an operation that a surgeon chose for them.") : null,
    headline(primary, answer.completeness),
    sources(answer),
    h("div", { class: "column" }, plan(answer), nextTests(answer)),
    card("pain", "Expected over reported pain", painFigure(answer.picture)),
    card("moved", "What raised and lowered the risk", h("p", { class: "small of-what" }, `Of ${outcomeTitle(primary.outcome).toLowerCase()} within ${primary.horizon_months} months, in log-odds (${primary.model.explanation} contributions). They say what the model used, not what would change the outcome.`), waterfall(primary)),
    others.length ? elsewhere(others) : null,
    cautions(answer),
    card("is-not", "What this risk is not", h("p", {}, answer.is_not)),
  ];
}

function headline(outcome, completeness) {
  const { risk, risk_lower: lower, risk_upper: upper, base_rate: base, similar } = outcome;
  const interval = lower === null || upper === null ? "No interval: this model has none." : `${ofHundred(lower)} to ${ofHundred(upper)} of 100`;
  return card(
    "headline",
    `${outcomeTitle(outcome.outcome)} within ${outcome.horizon_months} months`,
    h("p", { class: "small meaning" }, capital(outcome.label)),
    h(
      "div",
      { class: "headline-inside" },
      h("div", {}, h("p", { class: "big-number", "data-announce": "" }, h("b", {}, ofHundred(risk)), h("span", {}, " of 100 patients like this")), h("p", { class: "base-words" }, "Base rate: ", h("b", {}, `${ofHundred(base)} of 100`), " of all who were operated on.")),
      h("div", { class: "crowd" }, people(risk, base), h("p", { class: "legend" }, h("span", { class: "key" }, h("i", { class: "ill" }), "this case"), h("span", { class: "key" }, h("i", { class: "under" }), "base rate"))),
    ),
    h("dl", { class: "facts" }, fact("95 % interval of the model", interval, "How sure the model is of the group’s risk; not a range of fates."), fact("Similar earlier cases", `${similar.events} of ${similar.cases}`, "had this outcome."), evidence(outcome, completeness)),
  );
}

/** How good the risks of records like this one were, in test cases that the model had not seen. */
function evidence(outcome, completeness) {
  const sets = Object.values(outcome.evidence ?? {});
  if (!sets.length) return null;
  const each = (metric) => sets.map((set) => set.metrics[metric]?.estimate).filter((value) => value != null).map((value) => value.toFixed(2)).join(" and ");
  const found = [["AUROC", each("auroc")], ["observed over expected", each("observed_to_expected")]].filter(([, values]) => values);
  return fact("Tested on records like this", found.map(([name, values]) => `${name} ${values}`).join("; "), `(${completeness.label}; ${sets.length} test sets).`);
}

const fact = (name, value, more) => h("div", {}, h("dt", {}, name), h("dd", {}, h("b", {}, value), more ? h("span", { class: "small more" }, ` ${more}`) : null));

function elsewhere(outcomes) {
  const rows = outcomes.map((outcome) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, outcomeTitle(outcome.outcome), h("span", { class: "small" }, ` ${outcome.label}, ${outcome.horizon_months} months`)),
      h("td", { class: "figure" }, h("b", {}, ofHundred(outcome.risk).replace("fewer than 1", "< 1")), h("span", { class: "small" }, " of 100")),
      h("td", {}, scale(outcome)),
      h("td", { class: "figure small" }, `base ${ofHundred(outcome.base_rate)}`),
    ),
  );
  return card("others", "Other outcomes", h("table", { class: "outcomes" }, h("tbody", {}, ...rows)), h("p", { class: "small legend" }, h("span", { class: "key" }, h("i", { class: "dot-key" }), "risk with its interval"), h("span", { class: "key" }, h("i", { class: "base-key" }), "base rate; the scale ends at 100")));
}

const isAbout = (line, ...starts) => starts.some((start) => line.startsWith(start));

function plan(answer) {
  const { plan: held } = answer;
  const [best] = answer.sources;
  const line = answer.story.find((one) => isAbout(one, "The plan", "Plan", "No plan", "No level"));
  const elsewhereFirst = best && best.kind !== "lesion";
  let verdict = ["is-open", "Nothing can be said of the plan yet"];
  if (!held.is_recorded) verdict = ["is-open", "No level is planned yet"];
  else if (held.misses_likeliest === 1) verdict = ["is-bad", "The plan does not reach the best supported lesion"];
  else if (elsewhereFirst) verdict = ["is-bad", best.kind === "mimic" ? `The best supported source is not in the spine: ${best.label}` : "No lesion is better supported than an unknown source"];
  else if (held.misses_likeliest === 0) verdict = ["is-good", "The plan reaches the best supported source"];
  const conflicts = [held.side_conflict === 1 ? "The side of the plan is not the side of the pain." : null, held.numbering_uncertain === 1 ? "The numbering of the levels is uncertain." : null];
  return card("plan", "Does the plan reach the source?", h("p", { class: `verdict ${verdict[0]}` }, verdict[1]), line ? h("p", {}, line) : null, ...conflicts.map((words) => (words ? h("p", { class: "conflict" }, words) : null)));
}

function sources(answer) {
  const story = answer.story.filter((line) => !isAbout(line, "The plan", "Examine next", "Caution: "));
  if (!answer.sources.length) return card("sources", "Sources of the pain", ...story.map((line) => h("p", {}, line)));
  const shown = answer.sources.filter((source, place) => place === 0 || source.support >= LEAST_SUPPORT);
  const items = shown.map((source) => {
    const bar = h("span", { class: `support ${source.kind}` });
    bar.style.width = `${100 * source.support}%`;
    const reach = source.is_reached === null || source.kind !== "lesion" ? null : source.is_reached ? "plan reaches it" : "plan does not reach it";
    return h(
      "li",
      {},
      h("p", {}, h("span", { class: "source-name" }, capital(source.label)), h("b", { class: "figure" }, percent(source.support))),
      h("span", { class: "lane", "aria-hidden": "true" }, bar),
      h("p", { class: "chips" }, h("span", { class: `chip ${source.kind}` }, KINDS[source.kind]), reach ? h("span", { class: `chip reach ${source.is_reached ? "is-reached" : ""}` }, reach) : null),
    );
  });
  return card("sources", "Sources of the pain, by support", h("ol", { class: "ranked" }, ...items), shown.length < answer.sources.length ? h("p", { class: "small rest" }, "Every other source: under 1 %.") : null, mimics(answer), h("details", { class: "words" }, h("summary", {}, "In words"), ...story.map((line) => h("p", {}, line))));
}

function mimics(answer) {
  const likely = answer.mimics.filter((mimic) => mimic.probability >= WORTH_SHOWING).sort((a, b) => b.probability - a.probability);
  const flagged = answer.mimics.filter((mimic) => mimic.flag === 1);
  if (!likely.length && !flagged.length) return null;
  const tests = (mimic) => (mimic.tests_done ? `${mimic.tests_done} test${mimic.tests_done > 1 ? "s" : ""} done` : "no test done");
  const bounds = (mimic) => (mimic.upper - mimic.lower > 0.01 ? `, ${percent(mimic.lower)} to ${percent(mimic.upper)} once all are done` : "");
  return h(
    "div",
    { class: "mimics" },
    h("h3", {}, "Outside the spine"),
    h(
      "ul",
      {},
      ...likely.map((mimic) => h("li", {}, `${capital(mimic.label)}, ${mimic.side}: `, h("b", {}, percent(mimic.probability)), h("span", { class: "small" }, ` (${tests(mimic)}${bounds(mimic)})`))),
      ...flagged.map((mimic) => h("li", {}, `${capital(mimic.label)}, ${mimic.side}: `, h("b", {}, "flagged by rule"))),
    ),
  );
}

function nextTests(answer) {
  if (!answer.next_tests.length) return card("next", "Examine next", h("p", {}, "No test that is left would change much."));
  const items = answer.next_tests.map((test) => h("li", {}, capital(test.action), h("span", { class: "small" }, `: expected to move the probability by ${points(test.expected_change)}`)));
  return card("next", "Examine next", h("ol", {}, ...items));
}

function points(change) {
  const whole = Math.round(100 * change);
  return whole === 1 ? "1 point" : whole < 1 ? "less than 1 point" : `${whole} points`;
}

const TOLD_TOGETHER = [
  ["Not recorded, so that the development median stands in", /^Not recorded: (.+)\. It matters; the development median stands in\.$/],
  ["Outside what development saw", /^(.+) is outside what development saw\.$/],
];

/** Cautions that say the same of several predictors, in one line each. */
function gathered(texts) {
  const left = [...texts];
  const lines = [];
  for (const [heading, pattern] of TOLD_TOGETHER) {
    const found = left.filter((words) => pattern.test(words));
    for (const words of found) left.splice(left.indexOf(words), 1);
    if (found.length) lines.push(`${heading}: ${found.map((words) => words.match(pattern)[1]).join("; ")}.`);
  }
  return [...left, ...lines];
}

function cautions(answer) {
  const told = answer.story.filter((line) => line.startsWith("Caution: ")).map((line) => capital(line.slice("Caution: ".length)));
  return cautionsOf([...gathered(answer.cautions.map((caution) => caution.text)), ...told]);
}

function modelsOf(answer) {
  const models = answer.outcomes.map((outcome) => `${outcome.outcome} ${outcome.model.sha256.slice(0, 12)}`);
  return models.length ? `Models: ${models.join(", ")}.` : null;
}
