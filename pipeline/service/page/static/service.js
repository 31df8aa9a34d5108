// Talking to the service. What goes wrong comes back as a list of mistakes, each at its field where it has one.

import { capital } from "./words.js";

let token = ""; // in this tab alone, and gone when it is reloaded

export function useToken(entered) {
  token = entered.trim();
}

/** Why there is no answer: in words, mistakes at their fields, and whether a token is wanted. */
export class Refused extends Error {
  constructor(title, mistakes = [], wantsToken = false) {
    super(title);
    this.mistakes = mistakes;
    this.wantsToken = wantsToken;
  }
}

/** The risk for one record, with its prediction_id. */
export const ask = (record) => posted("screen", record);

/** The causes of a failure, with their prediction_id. */
export const askForCauses = (record) => posted("workup", record);

const posted = (address, record) =>
  answered(address, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(record) });

/** A past answer, as it was recorded. */
export const recall = (id) => answered(`predictions/${encodeURIComponent(id)}`, {});

/** What was recorded of the case behind a past answer. */
export const recallCase = (id) => answered(`predictions/${encodeURIComponent(id)}/case`, {});

async function answered(address, request) {
  const headers = { ...request.headers, Accept: "application/json, application/problem+json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(address, { ...request, headers, cache: "no-store" });
  } catch {
    throw new Refused("The service cannot be reached. What you entered is kept here; try again.");
  }
  const body = await response.json().catch(() => null);
  if (response.ok && body) return body;
  throw new Refused(titleOf(response, body), mistakesOf(body), response.status === 401);
}

function titleOf(response, problem) {
  if (response.status === 429) return "Too many requests at once. Wait a moment and ask again.";
  return problem?.detail ?? problem?.title ?? `The service answered with ${response.status}. Nothing was recorded.`;
}

/** At its field a mistake need not say which field it is. */
function withoutName(words, name) {
  return capital(words.startsWith(name) ? words.slice(name.length) : words);
}

function mistakesOf(problem) {
  return (problem?.errors ?? []).map(({ name, label, detail }) => ({
    name: name ?? "",
    words: withoutName(String(detail ?? "Not accepted."), `${label} (${name}) `),
  }));
}
