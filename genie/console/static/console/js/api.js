// Who calls the API from this page, and what it answers: the one place for keys, tokens and errors.

const STORED = "genie-key";
let held = "";
try {
  held = sessionStorage.getItem(STORED) || "";
} catch {
  held = ""; // storage is closed to us: the key lives as long as the page
}

/** The caller: a pasted key of this tab, else the session of whoever is signed in. */
export const identity = {
  get key() {
    return held;
  },
  get signedIn() {
    return document.body.dataset.signedIn === "true";
  },
  get present() {
    return Boolean(held) || this.signedIn;
  },
  use(key) {
    held = key;
    store(key);
  },
  forget() {
    held = "";
    store("");
  },
};

function store(key) {
  try {
    if (key) sessionStorage.setItem(STORED, key);
    else sessionStorage.removeItem(STORED);
  } catch {
    // the key lives as long as the page
  }
}

/** Whatever went wrong, with all that the API said of it. */
export class ApiError extends Error {
  constructor(message, { code = "", status = 0, requestId = "", body = null } = {}) {
    super(message);
    this.code = code;
    this.status = status;
    this.requestId = requestId;
    this.body = body;
  }
}

/** Send a request as the present caller and return its answer; raises ApiError for any but 2xx. */
export async function call(path, { method = "GET", json, form, headers = {}, signal } = {}) {
  const sent = new Headers(headers);
  if (held) sent.set("Authorization", `Bearer ${held}`);
  else if (method !== "GET") sent.set("X-CSRFToken", csrfToken());
  let body = form;
  if (json !== undefined) {
    sent.set("Content-Type", "application/json");
    body = JSON.stringify(json);
  }
  let response;
  try {
    response = await fetch(path, { method, headers: sent, body, signal, credentials: held ? "omit" : "same-origin" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server could not be reached. Check the connection, then try again.", { code: "network" });
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

async function refusal(response) {
  const requestId = response.headers.get("X-Request-Id") || "";
  let body = null;
  try {
    body = await response.json();
  } catch {
    body = null; // a proxy's own page, perhaps
  }
  const message = body?.error?.message || body?.error || `The server answered ${response.status} without saying why.`;
  return new ApiError(message, { code: body?.code || `http-${response.status}`, status: response.status, requestId, body });
}

function csrfToken() {
  return document.querySelector('meta[name="csrf-token"]')?.content || "";
}
