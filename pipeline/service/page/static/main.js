// The page at work: two questions, each with its form; the way to the answer and back.

import { showAnswer } from "./answer.js";
import { showCauses } from "./causes.js";
import { announce, byId, h } from "./dom.js";
import { connectForm } from "./form.js";
import { goTo, labelOf, valueOf } from "./record.js";
import { ask, askForCauses, recall, recallCase, Refused } from "./service.js";
import { connectTabs, markChosen } from "./tablist.js";
import { sectionsProgress, workupExtra } from "./workup.js";

const PAST = "#prediction/"; // before the prediction_id, in the address of an answer
const FILLED = "#filled/"; // the same, where the form is to be filled in with the case too
const FEW = 3; // essential fields that are named when so many are missing
const tabs = [...document.querySelectorAll(".questions [role=tab]")];
const panels = new Map([...document.querySelectorAll("[data-question]")].map((panel) => [panel.dataset.question, panel]));
const places = { before: "#case", after: "#workup" };
const forms = {};
let shown = "before";
let lastAsked = null;

// The two forms; the second is brought to life when it is first seen

function formOf(question) {
  forms[question] ??= question === "before" ? connectForm(BEFORE) : connectForm(AFTER);
  return forms[question];
}

const BEFORE = { form: byId("record"), prefix: "", keptAs: "backcast.case", progress: essentialProgress, ask: askForRisk };

const AFTER = {
  form: byId("w-record"),
  prefix: "w-",
  keptAs: "backcast.workup",
  extra: workupExtra(byId("w-record"), () => formOf("before").read(), byId("record")),
  progress: sectionsProgress,
  ask: async (record) => showResult(await askForCauses(record), record),
};

function essentialProgress(form) {
  const essential = [...form.querySelectorAll("[data-essential]")];
  const lacking = essential.filter((field) => valueOf(field) === "");
  const known = essential.length - lacking.length;
  const few = known > 0 && lacking.length <= FEW ? lacking : [];
  return [
    `Essential: ${known} of ${essential.length} recorded.`,
    ...few.flatMap((field, place) => [place ? ", " : " Missing: ", h("button", { type: "button", onclick: () => goTo(field) }, labelOf(field))]),
    few.length ? ". " : "",
  ];
}

async function askForRisk(record) {
  const answer = await ask(record);
  const isSamePatient = lastAsked && differsInPlanAlone(lastAsked, record);
  lastAsked = record;
  showResult(answer, record, isSamePatient);
}

const PLAN = new Set([...document.querySelectorAll("#plan [data-field]")].map((field) => field.dataset.field));

/** Whether the plan changed and nothing else: two such answers invite a comparison that they cannot bear. */
function differsInPlanAlone(before, now) {
  const names = new Set([...Object.keys(before), ...Object.keys(now)]);
  const changedNames = [...names].filter((name) => before[name] !== now[name]);
  return changedNames.length > 0 && changedNames.every((name) => PLAN.has(name));
}

// Which question is on the screen

function choose(question) {
  shown = question;
  document.body.dataset.asked = question;
  markChosen(tabs, tabs.find((tab) => tab.dataset.tab === question));
  for (const link of document.querySelectorAll(".skip, .brand")) link.setAttribute("href", places[question]);
  const form = formOf(question);
  if (byId("answer-view").hidden) {
    for (const [name, panel] of panels) panel.hidden = name !== question;
    form.refresh(); // what was carried over may have changed; pictures are drawn to the width they have now
  }
}

connectTabs(tabs, (tab) => {
  leaveAnswer();
  choose(tab.dataset.tab);
  history.replaceState(null, "", places[tab.dataset.tab]);
  window.scrollTo({ top: 0 });
});

/** The question that an address leads to: by its name, or by a part of its form. */
function questionAt(hash) {
  const target = hash.length > 1 ? document.getElementById(decodeURIComponent(hash.slice(1))) : null;
  return target?.closest("[data-question]")?.dataset.question ?? "before";
}

// Examples

byId("example").addEventListener("change", async ({ target }) => {
  if (!target.value) return;
  const question = target.selectedOptions[0].closest("optgroup") === target.querySelector("optgroup") ? "before" : "after";
  const { examples } = await (await fetch(question === "before" ? "static/examples.json" : "static/workups.json")).json();
  leaveAnswer();
  choose(question);
  history.replaceState(null, "", places[question]);
  formOf(question).showExample(examples.find((other) => other.name === target.value));
  window.scrollTo({ top: 0 });
});

for (const clear of document.querySelectorAll("#clear, #w-clear")) clear.addEventListener("click", forget);

function forget() {
  byId("example").value = "";
  if (shown === "before") lastAsked = null;
}

// The answer

function showResult(answer, record, isPlanAlone = false) {
  const question = answer.question === "cause" ? "after" : "before";
  const view = byId("answer-view");
  const show = question === "after" ? showCauses : showAnswer;
  choose(question);
  formOf(question).showProblems(null);
  show(view, answer, { caseId: record.case_id ?? "", isPlanAlone, back: showForm, startAgain });
  if (answer.provenance === "virtual") byId("banner").hidden = false;
  for (const panel of panels.values()) panel.hidden = true;
  view.hidden = false;
  window.scrollTo({ top: 0 });
  if (answer.prediction_id && location.hash !== `${PAST}${answer.prediction_id}`) history.pushState(null, "", `${PAST}${answer.prediction_id}`);
  const heading = view.querySelector("h1");
  heading.focus();
  announce(view.querySelector("[data-announce]")?.textContent ?? heading.textContent);
}

function leaveAnswer() {
  const view = byId("answer-view");
  view.hidden = true;
  view.replaceChildren(); // an answer belongs to the record that was asked about
}

function showForm() {
  if (!byId("answer-view").hidden) {
    leaveAnswer();
    choose(shown);
    byId(shown === "before" ? "case" : "workup").focus({ preventScroll: true });
    window.scrollTo({ top: 0 });
  }
  if (location.hash.startsWith(PAST)) history.replaceState(null, "", places[shown]);
}

function startAgain() {
  showForm();
  formOf(shown).clear();
  forget();
}

/** The answer that the address names, from the record; else the form. */
async function showAddressed() {
  const isFilled = location.hash.startsWith(FILLED);
  if (!isFilled && !location.hash.startsWith(PAST)) {
    if (byId("answer-view").hidden) choose(questionAt(location.hash));
    else {
      shown = location.hash ? questionAt(location.hash) : shown;
      showForm();
    }
    return;
  }
  try {
    const id = location.hash.slice((isFilled ? FILLED : PAST).length);
    const [answer, record] = await Promise.all([recall(id), isFilled ? recallCase(id) : {}]);
    if (isFilled) {
      formOf(answer.question === "cause" ? "after" : "before").showCase(record);
      history.replaceState(null, "", `${PAST}${id}`);
    }
    showResult(answer, record);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const isAnother = !error.wantsToken && Object.keys(formOf(shown).read()).length > 0;
    const words = isAnother ? `${error.message} What stands below is another case, kept in this browser.` : error.message;
    formOf(shown).showProblems(words, [], error.wantsToken ? showAddressed : null);
  }
}

window.addEventListener("popstate", showAddressed);

// The part of the form that is on the screen, in the list beside it

const steps = new Map([...document.querySelectorAll(".steps a")].map((link) => [link.hash.slice(1), link]));
const watcher = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of steps.values()) link.removeAttribute("aria-current");
      steps.get(entry.target.id)?.setAttribute("aria-current", "step");
    }
  },
  { rootMargin: "-20% 0px -70% 0px" },
);
for (const part of document.querySelectorAll(".part")) watcher.observe(part);

const isOfAnswer = [PAST, FILLED].some((start) => location.hash.startsWith(start));
choose(isOfAnswer ? "before" : questionAt(location.hash));
if (isOfAnswer) showAddressed();
