// Reads server-sent events from an answer, and goes on where a connection broke.

import { ApiError, call } from "./api.js";

const TRIES = 8;
const LONGEST_PAUSE_MS = 8000;

/** Yield the events of an answer as {id, event, data}; comments are dropped. */
export async function* frames(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const frame = parse(block);
        if (frame) yield frame;
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // it may have ended by itself
  }
}

function parse(block) {
  const frame = { id: "", event: "", data: null };
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const value = line.slice(colon + 1).replace(/^ /, "");
    const name = line.slice(0, colon);
    if (name === "data") frame.data = frame.data === null ? value : `${frame.data}\n${value}`;
    else if (name in frame) frame[name] = value;
  }
  return frame.data === null ? null : frame;
}

/**
 * Yield the events of a job to its end, from any of our processes, each once.
 * `opened` is an answer that already streams; the events' own route is asked from where it breaks.
 */
export async function* follow(jobId, { opened = null, signal, onBreak = () => {} } = {}) {
  let last = "";
  let failures = 0;
  for (;;) {
    try {
      const response = opened || (await events(jobId, last, signal));
      opened = null;
      for await (const frame of frames(response)) {
        failures = 0;
        yield frame;
        if (frame.data === "[DONE]") return;
        if (frame.id) last = frame.id;
      }
    } catch (error) {
      if (error.name === "AbortError" || (error instanceof ApiError && error.status && error.status < 500)) throw error;
    }
    failures += 1;
    if (!jobId || failures > TRIES)
      throw new ApiError("The connection broke and could not be taken up again. The job may still run: open its page.", {
        code: "stream-interrupted",
      });
    onBreak(failures);
    await pause(Math.min(LONGEST_PAUSE_MS, 250 * 2 ** failures), signal);
  }
}

function events(jobId, last, signal) {
  const headers = last ? { "Last-Event-ID": last } : {};
  return call(`/v1/jobs/${encodeURIComponent(jobId)}/events`, { headers, signal });
}

/** Wait, unless it is called off. */
export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("Stopped", "AbortError"));
    });
  });
}
