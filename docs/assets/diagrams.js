"use strict";

// Draws diagrams in Mermaid's classic look: the site's colors, light and dark, are for that. Its present
// look has colors of its own, in which labels cannot be read in dark; and the site forgets one label.
{
  const LABEL = ".sectionTitle, .sectionTitle > tspan { fill: var(--md-mermaid-sequence-loop-fg-color); }";
  const initialize = mermaid.initialize;
  mermaid.initialize = (config) => initialize({ ...config, look: "classic", theme: "default", themeCSS: `${config.themeCSS}${LABEL}` });
}
