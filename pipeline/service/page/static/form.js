// One form at work: what it says about itself, what is kept of it, its acts, its mistakes, and the asking.

import { connectBody } from "./body.js";
import { announce, byId, h } from "./dom.js";
import { fieldOf, fieldsIn, fillForm, goTo, isFinding, keep, kept, labelOf, mistakeOf, mistakesIn, readRecord, setValue, showMistake, typedIn, valueOf } from "./record.js";
import { Refused, useToken } from "./service.js";
import { connectSpine } from "./spine.js";

const COUNTED_AS_MARKED = ["body", "plan", "layers"];

/**
 * Brings a form to life.
 *
 * @param form the form element; the ids around it begin with `prefix`
 * @param keptAs the name under which unfinished work is kept in this browser
 * @param extra what the form keeps and sends beside its fields: `read`, `load` and `draw`; see `workup.js`
 * @param progress returns what the bar at the foot says, as nodes
 * @param ask sends a record and shows the answer
 */
export function connectForm({ form, prefix, keptAs, extra, progress, ask }) {
  const part = (name) => byId(`${prefix}${name}`);
  const draws = [connectBody(form, (field) => changed(field)), connectSpine(form)];
  const askButton = part("ask");
  const askWords = askButton.textContent;
  extra?.connect((field) => changed(field));

  // What it says about itself

  function refresh() {
    for (const draw of draws) draw();
    extra?.draw();
    for (const block of form.querySelectorAll("[data-block]")) {
      const fields = fieldsIn(block);
      const recorded = fields.filter((field) => valueOf(field) !== "").length;
      const marked = fields.filter((field) => !["", "0"].includes(valueOf(field))).length;
      const words = COUNTED_AS_MARKED.includes(block.dataset.layout) ? `${marked} marked` : `${recorded} of ${fields.length}`;
      block.querySelector("[data-state]").textContent = recorded ? words : block.dataset.missing;
      block.classList.toggle("is-recorded", recorded > 0);
    }
    for (const count of form.closest("[data-question]").querySelectorAll("[data-count]")) {
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
    part("progress").replaceChildren(...progress(form));
  }

  function changed(field) {
    if (field.classList.contains("is-wrong")) showMistake(field, mistakeOf(field));
    noteImplied(field);
    save();
    refresh();
  }

  /** What must have been done for a finding to be there is recorded with it, unless somebody said otherwise. */
  function noteImplied(field) {
    const done = field.dataset.implies && valueOf(field) !== "" ? fieldOf(form, field.dataset.implies) : null;
    if (done && valueOf(done) === "") setValue(done, "1");
  }

  function save() {
    const isKept = keep(keptAs, { ...extra?.read(), ...typedIn(form) });
    part("kept").textContent = isKept ? "Kept in this browser only, until you clear it." : "This browser keeps nothing: do not reload.";
  }

  form.addEventListener("input", (event) => {
    const field = event.target.closest("[data-field]");
    if (field) changed(field);
  });
  form.addEventListener("change", (event) => {
    const field = event.target.closest("[data-field]");
    if (field) showMistake(field, mistakeOf(field));
  });

  // A whole block, level or layer in one act

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
    const { dataset } = button;
    const block = button.closest("[data-block]");
    const title = block?.querySelector(".block-title").textContent;
    if ("normalAll" in dataset) {
      setAll(fieldsIn(block), normalUnlessRecorded);
      announce(`${title}: ${button.textContent}`);
    } else if ("clearBlock" in dataset) {
      setAll(fieldsIn(block), () => "");
      announce(`${title}: cleared`);
    } else if (dataset.normalLevel) {
      setAll(fieldsIn(button.closest("[data-panel]")), normalUnlessRecorded);
      announce("Level normal, save for what was recorded");
    } else if ("normalGroup" in dataset) {
      setAll(fieldsIn(button.closest("tbody")), normalUnlessRecorded);
      announce(`${button.textContent}, save for what was recorded`);
    } else if (dataset.clearLevel) {
      setAll(fieldsIn(button.closest("[data-panel]")), () => "");
      announce("Level cleared: not read");
    }
  });

  part("clear").addEventListener("click", clear);

  function clear() {
    part("example-about").hidden = true;
    replaceBy({}, "Cleared, also from this browser. ");
  }

  /** What the form holds, with what goes along; names as in the dictionary. */
  const read = () => ({ ...extra?.read(), ...readRecord(form) });

  /** Another record in the form; what stood there can be had back. */
  function replaceBy(record, words) {
    const before = read();
    load(record);
    const undo = h("button", { type: "button", onclick: () => load(before) }, "Undo");
    if (Object.keys(before).length) part("kept").replaceChildren(words, undo);
    announce(words);
  }

  function load(record) {
    fillForm(form, record);
    extra?.load(record);
    showProblems(null);
    save();
    refresh();
  }

  function showExample(example) {
    replaceBy(example.record, "An example replaced what stood here. ");
    part("example-about").replaceChildren(h("strong", {}, `Invented case: ${example.title}. `), example.about);
    part("example-about").hidden = false;
  }

  /** A case that somebody asked about elsewhere. */
  const showCase = (record) => replaceBy(record, "The case of this answer replaced what stood here. ");

  // Enter goes on, and does not ask: every answer is recorded, and is asked for on purpose

  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.matches("input")) event.preventDefault();
  });

  // Asking

  function showProblems(title, mistakes = [], again = null) {
    const box = part("problems");
    box.hidden = !title;
    if (!title) return;
    const items = mistakes.map(({ name, words }) => {
      const field = fieldOf(form, name);
      if (!field) return h("li", {}, words);
      showMistake(field, words);
      const link = h("a", { href: `#f-${prefix}${name}` }, labelOf(field));
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
    const id = `${prefix}token`;
    const input = h("input", { type: "password", id, autocomplete: "off", spellcheck: "false" });
    const asked = h("form", { class: "token" }, h("label", { for: id }, "Token"), input, h("button", { class: "quiet" }, "Use it"));
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
    askButton.disabled = true;
    askButton.textContent = "Asking…";
    try {
      await ask(read());
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      showProblems(error.message, error.mistakes, error.wantsToken ? () => form.requestSubmit() : null);
    } finally {
      askButton.disabled = false;
      askButton.textContent = askWords;
    }
  });

  const before = kept(keptAs);
  fillForm(form, before);
  extra?.load(before);
  for (const [field, words] of mistakesIn(form)) showMistake(field, words);
  refresh();
  if (Object.keys(before).length) save();
  return { read, clear, refresh, showCase, showExample, showProblems };
}
