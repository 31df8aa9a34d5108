// What the form of the work-up holds beside its fields: the course, where it was operated, and the record of before.

import { connectCourse } from "./course.js";
import { announce, h } from "./dom.js";
import { connectLayers } from "./layers.js";
import { asSent, fieldOf, fieldsIn, goTo, labelOf, setValue, valueOf, wordsOf } from "./record.js";

/**
 * What `connectForm` asks of the work-up.
 *
 * @param form the form of the work-up
 * @param readBefore returns the record that is entered before an operation
 * @param formBefore the form that it is entered in: it knows labels and choices
 */
export function workupExtra(form, readBefore, formBefore) {
  const part = form.querySelector(".carry");
  const [over, out] = ["[data-carry-over]", "[data-leave-out]"].map((name) => part.querySelector(name));
  const list = part.querySelector("[data-carried-list]");
  const own = new Set(fieldsIn(form).map((field) => field.dataset.field));
  const draws = [];
  let carried = {};
  let changed = () => {};

  /** Of a record, what the form of the work-up has no field for. */
  const beyond = (record) => Object.fromEntries(Object.entries(record).filter(([name, value]) => !own.has(name) && fieldOf(formBefore, name) && value !== ""));
  const isSame = (one, other) => JSON.stringify(Object.entries(one).sort()) === JSON.stringify(Object.entries(other).sort());

  function draw() {
    for (const one of draws) one();
    const entered = readBefore();
    const there = Object.keys(entered).length;
    const along = Object.keys(carried).length;
    part.querySelector("[data-carry-words]").replaceChildren(...(along ? alongWords(carried) : there ? offerWords(entered, there) : NOTHING));
    part.classList.toggle("is-along", along > 0);
    over.hidden = !there || (along > 0 && isSame(carried, beyond(entered)));
    over.textContent = along ? "Carry over what is entered there now" : "Carry it over";
    out.hidden = !along;
    list.hidden = !along;
    if (list.open) fillList();
  }

  const NOTHING = [h("strong", {}, "Nothing from before the operation goes along. "), "Where it is known, enter it under “Before an operation” and carry it over: pain, signs and scan are then compared with those of now."];

  function offerWords(entered, count) {
    const about = [entered.case_id ? `case ${entered.case_id}` : "", entered.age_years ? `${entered.age_years} years` : "", entered.sex ?? ""].filter(Boolean).join(", ");
    return [h("strong", {}, "A case is entered under “Before an operation”"), ` (${about ? `${about}; ` : ""}${count} recorded). If it is this patient, carry it over: pain, signs and scan are then compared with those of now.`];
  }

  function alongWords(record) {
    const sections = sectionsOf(record).map(([title, fields]) => `${title.toLowerCase()} ${fields.length}`);
    const count = Object.keys(record).length;
    return [h("strong", {}, `From before the operation ${count === 1 ? "1 finding goes" : `${count} findings go`} along: `), `${sections.join(", ")}.`];
  }

  /** The sections of the first form with their fields that a record fills. */
  const sectionsOf = (record) =>
    [...formBefore.querySelectorAll(".part")]
      .map((section) => [section.querySelector("h2").textContent, fieldsIn(section).filter((field) => field.dataset.field in record)])
      .filter(([, fields]) => fields.length);

  function fillList() {
    list.querySelector("dl").replaceChildren(
      ...sectionsOf(carried).flatMap(([title, fields]) => [h("dt", {}, title), h("dd", {}, h("ul", {}, ...fields.map((field) => h("li", {}, `${labelOf(field)}: `, h("b", {}, wordsOf(field, carried[field.dataset.field]))))))]),
    );
  }

  over.addEventListener("click", () => {
    const entered = readBefore();
    for (const [name, value] of Object.entries(entered)) if (own.has(name)) setValue(fieldOf(form, name), value);
    carried = beyond(entered);
    changed(fieldOf(form, "case_id"));
    announce(part.querySelector("[data-carry-words]").textContent);
    part.querySelector("[data-leave-out]:not([hidden]), [data-carry-over]:not([hidden])")?.focus();
  });
  out.addEventListener("click", () => {
    carried = {};
    changed(fieldOf(form, "case_id"));
    announce("Nothing from before the operation goes along, save for what the form shows.");
    part.querySelector("[data-carry-over]:not([hidden])")?.focus();
  });
  list.addEventListener("toggle", () => list.open && fillList());

  return {
    connect(told) {
      changed = told;
      draws.push(connectCourse(form, told), connectLayers(form, told));
    },
    draw,
    read: () => asSent(carried),
    load(record) {
      carried = beyond(record);
    },
  };
}

/** What the bar says: how many parts of the form hold something, and which do not. */
export function sectionsProgress(form) {
  const parts = [...form.querySelectorAll(".part")];
  const empty = parts.filter((part) => fieldsIn(part).every((field) => valueOf(field) === ""));
  if (empty.length === parts.length) return ["Nothing recorded yet."];
  const link = (part) => h("button", { type: "button", onclick: () => goTo(fieldsIn(part)[0]) }, part.querySelector("h2").textContent);
  return [
    `${parts.length - empty.length} of ${parts.length} parts hold something.`,
    ...empty.flatMap((part, place) => [place ? ", " : " Empty: ", link(part)]),
    empty.length ? ". " : "",
  ];
}
