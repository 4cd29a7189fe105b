// Shows what a job has made: text, tool calls, pictures, videos, sound, vectors, ranks, or its JSON.

import { duration, make } from "./dom.js";

/** Return the elements that show a result. */
export function shown(result) {
  const parts = [];
  if (result.model_substituted) parts.push(note(`This organization is served ${result.model_substituted} instead.`));
  if (result.choices) parts.push(...result.choices.map(choice));
  else if (result.output) parts.push(...result.output.map(outputItem));
  else if (result.object === "rerank") parts.push(ranking(result));
  else if (result.data?.[0]?.embedding) parts.push(vectors(result));
  else if (result.data) parts.push(pictures(result.data));
  else if (result.url && isSound(result)) parts.push(sound(result.url));
  else if (result.url) parts.push(video(result));
  else if (typeof result.text === "string") parts.push(answer(result.text || "(nothing was heard)"));
  else parts.push(json(result));
  return parts;
}

/** Return a place for text that grows. */
export function answer(text = "") {
  return make("div", { class: "answer" }, text);
}

/** Return a tool call. */
export function toolCall(name, text) {
  return make("div", { class: "tool-call stack" }, make("strong", {}, `Calls ${name}`), make("pre", {}, pretty(text)));
}

/** Return sound that can be played, from an address. */
export function sound(url, name = "") {
  const from = local(url);
  return make("figure", {}, make("audio", { controls: true, src: from, "aria-label": "What was spoken" }), links(from, name || fileName(from)));
}

/** Return JSON, indented. */
export function json(value) {
  return make("pre", { class: "small", tabindex: "0", "aria-label": "JSON" }, JSON.stringify(value, null, 2));
}

function choice(one) {
  const calls = one.message?.tool_calls || [];
  const text = one.message?.content ?? one.text ?? "";
  const parts = calls.map((call) => toolCall(call.function.name, call.function.arguments));
  if (text || !calls.length) parts.unshift(answer(text || "(the answer is empty)"));
  return make("div", { class: "stack" }, ...parts);
}

function outputItem(item) {
  if (item.type === "function_call") return toolCall(item.name, item.arguments);
  return answer((item.content || []).map((part) => part.text || "").join(""));
}

function pictures(data) {
  const figures = data.map((one, index) => {
    const from = one.url ? local(one.url) : `data:image/png;base64,${one.b64_json}`;
    const name = one.url ? fileName(from) : `picture-${index + 1}.png`;
    return make("figure", {}, make("img", { src: from, alt: `Picture ${index + 1} of ${data.length}` }), links(from, name));
  });
  return make("div", { class: "gallery" }, ...figures);
}

function video(result) {
  const from = local(result.url);
  const player = make("video", { controls: true, loop: true, playsinline: true, src: from, "aria-label": "The video" });
  const length = result.duration_ms ? make("span", {}, duration(result.duration_ms)) : "";
  const figure = make("figure", {}, player, links(from, fileName(from)));
  figure.lastChild.append(length);
  return figure;
}

function vectors(result) {
  const first = result.data[0].embedding;
  const count = result.data.length;
  const text = Array.isArray(first)
    ? `${count} ${count === 1 ? "vector" : "vectors"} of ${first.length} dimensions. The first begins ${first
        .slice(0, 4)
        .map((value) => value.toFixed(4))
        .join(", ")} ...`
    : `${count} vectors in base64.`;
  const box = make("div", { class: "stack" }, make("p", {}, text));
  if (Array.isArray(first)) box.append(bars(first.slice(0, 96)));
  box.append(allNumbers(result));
  return box;
}

function allNumbers(result) {
  return make("details", { class: "disclosure" }, make("summary", {}, "All numbers"), json(result));
}

function ranking(result) {
  const heads = [["Rank"], ["Score", "amount"], ["Index", "amount"], ["Document"]];
  const rows = result.results.map((one, place) =>
    make(
      "tr",
      {},
      make("th", { scope: "row" }, String(place + 1)),
      make("td", { class: "amount" }, one.relevance_score.toFixed(4)),
      make("td", { class: "amount" }, String(one.index)),
      make("td", { class: "ranked" }, one.document?.text ?? "-"),
    ),
  );
  const table = make(
    "table",
    {},
    make("thead", {}, make("tr", {}, ...heads.map(([name, kind]) => make("th", { scope: "col", class: kind }, name)))),
    make("tbody", {}, ...rows),
  );
  const wrap = make("div", { class: "table-wrap", tabindex: "0", role: "group", "aria-label": "Documents by score" }, table);
  return make("div", { class: "stack" }, note("The best first; the index is a document's place in the request, from 0."), wrap, allNumbers(result));
}

const SVG = "http://www.w3.org/2000/svg";

function bars(values) {
  const svg = document.createElementNS(SVG, "svg");
  const most = Math.max(...values.map(Math.abs)) || 1;
  for (const [name, value] of [["viewBox", `0 0 ${values.length * 4} 40`], ["class", "bars"], ["preserveAspectRatio", "none"], ["aria-hidden", "true"]])
    svg.setAttribute(name, value);
  values.forEach((value, index) => {
    const bar = document.createElementNS(SVG, "rect");
    const height = (Math.abs(value) / most) * 20;
    const place = { x: index * 4, y: value > 0 ? 20 - height : 20, width: 3, height };
    for (const [name, number] of Object.entries(place)) bar.setAttribute(name, String(number));
    svg.append(bar);
  });
  return svg;
}

function note(text) {
  return make("p", { class: "hint" }, text);
}

function links(from, name) {
  return make("figcaption", { class: "media-links" }, make("a", { href: from, download: name }, "Download"), make("span", { class: "muted" }, name));
}

// Files are this server's own, under whatever name it is known by: the page's policy allows only its
// own origin, and the address in the result may have another spelling of it.
function local(url) {
  try {
    const parsed = new URL(url, location.href);
    if (parsed.protocol === "blob:") return url;
    return parsed.pathname.startsWith("/files/") ? parsed.pathname : parsed.href;
  } catch {
    return "";
  }
}

function fileName(url) {
  return url.split("/").pop() || "file";
}

function isSound(result) {
  return (result.content_type || "").startsWith("audio/");
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text; // cut by the token limit: as it is
  }
}
