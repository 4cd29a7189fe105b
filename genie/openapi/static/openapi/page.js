"use strict";

// Everything comes from this origin: the page's policy allows nothing else, and no inline script.
const place = document.getElementById("api");

window.ui = SwaggerUIBundle({
  domNode: place,
  url: place.dataset.document,
  deepLinking: true,
  docExpansion: "none", // some hundred operations: their tags first
  defaultModelsExpandDepth: -1,
  filter: true,
  tryItOutEnabled: false,
  persistAuthorization: false, // a key must not stay behind in the browser
  validatorUrl: null, // would send the document to somebody else
  onComplete: mend,
});

// For whoever hears the page: what stands above the operations is a place with a name, the list of servers
// has one too, and the groups are the level below the title.
function mend() {
  name(".information-container", "About");
  name(".scheme-container", "Server and key");
  name(".filter-container", "Filter");
  place.querySelector("#servers")?.setAttribute("aria-label", "Server");
  for (const tag of place.querySelectorAll("h3.opblock-tag")) tag.setAttribute("aria-level", "2");
}

function name(part, label) {
  const found = place.querySelector(part);
  found?.setAttribute("role", "region");
  found?.setAttribute("aria-label", label);
}
