// The record as the form holds it: read, filled, checked, kept in this browser.

const KEPT_AS = "backcast.case";
const DECIMAL = /^[+-]?(\d+([.,]\d*)?|[.,]\d+)$/;

export const fieldOf = (form, name) => form.querySelector(`[data-field="${CSS.escape(name)}"]`);

export const fieldsIn = (part) => [...part.querySelectorAll("[data-field]")];

/** What is entered in a field, as text; empty is not recorded. */
export function valueOf(field) {
  const control = field.querySelector("select, input:not([type=radio]), input:checked");
  if (!control) return "";
  if (control.type === "checkbox") return control.checked ? control.value : "";
  return control.value.trim();
}

export function setValue(field, value) {
  const text = value === null || value === undefined ? "" : String(value);
  const radios = field.querySelectorAll("input[type=radio]");
  if (radios.length) {
    for (const radio of radios) radio.checked = radio.value === text;
    return;
  }
  const control = field.querySelector("select, input");
  if (control.type === "checkbox") control.checked = text === "1";
  else control.value = text;
}

function asNumber(text) {
  return DECIMAL.test(text) ? Number(text.replace(",", ".")) : NaN;
}

/** The record as the service takes it: what is not recorded is left out. */
export function readRecord(form) {
  const record = {};
  for (const field of fieldsIn(form)) {
    const text = valueOf(field);
    if (text === "") continue;
    const number = field.dataset.field === "case_id" ? NaN : asNumber(text);
    record[field.dataset.field] = Number.isNaN(number) ? text : number;
  }
  return record;
}

export function fillForm(form, record) {
  for (const field of fieldsIn(form)) {
    setValue(field, record[field.dataset.field]);
    showMistake(field, "");
  }
}

/** Whether what is recorded says that something is found: neither missing nor unremarkable. */
export function isFinding(field) {
  const value = valueOf(field);
  return value !== "" && !(field.dataset.unremarkable ?? "").split("|").includes(value);
}

/** What is wrong with a field, in words; empty where nothing is. */
export function mistakeOf(field) {
  const input = field.querySelector("input[data-expected]");
  const text = input ? input.value.trim() : "";
  if (!text) return "";
  const number = asNumber(text);
  const { lower, upper, expected } = input.dataset;
  if (Number.isNaN(number)) return `Write a number, ${expected}.`;
  return number < Number(lower) || number > Number(upper) ? `Expected: ${expected}.` : "";
}

export function showMistake(field, words) {
  const error = field.querySelector(".error");
  for (const control of field.querySelectorAll("input, select, [role=radiogroup]")) {
    if (words && !control.closest(".segments label")) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
  }
  field.classList.toggle("is-wrong", Boolean(words));
  error.textContent = words;
  error.hidden = !words;
}

/** All fields with a mistake: [field, words]. */
export const mistakesIn = (form) =>
  fieldsIn(form)
    .map((field) => [field, mistakeOf(field)])
    .filter(([, words]) => words);

/** The field to put the focus on, its blocks opened. */
export function goTo(field) {
  for (let around = field.closest("details"); around; around = around.parentElement.closest("details")) around.open = true;
  const panel = field.closest("[data-panel]");
  if (panel) panel.dispatchEvent(new CustomEvent("choose-level", { bubbles: true, detail: panel.dataset.panel }));
  field.querySelector("input:checked, select, input")?.focus();
}

export const labelOf = (field) => {
  const control = field.querySelector("[aria-label]");
  return control?.getAttribute("aria-label") ?? field.querySelector(".label")?.firstChild.textContent.trim() ?? field.dataset.field;
};

// Unfinished work is kept in this browser alone, as it was typed, until it is cleared.

export function keep(form) {
  const typed = {};
  for (const field of fieldsIn(form)) {
    const text = valueOf(field);
    if (text) typed[field.dataset.field] = text;
  }
  try {
    if (Object.keys(typed).length) localStorage.setItem(KEPT_AS, JSON.stringify(typed));
    else localStorage.removeItem(KEPT_AS);
    return true;
  } catch {
    return false; // a browser may forbid it: the page works without
  }
}

export function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEPT_AS)) ?? {};
  } catch {
    return {};
  }
}
