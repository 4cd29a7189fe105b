// What every page does: times in the reader's zone, and buttons that copy.

import { all, copy, localizeTimes, one } from "./dom.js";

localizeTimes();
// A narrow window shows a part of a long bar: the one in which the present page stands.
for (const present of all("nav [aria-current='page']")) {
  const bar = present.closest("nav");
  const beyond = present.getBoundingClientRect().left - bar.getBoundingClientRect().left;
  bar.scrollLeft += beyond - (bar.clientWidth - present.offsetWidth) / 2;
}
document.addEventListener("htmx:load", (event) => localizeTimes(event.detail.elt));
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy-from]");
  if (button) copy(button, one(button.dataset.copyFrom).textContent);
  // An open question closes when the person turns elsewhere.
  for (const open of all("details.confirm[open]")) if (!open.contains(event.target)) open.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const open of all("details.confirm[open]")) {
    open.open = false;
    one("summary", open).focus();
  }
});
