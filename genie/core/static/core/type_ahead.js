// Offers names for what has been typed into a field: those that the admin's autocomplete finds.
"use strict";
{
  const WAIT_MS = 200; // until somebody has stopped typing
  let waiting;

  async function offer(field) {
    const typed = field.value;
    const address = new URL(field.dataset.typeAhead, location.href);
    address.searchParams.set("term", typed);
    const answer = await fetch(address);
    if (!answer.ok || field.value !== typed) return; // the field takes a name without an offer too
    const { results } = await answer.json();
    field.list.replaceChildren(...results.map((one) => new Option(one.text, one.text)));
  }

  document.addEventListener("input", ({ target }) => {
    if (!target.dataset.typeAhead) return;
    clearTimeout(waiting);
    waiting = setTimeout(() => offer(target), WAIT_MS);
  });
}
