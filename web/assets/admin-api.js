// What views ask the hub, and how.

const PATIENCE = 15_000; // ms for an answer

/** What the hub has refused, or that it has not answered (status 0). */
export class ApiError extends Error {
  /** @param {number} status @param {string} text */
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

/**
 * Asks the admin API. That a page of another site can't ask in an operator's name is the cookie's and the hub's doing:
 * SameSite, and Sec-Fetch-Site, which no page can set.
 * @param {string} method @param {string} path @param {any} [body] sent as JSON @param {AbortSignal} [stop] ends the waiting @returns {Promise<any>} the answer's JSON
 */
export async function ask(method, path, body, stop) {
  /** @type {RequestInit} */
  const how = { method, cache: "no-store", signal: AbortSignal.any([AbortSignal.timeout(PATIENCE), ...(stop ? [stop] : [])]) };
  if (body !== undefined) {
    how.body = JSON.stringify(body);
    how.headers = { "Content-Type": "application/json" };
  }
  let response;
  try {
    response = await fetch(path, how);
  } catch {
    throw new ApiError(0, "The hub does not answer.");
  }
  if (!response.ok) throw new ApiError(response.status, (await response.text()).trim());
  return response.headers.get("Content-Type") === "application/json" ? response.json() : response.text();
}
