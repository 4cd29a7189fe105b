// The page of one job: follows it by its event log, from wherever it stands, to its end.

import { ApiError, call, identity } from "./api.js";
import { duration, localizeTimes, make, one } from "./dom.js";
import { cancel, followJob, job } from "./follow_job.js";
import { onKeyPasted } from "./key_form.js";
import { json } from "./results.js";
import { Stage } from "./stage.js";

const MOST_LINES = 500; // of the log: a long answer has thousands of events
const jobId = one("[data-job]").dataset.job;
const stage = new Stage(one("[data-stage]"));
const log = one("[data-log]");
let lines = 0;

onKeyPasted(() => {
  begin();
  stage.output.focus(); // the form has gone
});
one("[data-cancel]").addEventListener("click", async () => {
  try {
    await cancel(jobId);
    stage.show(stage.state, "Cancelling ...");
  } catch (error) {
    stage.show(stage.state, `It could not be cancelled: ${error.message} (${error.code}${error.requestId ? `, request ${error.requestId}` : ""})`);
  }
});
begin();

async function begin() {
  one("[data-needs-caller]").hidden = identity.present;
  if (!identity.present) {
    stage.show("idle", "Waiting for you to say who you are.");
    return;
  }
  stage.reset();
  log.replaceChildren();
  lines = 0;
  try {
    await show(await job(jobId));
  } catch (error) {
    if (error.status === 401) one("[data-needs-caller]").hidden = false;
    stage.fail(error instanceof ApiError ? error : new ApiError(`This page has a defect: ${error.message}`, { code: "page-error" }));
    if (!(error instanceof ApiError)) throw error;
  }
}

async function show(row) {
  showTimeline();
  if (row.status === "queued") stage.queued(row);
  else stage.running(row.progress || null);
  const from = performance.now();
  let state = row.status;
  const last = await followJob(row.id, stage, {
    onFrame: (frame) => {
      addLine(frame, performance.now() - from);
      if (state === "queued") {
        state = "running";
        showTimeline();
      }
    },
  });
  stage.fact("Job", null); // it is this page
  stage.fact("Created", new Date(last.created * 1000).toLocaleString());
  if (last.status === "completed") stage.show("completed", "Done.");
  const { requestId, ...told } = last;
  one("[data-row]").replaceChildren(json(told));
  showTimeline();
}

async function showTimeline() {
  const place = one("[data-timeline]");
  try {
    const html = await (await call(`/jobs/${encodeURIComponent(jobId)}/timeline`)).text();
    place.innerHTML = html; // the server's own template, with every value escaped
    localizeTimes(place);
  } catch (error) {
    place.replaceChildren(make("p", { class: "alert alert-warning" }, `The attempts could not be read: ${error.message} (${error.code})`));
  }
}

function addLine(frame, after) {
  lines += 1;
  one("[data-log-count]").textContent = `${lines} ${lines === 1 ? "event" : "events"}${lines > MOST_LINES ? `, the first ${MOST_LINES} shown` : ""}`;
  if (lines > MOST_LINES) return;
  const [name, said] = described(frame);
  log.append(make("tr", {}, make("td", { class: "mono" }, frame.id || "-"), make("td", {}, name), make("td", { class: "mono" }, said), make("td", { class: "amount" }, duration(after))));
}

function described(frame) {
  const body = JSON.parse(frame.data);
  if (frame.event.startsWith("job.")) return [frame.event, body.progress === undefined ? body.status || "" : `${body.progress} %`];
  if (frame.event) return [frame.event, body.error?.message || ""];
  if (body.error) return ["error", body.error.message];
  const choice = body.choices?.[0];
  if (!choice) return ["usage", JSON.stringify(body.usage || {})];
  if (choice.finish_reason) return ["end", choice.finish_reason];
  const call = choice.delta?.tool_calls?.[0]?.function;
  if (call) return ["tool call", call.name || call.arguments];
  const text = choice.delta?.content ?? choice.text ?? "";
  return text ? ["text", JSON.stringify(text)] : ["start", choice.delta?.role || ""];
}
