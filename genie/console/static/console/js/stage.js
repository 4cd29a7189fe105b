// The stage: shows what becomes of one job, from its sending to its end. Speaks to no server.

import { copy, credits, duration, make, one, shortId } from "./dom.js";
import { answer, shown, toolCall } from "./results.js";

const STEPS = ["sending", "queued", "running", "completed"];
const ENDS = new Set(["completed", "failed", "cancelled", "timeout"]);

export class Stage {
  constructor(root) {
    this.root = root;
    this.state = "idle";
    this.output = one("[data-output]", root);
    this.errorBox = one("[data-error]", root);
    this.factsList = one("[data-facts]", root);
    this.progress = one("[data-progress]", root);
    this.cancelButton = one("[data-cancel]", root);
    this.facts = new Map();
    this.reset();
  }

  /** Forget the last job. */
  reset() {
    this.texts = new Map();
    this.calls = new Map();
    this.facts.clear();
    this.errorBox.hidden = true;
    this.errorBox.replaceChildren();
    this.factsList.parentElement.hidden = true;
    this.progress.hidden = true;
    this.output.setAttribute("aria-busy", "false");
  }

  /** Move to a state and say so. */
  show(state, text) {
    this.state = state;
    this.root.dataset.state = state;
    one("[data-state-text]", this.root).textContent = text;
    const reached = ENDS.has(state) ? STEPS.length : STEPS.indexOf(state) + 1;
    [...one("[data-track]", this.root).children].forEach((step, place) => step.toggleAttribute("data-reached", place < reached));
    this.offerCancel(STEPS.slice(0, 3).includes(state));
    this.output.setAttribute("aria-busy", String(state === "running" && this.texts.size > 0));
    if (ENDS.has(state)) this.progress.hidden = true;
  }

  /** Show the button that cancels, or take it away: whoever was on it finds themselves at the answer. */
  offerCancel(is) {
    const wasThere = document.activeElement === this.cancelButton;
    this.cancelButton.hidden = !is;
    if (wasThere && !is) this.output.focus({ preventScroll: true });
  }

  get ended() {
    return ENDS.has(this.state);
  }

  /** Show a job that waits: its place and when it may have run. */
  queued(job) {
    if (job.reason === "parked_budget") {
      const until = job.resetsAt ? ` It goes on by ${new Date(job.resetsAt).toLocaleString()}, or when the cap is raised.` : "";
      this.show("queued", `Parked: the ${job.capWindow} cap of the ${job.capLayer} is reached.${until}`);
      return;
    }
    const place = job.queue_position ? `place ${job.queue_position} in the queue` : "waiting for its place";
    const eta = job.eta_seconds ? `, done in about ${duration(job.eta_seconds * 1000)}` : "";
    this.show("queued", `Queued: ${place}${eta}.`);
    if (job.queue_position) this.fact("Place in queue", String(job.queue_position));
    if (job.eta_seconds) this.fact("Expected in", duration(job.eta_seconds * 1000));
  }

  /** Show that it runs, and how far it has come if that is known. */
  running(percent) {
    if (percent === undefined || percent === null) {
      this.show("running", "Running ...");
      return;
    }
    this.show("running", `Running: ${percent} %.`);
    this.progress.hidden = false;
    this.progress.value = percent;
  }

  /** Add text to one of the answers. */
  text(choice, delta) {
    if (!this.texts.has(choice)) {
      if (!this.texts.size && !this.calls.size) this.output.replaceChildren();
      const place = answer();
      this.texts.set(choice, place);
      this.output.append(place);
    }
    this.texts.get(choice).append(delta);
    this.output.setAttribute("aria-busy", "true");
  }

  /** Add to a tool call of one of the answers. */
  call(choice, index, name, piece) {
    const key = `${choice}.${index}`;
    if (!this.calls.has(key)) {
      if (!this.texts.size && !this.calls.size) this.output.replaceChildren();
      const made = { name: name || "", text: "", place: make("div") };
      this.calls.set(key, made);
      this.output.append(made.place);
    }
    const found = this.calls.get(key);
    found.text += piece;
    const drawn = toolCall(found.name, found.text);
    found.place.replaceWith(drawn);
    found.place = drawn;
  }

  /** A later attempt begins again. */
  restart() {
    this.texts.clear();
    this.calls.clear();
    this.output.replaceChildren();
  }

  /** Show the whole result, unless it has been told piece by piece. */
  result(result) {
    if (!this.texts.size && !this.calls.size) this.replace(...shown(result));
  }

  /** Show these elements. */
  replace(...elements) {
    this.output.replaceChildren(...elements);
  }

  /** Show what went wrong: the sentence, the code and the request id, and every detail. */
  fail(error, state = "failed") {
    this.show(state, state === "cancelled" ? "Cancelled." : state === "timeout" ? "Timed out." : "Failed.");
    if (one("[data-idle]", this.output)) this.output.replaceChildren();
    const items = (error.body?.details || []).map((one) => make("li", {}, `${one.field || "body"}: ${one.message}`));
    const body = error.body || {};
    if (body.capLayer) {
      const resets = body.resetsAt ? ` It resets ${new Date(body.resetsAt).toLocaleString()}.` : "";
      items.push(make("li", {}, `The ${body.capWindow} cap of the ${body.capLayer} refused it.${resets}`));
    }
    const told = make("p", { class: "small" }, "code ", make("code", {}, error.code || "unknown"));
    if (error.requestId) {
      const button = make("button", { type: "button", class: "button button-small button-quiet" }, "Copy id");
      button.addEventListener("click", () => copy(button, error.requestId));
      told.append(" · request ", make("code", {}, error.requestId), " ", button);
    }
    this.errorBox.replaceChildren(make("p", { class: "alert-title" }, error.message), ...(items.length > 1 || body.capLayer ? [make("ul", {}, ...items)] : []), told);
    this.errorBox.hidden = false;
  }

  /** Show one figure about the job, or take it away. */
  fact(name, value) {
    if (value === undefined || value === null || value === "") this.facts.delete(name);
    else this.facts.set(name, value);
    this.factsList.replaceChildren(...[...this.facts].map(([term, told]) => make("div", {}, make("dt", {}, term), make("dd", {}, told))));
    this.factsList.parentElement.hidden = !this.facts.size;
  }

  /** Show what the row of an ended job says of its work and cost. */
  jobFacts(job) {
    const usage = job.usage || {};
    this.fact("Place in queue", null);
    this.fact("Expected in", null);
    this.fact("Model", job.model);
    for (const [name, value] of Object.entries(usage)) if (name !== "total_tokens") this.fact(words(name), String(value));
    if (job.cost !== undefined) this.fact("Cost", credits(job.cost));
    if (job.startedAt && job.completedAt) {
      const ran = new Date(job.completedAt) - new Date(job.startedAt);
      this.fact("Ran for", duration(ran));
      if (usage.completion_tokens && ran > 0) this.fact("Tokens a second", (usage.completion_tokens / (ran / 1000)).toFixed(1));
    }
    this.fact("Job", make("a", { href: `/jobs/${encodeURIComponent(job.id)}` }, shortId(job.id)));
  }
}

function words(name) {
  const text = name.replaceAll("_", " ");
  return text[0].toUpperCase() + text.slice(1);
}
