// The form into which a key is pasted; tells its page once there is one.

import { identity } from "./api.js";
import { one } from "./dom.js";

const KEY = /^sk-genie-[a-z0-9-]{1,48}-[0-9A-Za-z]{24}$/;

/** Call `onKey` when a well-formed key has been pasted; the API decides whether it counts. */
export function onKeyPasted(onKey) {
  one("[data-key-form]").addEventListener("submit", (event) => {
    event.preventDefault();
    const input = one("#pasted-key");
    const key = input.value.trim();
    const wellFormed = KEY.test(key);
    one("[data-key-problem]").textContent = wellFormed ? "" : "This is no key: one begins with sk-genie- and ends with 24 letters and digits.";
    input.setAttribute("aria-invalid", String(!wellFormed));
    if (!wellFormed) return;
    identity.use(key);
    input.value = "";
    onKey();
  });
}
