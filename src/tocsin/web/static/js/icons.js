/** Icons, drawn here so that nothing is loaded; 16 × 16, in the colour of the text. */

import { html } from "./preact.js";

const PATHS = {
  overview: "M2.5 2.5h4.5v4.5h-4.5zM9 2.5h4.5v4.5H9zM2.5 9h4.5v4.5h-4.5zM9 9h4.5v4.5H9z",
  training: "M2 2v12h12M4.5 4.5c1 5 3 6.5 9 7",
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
