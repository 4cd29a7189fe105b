// The playground's page: wires its form to the API and to the stage.

import { ApiError, call, identity } from "./api.js";
import { all, copy, credits, duration, make, one, shortId } from "./dom.js";
import { cancel, ended, followJob } from "./follow_job.js";
import { onKeyPasted } from "./key_form.js";
import { FieldProblem, bodyOf, encoded, withMode } from "./request.js";
import { shown, sound } from "./results.js";
import { curl, python } from "./snippets.js";
import { Stage } from "./stage.js";

const shape = JSON.parse(one("#shape").textContent);
const form = one("[data-compose]");
const stage = new Stage(one("[data-stage]"));
const runButton = one("[data-run]");
const base = `${location.origin}/v1`;
let current = null; // the run that is under way: {abort, jobId}

const mode = () => form.elements.namedItem("mode").value;
const language = () => one("[name=language]:checked").value;

// --- who calls ------------------------------------------------------------------------------------

function showIdentity() {
  all("[data-with-key]").forEach((part) => (part.hidden = !identity.key));
  all("[data-without-key]").forEach((part) => (part.hidden = Boolean(identity.key)));
  if (identity.key) one("[data-key-shown]").textContent = `${identity.key.slice(0, -24)}…${identity.key.slice(-4)}`;
  runButton.disabled = !identity.present;
  loadModels();
}

// What was clicked goes away with it: whoever goes by keyboard is taken to what has come in its place.
onKeyPasted(() => {
  showIdentity();
  one("[data-key-forget]").focus();
});
one("[data-key-forget]").addEventListener("click", () => {
  identity.forget();
  showIdentity();
  (one("[data-without-key] summary") || one("#pasted-key")).focus();
});

// --- models ---------------------------------------------------------------------------------------

let models = [];

async function loadModels() {
  const select = form.elements.namedItem("model");
  const problem = one("[data-model-problem]");
  problem.textContent = "";
  if (!identity.present) return;
  try {
    const { data } = await (await call("/v1/models")).json();
    models = data.filter(serves);
  } catch (error) {
    problem.textContent = `The models could not be listed: ${error.message} (${error.code}${error.requestId ? `, request ${error.requestId}` : ""})`;
    return;
  }
  if (!models.length) {
    problem.textContent = "No model of this kind is open to you.";
    return;
  }
  const chosen = select.value;
  select.replaceChildren(...models.map(modelGroup));
  const names = [...select.options].map((option) => option.value);
  select.value = names.includes(chosen) ? chosen : names[0];
  showModel();
}

// As the page's own list of forms judges it: a model that names no kind leaves it to the API.
function serves(model) {
  const named = model.capabilities.filter((one) => shape.kinds.includes(one));
  return model.modality === shape.modality && (!shape.capability || !named.length || named.includes(shape.capability));
}

function modelGroup(model) {
  const names = [model.id, ...model.aliases];
  return make("optgroup", { label: `${model.id}${model.loaded ? " · in memory" : ""}` }, ...names.map((name) => make("option", { value: name }, name)));
}

function showModel() {
  const name = form.elements.namedItem("model").value;
  const model = models.find((one) => one.id === name || one.aliases.includes(name));
  one("[data-model-note]").textContent = model ? `${model.description || ""} ${model.loaded ? "In memory." : "Loads when it is first asked."}`.trim() : "";
}

// --- the same request as code, and what it would cost ------------------------------------------------

function showSnippet() {
  const body = withMode(bodyOf(form, shape, { lenient: true }), mode());
  one("[data-snippet]").textContent = (language() === "curl" ? curl : python)(shape, body, mode(), base);
}

let quoteTimer = 0;

function askForQuote() {
  clearTimeout(quoteTimer);
  const place = one("[data-quote]");
  if (!identity.present || shape.form) return;
  quoteTimer = setTimeout(async () => {
    let body;
    try {
      body = bodyOf(form, shape);
    } catch {
      place.textContent = ""; // not complete yet
      return;
    }
    if (Object.values(body).some((value) => value instanceof File)) return;
    try {
      const quote = await (await call("/v1/jobs/quote", { method: "POST", json: { route: `/v1${shape.route}`, ...body } })).json();
      place.textContent = quote.allowed ? `Costs at most ${credits(quote.maximum)}.` : `A cap would refuse it: ${credits(quote.maximum)} at most, ${credits(quote.exceededBy || 0)} too much.`;
    } catch (error) {
      place.textContent = error instanceof ApiError ? `No estimate: ${error.message}` : "";
    }
  }, 600);
}

// --- running --------------------------------------------------------------------------------------

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!identity.present || current) return;
  clearProblems();
  const run = { abort: new AbortController(), jobId: "", from: performance.now() };
  current = run;
  busy(true);
  stage.reset();
  stage.show("sending", "Sending ...");
  try {
    await perform(run);
  } catch (error) {
    showFailure(error);
  } finally {
    current = null;
    busy(false);
  }
});

// Not disabled, which would take the focus from it.
function busy(is) {
  runButton.setAttribute("aria-disabled", String(is));
}

async function perform(run) {
  const body = withMode(bodyOf(form, shape), mode());
  const signal = run.abort.signal;
  if (mode() === "sync") stage.show("running", "Waiting for the answer ...");
  const response = await call(`/v1${shape.route}`, { method: "POST", ...(await encoded(body, shape)), signal });
  run.jobId = response.headers.get("X-Genie-Job-Id") || "";
  if (response.status === 202) {
    const accepted = await response.json();
    run.jobId = accepted.id;
    stage.queued(accepted);
    linkJob(run);
    await toTheEnd(run);
  } else if ((response.headers.get("Content-Type") || "").startsWith("text/event-stream")) {
    stage.show("queued", "Accepted; waiting for the first words ...");
    linkJob(run);
    await toTheEnd(run, response);
  } else {
    await showSync(run, response);
  }
  stage.fact("Request", make("code", { class: "small" }, response.headers.get("X-Request-Id") || ""));
}

async function toTheEnd(run, opened = null) {
  let first = 0;
  const onText = () => (first ||= performance.now());
  const row = await followJob(run.jobId, stage, { opened, signal: run.abort.signal, onText });
  if (first) stage.fact("First words after", duration(first - run.from));
  if (row.status === "completed") finish(run);
}

async function showSync(run, response) {
  const type = response.headers.get("Content-Type") || "";
  if (type.startsWith("audio/")) {
    const blob = await response.blob();
    stage.replace(sound(URL.createObjectURL(blob), `speech.${form.elements.namedItem("response_format").value || "mp3"}`));
  } else if (type.startsWith("application/json")) {
    stage.replace(...shown(await response.json()));
  } else {
    stage.replace(...shown({ text: await response.text() }));
  }
  const took = performance.now() - run.from;
  if (run.jobId) await facts(run.jobId);
  finish(run, took);
}

async function facts(jobId) {
  const silent = { result: () => {}, fail: () => {}, jobFacts: (job) => stage.jobFacts(job) };
  try {
    await ended(jobId, silent, null);
  } catch (error) {
    stage.fact("Cost", `unknown: ${error.message}`); // the answer is there all the same
  }
}

function finish(run, took = performance.now() - run.from) {
  stage.fact("Took in all", duration(took));
  stage.show("completed", `Done in ${duration(took)}.`);
}

function linkJob(run) {
  stage.fact("Job", make("a", { href: `/jobs/${encodeURIComponent(run.jobId)}` }, shortId(run.jobId)));
}

function showFailure(error) {
  if (error.name === "AbortError") {
    stage.show("cancelled", "Cancelled.");
  } else if (error instanceof FieldProblem) {
    stage.show("idle", "Ready when you are.");
    showProblem(error.field, error.message);
  } else if (error instanceof ApiError) {
    stage.fail(error);
    for (const detail of error.body?.details || []) showProblem(String(detail.field).split(".")[0], detail.message, { focus: false });
  } else {
    stage.fail(new ApiError(`This page has a defect: ${error.message}`, { code: "page-error" }));
    throw error;
  }
}

one("[data-cancel]").addEventListener("click", async () => {
  const run = current;
  if (!run) return;
  if (!run.jobId) {
    run.abort.abort(); // the server cancels the job of a caller who goes
    return;
  }
  stage.show(stage.state, "Cancelling ...");
  try {
    await cancel(run.jobId);
  } catch (error) {
    stage.show(stage.state, `It could not be cancelled: ${error.message} (${error.code})`);
  }
});

// --- fields ---------------------------------------------------------------------------------------

function showProblem(name, message, { focus = true } = {}) {
  const control = form.elements.namedItem(name === "messages" ? "user" : name);
  const place = control?.id ? one(`#${control.id}-problem`) : null;
  if (!place) return;
  place.textContent = message;
  control.setAttribute("aria-invalid", "true");
  const folded = control.closest("details");
  if (folded) folded.open = true;
  if (focus) control.focus();
}

function clearProblems() {
  all(".field-error", form).forEach((place) => (place.textContent = ""));
  all("[aria-invalid]", form).forEach((control) => control.removeAttribute("aria-invalid"));
}

form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    form.requestSubmit();
  }
});
form.addEventListener("input", () => {
  showSnippet();
  askForQuote();
});
form.addEventListener("change", () => {
  showModel();
  showSnippet();
  askForQuote();
});
all("[name=language]").forEach((radio) => radio.addEventListener("change", showSnippet));
one("[data-copy]").addEventListener("click", (event) => copy(event.currentTarget, one("[data-snippet]").textContent));

showIdentity();
showSnippet();
