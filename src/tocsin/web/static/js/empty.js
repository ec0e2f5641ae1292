/** What a page shows instead of panels: why it is empty and what fills it, or what failed. */

import { html } from "./preact.js";
import { copyText } from "./copy.js";
import { Icon, IconButton } from "./icons.js";

/**
 * @param {object} props
 * @param {string} props.sentence why there is nothing
 * @param {string[]} props.lines what to paste
 */
export function Empty({ sentence, lines }) {
  return html`<div class="empty-page"><p>${sentence}</p><${Paste} lines=${lines} /></div>`;
}

/** Lines to paste, with a button that copies them. @param {{lines: string[]}} props */
export function Paste({ lines }) {
  const text = lines.join("\n");
  return html`<div class="paste"><pre tabindex="0"><code>${text}</code></pre>
    <${IconButton} name="copy" label="Copy these lines" onClick=${() => copyText(text, "Lines")} /></div>`;
}

/**
 * @param {object} props
 * @param {string} props.what that could not be read
 * @param {Error} props.error
 * @param {() => void} props.onRetry
 */
export function Failed({ what, error, onRetry }) {
  return html`<div class="empty-page" role="alert">
    <p><${Icon} name="critical" /> ${what} could not be read.</p>
    <p class="sentence">${error.message}</p>
    <button onClick=${onRetry}>Retry</button>
  </div>`;
}
