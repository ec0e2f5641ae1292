/** Who acts: a name that is typed once and kept in the browser. */

import { html } from "./preact.js";

const KEY = "tocsin-name";

/** @returns {string} the name that was last used here, or nothing */
export function knownName() {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

/** @param {string} name */
export function keepName(name) {
  try {
    localStorage.setItem(KEY, name);
  } catch {
    // Storage is blocked: the name is typed again next time.
  }
}

/** @param {{name: string, onName: (name: string) => void}} props */
export const NameField = ({ name, onName }) =>
  html`<label class="labelled">Your name
    <input name="by" required maxlength="80" autocomplete="name" value=${name}
      onInput=${(event) => onName(event.target.value)} /></label>`;
