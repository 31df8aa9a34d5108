// The record as the form holds it: read, filled, checked, kept in this browser.

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

/** What is typed as a number, with a point or a comma; NaN for what is none. */
export function asNumber(text) {
  return DECIMAL.test(text) ? Number(text.replace(",", ".")) : NaN;
}

/** The record as the service takes it: what is not recorded is left out. */
export const readRecord = (form) => asSent(typedIn(form));

/** Values as they were typed, as the service takes them. */
export function asSent(typed) {
  const record = {};
  for (const [name, text] of Object.entries(typed)) {
    const number = name === "case_id" ? NaN : asNumber(String(text));
    record[name] = Number.isNaN(number) ? text : number;
  }
  return record;
}

export function fillForm(form, record) {
  for (const field of fieldsIn(form)) {
    setValue(field, record[field.dataset.field]);
    showMistake(field, "");
  }
}

/** Whether what is recorded says that something is found: neither missing nor unremarkable, nor a measure of nothing. */
export function isFinding(field) {
  const value = valueOf(field);
  if (field.querySelector("input[data-expected]")) return value !== "" && asNumber(value) !== 0;
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
  const layer = field.closest("[data-layer-panel]");
  if (layer) layer.dispatchEvent(new CustomEvent("choose-layer", { bubbles: true, detail: layer.dataset.layerPanel }));
  field.querySelector("input:checked, select, input")?.focus();
}

export const labelOf = (field) => {
  const control = field.querySelector("[aria-label]");
  return control?.getAttribute("aria-label") ?? field.querySelector(".label")?.firstChild.textContent.trim() ?? field.dataset.field;
};

/** A value of a field as people read it, with its unit: what is entered there, or another. */
export function wordsOf(field, value = valueOf(field)) {
  const choice = [...field.querySelectorAll("option, input[type=radio]")].find((one) => one.value === String(value));
  if (choice) return (choice.closest("label") ?? choice).textContent.trim();
  if (field.querySelector("[type=checkbox]")) return Number(value) ? "yes" : "no";
  const unit = field.querySelector(".unit")?.firstChild.textContent.trim();
  return [String(value), unit].filter(Boolean).join(" ");
}

// Unfinished work is kept in this browser alone, as it was typed, until it is cleared.

export function typedIn(form) {
  const typed = {};
  for (const field of fieldsIn(form)) {
    const text = valueOf(field);
    if (text) typed[field.dataset.field] = text;
  }
  return typed;
}

/** Keeps values by name; nothing is kept of nothing. Whether the browser allows it. */
export function keep(name, values) {
  try {
    if (Object.keys(values).length) localStorage.setItem(name, JSON.stringify(values));
    else localStorage.removeItem(name);
    return true;
  } catch {
    return false; // a browser may forbid it: the page works without
  }
}

export function kept(name) {
  try {
    return JSON.parse(localStorage.getItem(name)) ?? {};
  } catch {
    return {};
  }
}
