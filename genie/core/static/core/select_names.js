"use strict";

// Names the fields that select2 draws: it has them named by what is chosen, which is nothing at first.
// It draws them when it comes to it, and again for each row that is added to a form.
new MutationObserver((changes) => {
  for (const change of changes) {
    for (const added of change.addedNodes) if (added.classList?.contains("select2-container")) name(added);
  }
}).observe(document.body, { childList: true, subtree: true });

function name(container) {
  const select = container.previousElementSibling;
  const label = select?.labels?.[0];
  const drawn = container.querySelector(".select2-selection");
  const chosen = container.querySelector(".select2-selection__rendered");
  if (!label || !drawn || !chosen) return;
  label.id ||= `${select.id}_label`;
  chosen.setAttribute("aria-labelledby", label.id);
  drawn.setAttribute("aria-labelledby", `${label.id} ${chosen.id}`);
}
