// Follows one job to its end on a stage: its events, its place while it waits, and its row at last.

import { ApiError, call } from "./api.js";
import { follow, pause } from "./sse.js";

const POLL_MS = 1000;

/** Return a job's row. */
export async function job(id, signal) {
  const response = await call(`/v1/jobs/${encodeURIComponent(id)}`, { signal });
  return { ...(await response.json()), requestId: response.headers.get("X-Request-Id") };
}

/** Ask for a job to be cancelled. */
export async function cancel(id) {
  await call(`/v1/jobs/${encodeURIComponent(id)}/cancel`, { method: "POST" });
}

/**
 * Show a job until it has ended, and return its row.
 * `opened`: an answer that already streams it; `onFrame` hears of every event, `onText` of the first words.
 */
export async function followJob(id, stage, { opened = null, signal, onFrame = () => {}, onText = () => {} } = {}) {
  const begun = { yes: false };
  const waiting = showPlace(id, stage, begun, signal);
  const onBreak = (tries) => stage.show(stage.state, `The connection broke; trying again (${tries}) ...`);
  let failure = null;
  try {
    for await (const frame of follow(id, { opened, signal, onBreak })) {
      if (frame.data === "[DONE]") break;
      begun.yes = true;
      onFrame(frame);
      failure = tell(frame, stage, onText) || failure;
    }
  } finally {
    begun.yes = true;
    await waiting.catch(() => {}); // what it cannot tell, the events have told
  }
  return ended(id, stage, failure, signal);
}

/** Show the end of a job by its row. */
export async function ended(id, stage, failure, signal) {
  const row = await job(id, signal);
  if (row.status === "completed") {
    if (row.result) stage.result(row.result);
    stage.jobFacts(row);
    return row;
  }
  if (row.status === "queued" || row.status === "running") {
    throw failure || new ApiError("The stream ended before the job did; reload to go on.", { code: "stream-interrupted", requestId: row.requestId });
  }
  stage.jobFacts(row);
  const error = row.error || { code: "inference-failed", message: "The job ended without a result." };
  stage.fail(new ApiError(error.message, { code: error.code, requestId: row.requestId, body: error }), row.status);
  return row;
}

async function showPlace(id, stage, begun, signal) {
  while (!begun.yes) {
    const row = await job(id, signal);
    if (begun.yes) return;
    if (row.status === "queued") stage.queued(row);
    else if (row.status === "running") stage.running(row.progress || null);
    else return;
    await pause(POLL_MS, signal);
  }
}

/** Show one event; return the error that it tells of, if it does. */
function tell(frame, stage, onText) {
  const body = JSON.parse(frame.data);
  if (frame.event === "restarted") {
    stage.restart();
    stage.running();
  } else if (frame.event === "job.progress") {
    stage.running(body.progress);
  } else if (frame.event === "job.running") {
    stage.running(body.progress || null);
  } else if (body.error && !frame.event.startsWith("job.")) {
    return new ApiError(body.error.message, { code: body.error.type });
  } else if (body.choices) {
    if (stage.state !== "running") stage.running();
    for (const choice of body.choices) tellChoice(choice, stage, onText);
  }
  return null;
}

function tellChoice(choice, stage, onText) {
  const text = choice.delta?.content ?? choice.text;
  if (text) {
    onText();
    stage.text(choice.index, text);
  }
  for (const call of choice.delta?.tool_calls || []) {
    onText();
    stage.call(choice.index, call.index, call.function?.name, call.function?.arguments || "");
  }
}
