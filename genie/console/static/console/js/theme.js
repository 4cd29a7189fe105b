// Applies the chosen theme before anything is drawn, and lets the button of the frame change it.
// A classic script: a module would run too late and the page would flash.
(() => {
  const KEY = "genie-theme";
  const THEMES = ["auto", "light", "dark"];
  const root = document.documentElement;
  const read = () => {
    try {
      return localStorage.getItem(KEY) || "auto";
    } catch {
      return "auto"; // storage is closed to us: follow the system
    }
  };
  const apply = (theme) => {
    if (theme === "auto") root.removeAttribute("data-theme");
    else root.setAttribute("data-theme", theme);
  };
  apply(read());
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.querySelector("[data-theme-toggle]");
    if (!button) return;
    const name = () => button.setAttribute("aria-label", `Theme: ${read()}. Change it`);
    name();
    button.hidden = false;
    button.addEventListener("click", () => {
      const next = THEMES[(THEMES.indexOf(read()) + 1) % THEMES.length];
      try {
        localStorage.setItem(KEY, next);
      } catch {
        return;
      }
      apply(next);
      name();
    });
  });
})();
