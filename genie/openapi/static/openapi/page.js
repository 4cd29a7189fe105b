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
});
