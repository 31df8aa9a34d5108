// The page at work: the form, its pictures, what is kept, and the way to the answer and back.

import { showAnswer } from "./answer.js";
import { connectBody } from "./body.js";
import { announce, byId, h } from "./dom.js";
import { fieldOf, fieldsIn, fillForm, goTo, isFinding, keep, kept, labelOf, mistakeOf, mistakesIn, readRecord, setValue, showMistake, valueOf } from "./record.js";
import { ask, recall, Refused, useToken } from "./service.js";
import { connectSpine } from "./spine.js";

const form = byId("record");
const drawBody = connectBody(form, (field) => changed(field));
const drawSpine = connectSpine(form);
const PAST = "#prediction/"; // before the prediction_id, in the address of an answer
const FEW = 3; // essential fields that are named when so many are missing
let lastAsked = null;

// What the form says about itself

function refresh() {
  drawBody();
  drawSpine();
  for (const block of form.querySelectorAll("[data-block]")) {
    const fields = fieldsIn(block);
    const recorded = fields.filter((field) => valueOf(field) !== "").length;
    const state = block.querySelector("[data-state]");
    const nothing = { drawing: "no drawing", reach: "nothing planned" }[block.dataset.block] ?? block.dataset.missing;
    state.textContent = recorded ? `${recorded} of ${fields.length}` : nothing;
    if (recorded && ["drawing", "reach"].includes(block.dataset.block)) state.textContent = `${recorded} marked`;
    block.classList.toggle("is-recorded", recorded > 0);
  }
  for (const count of document.querySelectorAll("[data-count]")) {
    const recorded = fieldsIn(byId(count.dataset.count)).filter((field) => valueOf(field) !== "").length;
    count.textContent = recorded || "–";
  }
  for (const select of form.querySelectorAll("select")) {
    select.classList.toggle("is-unset", select.value === "");
    select.title = select.selectedOptions[0]?.textContent ?? ""; // a long choice is cut off in a narrow column
  }
  for (const select of form.querySelectorAll("[data-unremarkable] select")) {
    select.classList.toggle("is-found", isFinding(select.closest("[data-field]")));
  }
  const essential = [...form.querySelectorAll("[data-essential]")];
  const known = essential.filter((field) => valueOf(field) !== "").length;
  const lacking = essential.filter((field) => valueOf(field) === "");
  const few = known > 0 && lacking.length <= FEW ? lacking : [];
  byId("progress").replaceChildren(
    `Essential: ${known} of ${essential.length} recorded.`,
    ...few.flatMap((field, place) => [place ? ", " : " Missing: ", h("button", { type: "button", onclick: () => goTo(field) }, labelOf(field))]),
    few.length ? ". " : "",
  );
}

function changed(field) {
  if (field.classList.contains("is-wrong")) showMistake(field, mistakeOf(field));
  save();
  refresh();
}

function save() {
  const isKept = keep(form);
  byId("kept").textContent = isKept ? "Kept in this browser only, until you clear it." : "This browser keeps nothing: do not reload.";
}

form.addEventListener("input", (event) => {
  const field = event.target.closest("[data-field]");
  if (field) changed(field);
});
form.addEventListener("change", (event) => {
  const field = event.target.closest("[data-field]");
  if (field) showMistake(field, mistakeOf(field));
});

// A whole block or level in one act

function setAll(fields, valueFor) {
  for (const field of fields) {
    const value = valueFor(field);
    if (value === undefined) continue;
    setValue(field, value);
    showMistake(field, "");
  }
  save();
  refresh();
}

const normalUnlessRecorded = (field) => (valueOf(field) === "" ? field.dataset.normal : undefined);

form.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { normalLevel, clearLevel } = button.dataset;
  const block = button.closest("[data-block]");
  if ("normalAll" in button.dataset) {
    setAll(fieldsIn(block), normalUnlessRecorded);
    announce(`${block.querySelector(".block-title").textContent}: ${button.textContent}`);
  } else if ("clearBlock" in button.dataset) {
    setAll(fieldsIn(block), () => "");
    announce(`${block.querySelector(".block-title").textContent}: cleared`);
  } else if (normalLevel) {
    setAll(fieldsIn(button.closest("[data-panel]")), normalUnlessRecorded);
    announce("Level normal, save for what was recorded");
  } else if (clearLevel) {
    setAll(fieldsIn(button.closest("[data-panel]")), () => "");
    announce("Level cleared: not read");
  }
});

byId("clear").addEventListener("click", clear);

function clear() {
  byId("example").value = "";
  byId("example-about").hidden = true;
  replaceBy({}, "Cleared, also from this browser. ");
  lastAsked = null;
}

/** Another record in the form; what stood there can be had back. */
function replaceBy(record, words) {
  const before = readRecord(form);
  load(record);
  const undo = h("button", { type: "button", onclick: () => load(before) }, "Undo");
  if (Object.keys(before).length) byId("kept").replaceChildren(words, undo);
  announce(words);
}

function load(record) {
  fillForm(form, record);
  showProblems(null);
  save();
  refresh();
}

// Enter goes on, and does not ask: every answer is recorded, and is asked for on purpose

form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches("input")) event.preventDefault();
});

// Examples

byId("example").addEventListener("change", async ({ target }) => {
  if (!target.value) return;
  const { examples } = await (await fetch("static/examples.json")).json();
  const example = examples.find((other) => other.name === target.value);
  showCase();
  replaceBy(example.record, "An example replaced what stood here. ");
  byId("example-about").replaceChildren(h("strong", {}, `Invented case: ${example.title}. `), example.about);
  byId("example-about").hidden = false;
  window.scrollTo({ top: 0 });
});

// Asking

function showProblems(title, mistakes = [], again = null) {
  const box = byId("problems");
  box.hidden = !title;
  if (!title) return;
  const items = mistakes.map(({ name, words }) => {
    const field = fieldOf(form, name);
    if (!field) return h("li", {}, words);
    showMistake(field, words);
    const link = h("a", { href: `#f-${name}` }, labelOf(field));
    link.addEventListener("click", (event) => {
      event.preventDefault();
      goTo(field);
    });
    return h("li", {}, link, `: ${words}`);
  });
  box.replaceChildren(h("p", {}, h("strong", {}, title)), items.length ? h("ul", {}, ...items) : "", again ? tokenForm(again) : "");
  box.focus();
  box.scrollIntoView({ block: "center" });
}

/** A service that others can reach asks for a token; it is kept in this tab until it is reloaded. */
function tokenForm(again) {
  const input = h("input", { type: "password", id: "token", autocomplete: "off", spellcheck: "false" });
  const asked = h("form", { class: "token" }, h("label", { for: "token" }, "Token"), input, h("button", { class: "quiet" }, "Use it"));
  asked.addEventListener("submit", (event) => {
    event.preventDefault();
    useToken(input.value);
    again();
  });
  return asked;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const wrong = mistakesIn(form);
  for (const [field, words] of wrong) showMistake(field, words);
  if (wrong.length) {
    showProblems("Before asking, correct this:", wrong.map(([field, words]) => ({ name: field.dataset.field, words })));
    return;
  }
  showProblems(null);
  const record = readRecord(form);
  const button = byId("ask");
  button.disabled = true;
  button.textContent = "Asking…";
  try {
    const answer = await ask(record);
    const isSamePatient = lastAsked && differsInPlanAlone(lastAsked, record);
    lastAsked = record;
    showResult(answer, record, isSamePatient);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    showProblems(error.message, error.mistakes, error.wantsToken ? () => form.requestSubmit() : null);
  } finally {
    button.disabled = false;
    button.textContent = "Ask for the risk";
  }
});

const PLAN = new Set([...document.querySelectorAll("#plan [data-field]")].map((field) => field.dataset.field));

/** Whether the plan changed and nothing else: two such answers invite a comparison that they cannot bear. */
function differsInPlanAlone(before, now) {
  const names = new Set([...Object.keys(before), ...Object.keys(now)]);
  const changedNames = [...names].filter((name) => before[name] !== now[name]);
  return changedNames.length > 0 && changedNames.every((name) => PLAN.has(name));
}

function showResult(answer, record, isPlanAlone) {
  showProblems(null);
  const view = byId("answer-view");
  showAnswer(view, answer, { caseId: record.case_id ?? "", isPlanAlone, back: showCase, startAgain });
  if (answer.provenance === "virtual") byId("banner").hidden = false;
  byId("case-view").hidden = true;
  byId("bar").hidden = true;
  view.hidden = false;
  window.scrollTo({ top: 0 });
  if (answer.prediction_id && location.hash !== `${PAST}${answer.prediction_id}`) history.pushState(null, "", `${PAST}${answer.prediction_id}`);
  const heading = view.querySelector("h1");
  heading.focus();
  announce(view.querySelector("[data-announce]")?.textContent ?? heading.textContent);
}

function showCase() {
  const view = byId("answer-view");
  if (!view.hidden) {
    view.hidden = true;
    view.replaceChildren(); // an answer belongs to the record that was asked about
    byId("case-view").hidden = false;
    byId("bar").hidden = false;
    byId("case").focus({ preventScroll: true });
    window.scrollTo({ top: 0 });
  }
  if (location.hash.startsWith(PAST)) history.replaceState(null, "", "#case");
}

function startAgain() {
  showCase();
  clear();
}

/** The answer that the address names, from the record; else the case. */
async function showAddressed() {
  if (!location.hash.startsWith(PAST)) {
    showCase();
    return;
  }
  try {
    showResult(await recall(location.hash.slice(PAST.length)), {}, false);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    showProblems(error.message, [], error.wantsToken ? showAddressed : null);
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

fillForm(form, kept());
for (const [field, words] of mistakesIn(form)) showMistake(field, words);
refresh();
if (Object.keys(kept()).length) save();
if (location.hash.startsWith(PAST)) showAddressed();
