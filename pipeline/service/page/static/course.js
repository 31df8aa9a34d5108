// The line of the pain since the operation: a shape that is picked, two points that are dragged, or one stroke.

import { announce, s } from "./dom.js";
import { asNumber, fieldOf, setValue, valueOf } from "./record.js";
import { capital } from "./words.js";

const HEIGHT = 270;
const EDGE = { left: 44, right: 20, top: 22, bottom: 42 };
const BEFORE = 0.09; // of the width, for the pain before the operation
const TICKS = [1, 2, 3, 6, 12, 24, 36, 60, 120];
const USUAL_SPAN = 24; // months, where the days of operation and work-up are not known
const DAYS_A_MONTH = 30.4375;
const SETTLES = 0.05; // of the span: how long the relief takes to come
const ROSE = 0.02; // of the span: as long as a sudden return takes to draw
const UNSAID = { relief: 70, share: 0.35 }; // where the points lie until somebody moves them
const TOP = 110; // per cent of the pain before
const LITTLE_RELIEF = 25; // per cent: a stroke that falls by less was never better
const SLOW = 0.12; // of the span: a stroke that takes longer to rise came back slowly
const WORTH_READING = 0.3; // of the width that a stroke must cover to be read as a course

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** Whole months between two days as the dictionary writes them; null where one is missing, or they run backwards. */
function monthsBetween(first, last) {
  const days = (Date.parse(last) - Date.parse(first)) / 86_400_000;
  return Number.isFinite(days) && days >= 0 ? days / DAYS_A_MONTH : null;
}

/**
 * The corners of the line, as [months since the operation, per cent of the pain before].
 *
 * @param relief per cent in the first weeks
 * @param interval months free of pain
 * @param tempo code of `return_tempo`
 * @param span months that are drawn
 * @param now per cent of the pain before that is felt now
 */
function corners({ relief, interval, tempo, span, now }) {
  const settled = SETTLES * span;
  const low = 100 - relief;
  if (tempo === "never_better") return [[0, 100], [settled, low], [span, now ?? low]];
  const back = clamp(interval, settled, span);
  const felt = now ?? 100;
  if (tempo === "sudden") return [[0, 100], [settled, low], [back, low], [Math.min(span, back + ROSE * span), felt], [span, felt]];
  return [[0, 100], [settled, low], [back, low], [span, felt]];
}

/** The line through the corners as a path; a slow return is drawn as the slope that it is. */
function pathThrough(points, tempo, x, y) {
  const at = ([month, pain]) => `${x(month).toFixed(1)} ${y(pain).toFixed(1)}`;
  const straight = points.slice(1, tempo === "gradual" ? -1 : undefined).map((point) => `L${at(point)}`);
  const [[from, low], [to, high]] = points.slice(-2);
  const middle = x(from + 0.5 * (to - from)).toFixed(1);
  const slope = tempo === "gradual" ? `C${middle} ${y(low).toFixed(1)} ${middle} ${y(high).toFixed(1)} ${at([to, high])}` : "";
  return `M${at(points[0])}${straight.join("")}${slope}`;
}

/** What a stroke says: relief in per cent, months free of pain, tempo; null where it says nothing. */
function readStroke(stroke, span) {
  const line = stroke.filter(([month]) => month >= 0).sort((a, b) => a[0] - b[0]);
  if (line.length < 3) return null;
  const low = Math.min(...line.map(([, pain]) => pain));
  const relief = clamp(5 * Math.round((100 - low) / 5), 0, 100);
  if (relief < LITTLE_RELIEF) return { relief, interval: 0, tempo: "never_better" };
  const end = line.at(-1)[1];
  const rise = end - low;
  if (rise < LITTLE_RELIEF / 2) return { relief, interval: null, tempo: null };
  const from = line.findLastIndex(([, pain]) => pain <= low + 0.15 * rise);
  const to = line.findIndex(([, pain], place) => place > from && pain >= low + 0.85 * rise);
  const months = line[to < 0 ? line.length - 1 : to][0] - line[from][0];
  return { relief, interval: Math.max(1, Math.round(line[from][0])), tempo: months <= Math.max(1, SLOW * span) ? "sudden" : "gradual" };
}

/** The line in words, without the fields that are not recorded. */
export function courseWords({ relief, interval, tempo }) {
  const months = interval === null ? "" : interval === 1 ? "1 month" : `${interval} months`;
  if (tempo === "never_better") return `Never better${relief === null ? "" : `: ${relief} % relief in the first weeks`}.`;
  const first = relief === null ? "" : `${relief} % relief in the first weeks`;
  const free = months ? `free of pain for ${months}` : "";
  const back = { sudden: "then it came back within days", gradual: "then it came back slowly" }[tempo] ?? "";
  const words = [first, free, back].filter(Boolean).join(", ");
  return words ? `${capital(words)}.` : "";
}

/** Axes and line on a plot of that size; returns how months and pain are placed on it. */
function frame(width, height, edge, span, mostTicks, isEndKnown) {
  const zero = edge.left + BEFORE * (width - edge.left - edge.right);
  const x = (month) => zero + (month / span) * (width - edge.right - zero);
  const y = (pain) => edge.top + (1 - pain / TOP) * (height - edge.top - edge.bottom);
  const bottom = y(0);
  const tick = TICKS.find((months) => span / months <= mostTicks) ?? TICKS.at(-1);
  const months = Array.from({ length: Math.floor(span / tick) + 1 }, (_, place) => place * tick);
  const parts = [
    ...[0, 50, 100].map((pain) => s("path", { class: "course-grid", d: `M${edge.left} ${y(pain)}H${width - edge.right}` })),
    ...[0, 50, 100].map((pain) => s("text", { class: "course-tick", x: edge.left - 8, y: y(pain) + 4, "text-anchor": "end" }, pain)),
    ...months.map((month) => s("path", { class: "course-grid", d: `M${x(month)} ${bottom}v5` })),
    ...months.map((month) => s("text", { class: "course-tick", x: x(month), y: bottom + 18, "text-anchor": "middle" }, month)),
    s("path", { class: "course-operation", d: `M${zero} ${edge.top - 8}V${bottom}` }),
    s("text", { class: "course-note", x: zero + 5, y: edge.top - 8 }, "operation"),
    s("text", { class: "course-axis", x: (zero + width - edge.right) / 2, y: height - 6, "text-anchor": "middle" }, "months since the operation"),
    s("text", { class: "course-axis", x: 8, y: edge.top - 8 }, "pain, %"),
    isEndKnown ? s("text", { class: "course-note", x: width - edge.right, y: edge.top - 8, "text-anchor": "end" }, "work-up") : null,
    isEndKnown ? s("path", { class: "course-operation", d: `M${width - edge.right} ${edge.top - 4}V${bottom}` }) : null,
  ];
  return { parts: parts.filter(Boolean), x, y, zero };
}

const spanOf = (months, interval) => (months === null ? Math.max(USUAL_SPAN, 12 * Math.ceil((interval ?? 0) / 12) + 12) : Math.max(1, months));

/** The course of an answer, as a picture. */
export function courseFigure({ relief, interval, tempo, months, now }) {
  const [width, height] = [460, 190];
  const span = spanOf(months, interval);
  const edge = { left: 34, right: 16, top: 22, bottom: 38 };
  const { parts, x, y, zero } = frame(width, height, edge, span, 8, months !== null);
  const line = tempo ? corners({ relief: relief ?? UNSAID.relief, interval: interval ?? UNSAID.share * span, tempo, span, now }) : null;
  return s(
    "svg",
    { class: "course-figure", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Course of the pain. ${courseWords({ relief, interval, tempo }) || "Not recorded."}` },
    ...parts,
    s("path", { class: "course-line", d: `M${edge.left} ${y(100)}H${zero}` }),
    line ? s("path", { class: `course-line ${relief === null || interval === null ? "is-guess" : ""}`, d: pathThrough(line, tempo, x, y) }) : s("text", { class: "course-note", x: width / 2, y: y(50), "text-anchor": "middle" }, "Course not recorded"),
    line && tempo !== "never_better" && interval !== null ? s("circle", { class: "course-point", cx: x(clamp(interval, 0, span)), cy: y(line.at(2)[1]), r: 5 }) : null,
  );
}

export function connectCourse(form, changed) {
  const block = form.querySelector("[data-layout=course]");
  const plot = block.querySelector("[data-plot]");
  const told = block.querySelector("[data-told]");
  const field = Object.fromEntries(["initial_relief_percent", "pain_free_interval_months", "return_tempo"].map((name) => [name, fieldOf(form, name)]));
  const handles = {
    relief: s("circle", { class: "course-handle", r: 11, role: "slider", tabindex: 0, "aria-label": "Relief in the first weeks, per cent", "aria-orientation": "vertical", "aria-valuemin": 0, "aria-valuemax": 100 }),
    back: s("circle", { class: "course-handle", r: 11, role: "slider", tabindex: 0, "aria-label": "When the pain came back, months after the operation", "aria-orientation": "horizontal", "aria-valuemin": 0 }),
  };
  const ground = s("g", { "aria-hidden": "true" });
  const stroke = s("path", { class: "course-stroke", "aria-hidden": "true" });
  const svg = s("svg", { class: "course-svg", role: "group", "aria-label": "Line of the pain since the operation" }, ground, stroke, handles.relief, handles.back);
  plot.append(svg);
  let placed = null; // how months and pain lie on the plot, since it was last drawn
  let drawn = null; // the stroke that is being drawn, as [x, y] on the plot
  let held = null; // the point that is being dragged

  const numberIn = (name) => {
    const number = asNumber(valueOf(field[name]));
    return Number.isNaN(number) ? null : number;
  };
  const textAt = (name) => valueOf(fieldOf(form, name));

  /** The pain felt now, in per cent of that before: the stronger of back and leg, as at both times; null where not known. */
  function painNow() {
    const [before, now] = [["nrs_back", "nrs_leg"], ["followup_nrs_back", "followup_nrs_leg"]].map((names) => Math.max(...names.map((name) => asNumber(textAt(name)))));
    return before > 0 && now >= 0 ? Math.min(TOP - 2, (100 * now) / before) : null;
  }

  function state() {
    const months = monthsBetween(textAt("operation_date"), textAt("workup_date"));
    const [relief, interval] = [numberIn("initial_relief_percent"), numberIn("pain_free_interval_months")];
    return { relief, interval, tempo: valueOf(field.return_tempo), months, span: spanOf(months, interval), now: painNow() };
  }

  function draw() {
    const width = plot.clientWidth;
    if (!width) return; // not on the screen; it is drawn when its question is
    const { relief, interval, tempo, months, span, now } = state();
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    placed = { ...frame(width, HEIGHT, EDGE, span, width < 480 ? 6 : 12, months !== null), span, width };
    const { x, y, zero } = placed;
    const at = { relief: clamp(relief ?? (tempo === "never_better" ? 10 : UNSAID.relief), 0, 100), interval: clamp(interval ?? Math.round(UNSAID.share * span), 0, span) };
    const points = tempo ? corners({ ...at, tempo, span, now }) : null;
    const isSaid = relief !== null && (interval !== null || tempo === "never_better");
    ground.replaceChildren(
      ...placed.parts,
      s("path", { class: "course-line", d: `M${EDGE.left} ${y(100)}H${zero}` }),
      points ? s("path", { class: `course-line ${isSaid ? "" : "is-guess"}`, d: pathThrough(points, tempo, x, y) }) : s("text", { class: "course-invite", x: (zero + width) / 2, y: y(55), "text-anchor": "middle" }, "Draw the pain here"),
    );
    handles.relief.classList.toggle("is-shown", Boolean(tempo));
    handles.back.classList.toggle("is-shown", tempo === "sudden" || tempo === "gradual");
    for (const handle of Object.values(handles)) handle.setAttribute("tabindex", handle.classList.contains("is-shown") ? 0 : -1);
    if (points) {
      const back = points[2]?.[0] ?? span;
      place(handles.relief, x(tempo === "never_better" ? 0.5 * span : Math.max(SETTLES * span, 0.5 * (SETTLES * span + back))), y(tempo === "never_better" ? painHalfWay(points) : 100 - at.relief));
      place(handles.back, x(back), y(100 - at.relief));
    }
    say(handles.relief, at.relief, relief === null ? "not recorded" : `${relief} %`);
    say(handles.back, at.interval, interval === null ? "not recorded" : `${interval} months`);
    handles.back.setAttribute("aria-valuemax", Math.ceil(span));
    const words = courseWords({ relief, interval, tempo });
    const ask = tempo && !isSaid ? " Drag the points to say how much relief, and for how long." : "";
    told.textContent = `${words || "No course yet."}${ask}${months === null ? " Enter the days of operation and work-up, and the axis ends at the work-up." : ""}`;
    svg.setAttribute("aria-label", `Line of the pain since the operation. ${words || "Not recorded."}`);
  }

  const painHalfWay = ([, [from, low], [to, end]]) => low + ((0.5 * to - from) / (to - from)) * (end - low);

  function place(handle, cx, cy) {
    handle.setAttribute("cx", cx);
    handle.setAttribute("cy", cy);
  }

  function say(handle, value, words) {
    handle.setAttribute("aria-valuenow", value);
    handle.setAttribute("aria-valuetext", words);
    handle.classList.toggle("is-unset", words === "not recorded");
  }

  // What is picked, dragged, typed or drawn is recorded in the fields

  function record(values) {
    for (const [name, value] of Object.entries(values)) setValue(field[name], value ?? "");
    changed(field.return_tempo);
  }

  function move(handle, value) {
    if (handle === handles.relief) record({ initial_relief_percent: clamp(Math.round(value), 0, 100) });
    else record({ pain_free_interval_months: clamp(Math.round(value), 1, Math.floor(Math.max(1, placed.span))) });
  }

  /** Never better is never free of pain: the one says the other. */
  field.return_tempo.addEventListener("change", () => {
    const interval = valueOf(field.pain_free_interval_months);
    if (valueOf(field.return_tempo) === "never_better") record({ pain_free_interval_months: 0 });
    else if (interval === "0") record({ pain_free_interval_months: "" });
    announce(told.textContent);
  });

  for (const handle of Object.values(handles)) {
    const isRelief = handle === handles.relief;
    handle.addEventListener("keydown", (event) => {
      const now = Number(handle.getAttribute("aria-valuenow"));
      const [step, leap] = isRelief ? [5, 20] : [1, 6];
      const most = isRelief ? 100 : placed.span;
      const next = { ArrowUp: now + step, ArrowRight: now + step, ArrowDown: now - step, ArrowLeft: now - step, PageUp: now + leap, PageDown: now - leap, Home: 0, End: most }[event.key];
      if (next === undefined) return;
      move(handle, next);
      event.preventDefault();
    });
    handle.addEventListener("pointerdown", (event) => {
      held = handle;
      handle.setPointerCapture(event.pointerId);
      event.stopPropagation();
    });
  }

  const pointOf = (event) => {
    const box = svg.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const monthAt = (px) => ((px - placed.zero) / (placed.x(placed.span) - placed.zero)) * placed.span;
  const painAt = (py) => (TOP * (placed.y(0) - py)) / (placed.y(0) - placed.y(TOP));

  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    drawn = [pointOf(event)];
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    const [px, py] = pointOf(event);
    if (held) move(held, held === handles.relief ? 5 * Math.round((100 - painAt(py)) / 5) : monthAt(px));
    else if (drawn) {
      drawn.push([px, py]);
      stroke.setAttribute("d", `M${drawn.map((point) => point.map((value) => value.toFixed(1)).join(" ")).join("L")}`);
    }
  });
  svg.addEventListener("pointerup", finish);
  svg.addEventListener("pointercancel", () => {
    held = drawn = null;
    stroke.removeAttribute("d");
  });

  function finish() {
    const line = drawn;
    const wasHeld = held;
    held = drawn = null;
    stroke.removeAttribute("d");
    if (wasHeld) announce(told.textContent);
    if (!line) return;
    const across = Math.max(...line.map(([px]) => px)) - Math.min(...line.map(([px]) => px));
    if (across < WORTH_READING * placed.width) return;
    const said = readStroke(line.map(([px, py]) => [monthAt(px), painAt(py)]), placed.span);
    if (!said) return;
    record({ initial_relief_percent: said.relief, pain_free_interval_months: said.interval, return_tempo: said.tempo });
    announce(told.textContent);
  }

  new ResizeObserver(() => draw()).observe(plot);
  return draw;
}
