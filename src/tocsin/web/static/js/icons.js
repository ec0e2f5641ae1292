/** Icons, drawn here so that nothing is loaded; 16 × 16, in the colour of the text. */

import { html } from "./preact.js";

const PATHS = {
  overview: "M2.5 2.5h4.5v4.5h-4.5zM9 2.5h4.5v4.5H9zM2.5 9h4.5v4.5h-4.5zM9 9h4.5v4.5H9z",
  training: "M2 2v12h12M4.5 4.5c1 5 3 6.5 9 7",
  storage:
    "M13.5 4c0 1.1-2.5 2-5.5 2s-5.5-.9-5.5-2 2.5-2 5.5-2 5.5.9 5.5 2zM2.5 4v8c0 1.1 2.5 2 5.5 2s5.5-.9 5.5-2v-8M2.5 8c0 1.1 2.5 2 5.5 2s5.5-.9 5.5-2",
  alerts: "M8 2.5a3.5 3.5 0 0 0-3.5 3.5v3L3 11.5h10L11.5 9V6A3.5 3.5 0 0 0 8 2.5zM6.7 13.5a1.4 1.4 0 0 0 2.6 0",
  incidents: "M3.5 14V2.5h8l-1.5 3 1.5 3h-8",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  refresh: "M13.5 8a5.5 5.5 0 1 1-1.7-4M12 1.5V4.2H9.3",
  search: "M11.5 11.5L14 14M12.5 7.3a5.2 5.2 0 1 1-10.4 0 5.2 5.2 0 0 1 10.4 0z",
  theme: "M8 2a6 6 0 1 0 0 12zM8 2a6 6 0 0 1 0 12",
  help: "M5.8 6a2.2 2.2 0 1 1 3.2 2c-.7.4-1 .8-1 1.5M8 12v.2",
  down: "M4 6l4 4 4-4",
  ok: "M3 8.5l3.5 3.5L13 4.5",
  info: "M8 7v5M8 4v.2",
  warning: "M8 2L14.5 13.5h-13zM8 6.5v3M8 11.5v.2",
  critical: "M5.3 1.8h5.4l3.5 3.5v5.4l-3.5 3.5H5.3l-3.5-3.5V5.3zM8 4.8v4M8 11v.2",
  running: "M4.5 3l8 5-8 5z",
  complete: "M3 8.5l3.5 3.5L13 4.5",
  failed: "M4 4l8 8M12 4l-8 8",
  silent: "M8 2L14.5 13.5h-13zM8 6.5v3M8 11.5v.2",
  idle: "M5.5 3.5v9M10.5 3.5v9",
  firing: "M8 2.5a3.5 3.5 0 0 0-3.5 3.5v3L3 11.5h10L11.5 9V6A3.5 3.5 0 0 0 8 2.5zM6.7 13.5a1.4 1.4 0 0 0 2.6 0",
  pending: "M4 2h8M4 14h8M5 2c0 4 6 4 6 12M11 2c0 4-6 4-6 12",
  silenced: "M4.5 9V6A3.5 3.5 0 0 1 10 3.2M11.5 6.5V9l1.5 2.5H5M6.7 13.5a1.4 1.4 0 0 0 2.6 0M2.5 2.5l11 11",
  inhibited: "M2.5 8a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0-11 0M4.2 4.2l7.6 7.6",
  muted: "M13 9.5A5.5 5.5 0 0 1 6.5 3a5.5 5.5 0 1 0 6.5 6.5z",
  alive: "M1.5 8h3l2-4.5 3 9 2-4.5h3",
  open: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11",
  acknowledged: "M2.8 14c.4-3 2.4-4.5 5.2-4.5s4.8 1.5 5.2 4.5M8 7.5a2.7 2.7 0 1 0 0-5.4a2.7 2.7 0 1 0 0 5.4",
  resolved: "M3 8.5l3.5 3.5L13 4.5",
  up: "M8 13.5V3M4 7l4-4 4 4",
  sent: "M14 2L2 7l5 2 2 5zM14 2L7 9",
  unsent: "M14 2L2 7l5 2 2 5zM14 2L7 9M2 2l3 3M5 2L2 5",
  note: "M2.5 2.5h11v8h-6l-3 3v-3h-2z",
  action: "M9 1.5L3.5 9H8l-1 5.5L12.5 7H8z",
  merged: "M4 2v3c0 3 4 3 4 6v3M12 2v3c0 3-4 3-4 6",
  flapping: "M2 10l3-5 3 5 3-5 3 5",
  reopened: "M2.5 8a5.5 5.5 0 1 0 1.7-4M4 1.5V4.2H6.7",
  chevron: "M6 4l4 4-4 4",
  earlier: "M10 4L6 8l4 4",
  close: "M4 4l8 8M12 4l-8 8",
  plus: "M8 3v10M3 8h10",
};

/** @param {{name: string}} props */
export function Icon({ name }) {
  return html`<svg class="glyph glyph-${name}" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
    <path d=${PATHS[name] ?? PATHS.info} /></svg>`;
}

/**
 * A button that shows an icon alone.
 * @param {{name: string, label: string, title?: string, id?: string, onClick: () => void}} props
 */
export function IconButton({ name, label, title = label, id, onClick }) {
  return html`<button class="icon" id=${id} title=${title} aria-label=${label} onClick=${onClick}>
    <${Icon} name=${name} /></button>`;
}
