// Talking to the service. What goes wrong comes back as a list of mistakes, each at its field where it has one.

export class Refused extends Error {
  constructor(title, mistakes = []) {
    super(title);
    this.mistakes = mistakes;
  }
}

/** The answer to one record, with its prediction_id. */
export async function ask(record) {
  let response;
  try {
    response = await fetch("screen", {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json, application/problem+json" },
      body: JSON.stringify(record),
      cache: "no-store",
    });
  } catch {
    throw new Refused("The service cannot be reached. What you entered is kept here; try again.");
  }
  const body = await response.json().catch(() => null);
  if (response.ok && body) return body;
  throw new Refused(titleOf(response, body), mistakesOf(body));
}

function titleOf(response, problem) {
  if (response.status === 429) return "Too many requests at once. Wait a moment and ask again.";
  return problem?.detail ?? problem?.title ?? `The service answered with ${response.status}. Nothing was recorded.`;
}

function mistakesOf(problem) {
  return (problem?.errors ?? []).map((error) => ({
    name: String(error.pointer ?? error.name ?? "").split("/").pop().replace(/^#/, ""),
    words: String(error.detail ?? error.message ?? error.expected ?? "Not accepted."),
  }));
}
