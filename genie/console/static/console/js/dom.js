// Small helpers. Text is always set as text, never as markup.

export const one = (selector, root = document) => root.querySelector(selector);
export const all = (selector, root = document) => [...root.querySelectorAll(selector)];

/** Return a new element with attributes and children; a string child is text. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Copy text, and say so on the button for a moment. */
export async function copy(button, text) {
  const before = button.textContent;
  let said = "Copied";
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    said = copyTheOldWay(text) ? "Copied" : "Copy failed; select it by hand";
  }
  button.textContent = said;
  setTimeout(() => (button.textContent = before), 1600);
}

// The clipboard is closed to pages over plain http, such as an address of the local network.
function copyTheOldWay(text) {
  const area = make("textarea", { class: "visually-hidden", "aria-hidden": "true", tabindex: "-1" });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

/** Say moments in the reader's own time zone; without a script they stand in UTC. */
export function localizeTimes(root = document) {
  for (const time of all("time[datetime]", root)) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    time.title = time.dateTime;
    time.textContent = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
  }
}

/** Return a duration of milliseconds for people. */
export function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** Return an amount of credits for people, without an exponent. */
export function credits(amount) {
  const text = Number(amount).toFixed(6).replace(/\.?0+$/, "");
  return `${text} ${text === "1" ? "credit" : "credits"}`;
}

/** Return an id that fits a narrow place: its kind, and the end that tells it from its neighbours. */
export function shortId(id) {
  const [kind, rest] = id.split("-");
  return rest ? `${kind}-…${rest.slice(-6)}` : `…${id.slice(-6)}`;
}
