/** The list of keys. */

import { html } from "./preact.js";
import { Dialog } from "./dialog.js";

const KEYS = [
  [["t"], "choose the time range"],
  [["r"], "refresh now"],
  [["/", "Ctrl K", "⌘ K"], "search pages, runs, metrics, alerts"],
  [["?"], "this list"],
  [["Esc"], "close"],
];

/** @param {{dashboards: object[], onClose: () => void}} props */
export function Help({ dashboards, onClose }) {
  const pages = dashboards.map(({ name, title }) => [[`g ${name[0]}`], `go to ${title}`]);
  return html`<${Dialog} label="Keys" className="help" onClose=${onClose}>
    <h2>Keys</h2>
    <dl>${[...KEYS, ...pages].map(
      ([keys, does]) => html`<div>
      <dt>${keys.map((key) => html`<kbd>${key}</kbd>`)}</dt><dd>${does}</dd></div>`,
    )}</dl>
    <p class="muted">Drag across a chart to zoom in, double click to go back. A click in a legend shows one series
      alone; a second click shows all.</p>
    <button onClick=${onClose}>Close</button>
  </${Dialog}>`;
}
