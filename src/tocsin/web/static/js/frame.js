/** What surrounds every page: rail, top bar, disconnected bar. */

import { html } from "./preact.js";
import { useLostAt } from "./connection.js";
import { notify } from "./copy.js";
import { Icon, IconButton } from "./icons.js";
import { formatClock } from "./time.js";
import { RefreshPicker, TimePicker } from "./timepicker.js";
import { linkTo } from "./url.js";

/**
 * The rail with the pages that exist and the number of things wrong behind each.
 * @param {{dashboards: object[], path: string, counts: Record<string, number>}} props
 */
export function Rail({ dashboards, path, counts }) {
  return html`<nav class="rail" aria-label="Pages">
    <span class="logo" aria-hidden="true"><${Bell} /></span>
    ${dashboards.map(
      ({ name, title, path: target }) => html`<a key=${name} ...${linkTo(target)}
      aria-current=${path === target ? "page" : undefined}>
      <${Icon} name=${name} /><span>${title}</span>
      ${counts[name] > 0 && html`<b class="badge" aria-label="${counts[name]} ${name === "incidents" ? "open" : "firing"}">${counts[name]}</b>`}</a>`,
    )}
  </nav>`;
}

const Bell = () =>
  html`<svg viewBox="0 0 32 32" width="26" height="26">
    <path d="M16 6a7 7 0 0 0-7 7v5l-2.5 4h19L23 18v-5a7 7 0 0 0-7-7zM13.5 25.5a2.6 2.6 0 0 0 5 0" /></svg>`;

/**
 * @param {object} props
 * @param {string} props.title of the page
 * @param {unknown} props.subject what is looked at: a machine, a run
 * @param {Record<string, string>} props.params
 * @param {string} props.rangeFallback
 * @param {import("./time.js").Range} props.range
 * @param {string} props.refresh
 * @param {() => void} props.onRefresh
 * @param {() => void} props.onSearch
 * @param {() => void} props.onHelp
 */
export function TopBar({ title, subject, params, rangeFallback, range, refresh, onRefresh, onSearch, onHelp }) {
  return html`<header class="topbar">
    <h1>${title}</h1>
    ${subject && html`<span class="crumb" aria-hidden="true">▸</span><div class="subject">${subject}</div>`}
    <span class="spring"></span>
    <${TimePicker} params=${params} fallback=${rangeFallback} range=${range} />
    <${RefreshPicker} refresh=${refresh} />
    <${IconButton} id="refresh-now" name="refresh" label="Refresh now" title="Refresh now (r)" onClick=${onRefresh} />
    <${IconButton} id="search" name="search" label="Search" title="Search (/ or Ctrl K)" onClick=${onSearch} />
    <${ThemeButton} />
    <${IconButton} id="help" name="help" label="Keys" title="Keys (?)" onClick=${onHelp} />
  </header>`;
}

/** The theme itself is kept by first-paint.js. */
function ThemeButton() {
  const { choice, next } = window.tocsinTheme;
  const onClick = () => {
    next();
    notify(`Theme: ${choice()}`);
  };
  return html`<${IconButton} id="theme" name="theme" label="Theme: ${choice()}" onClick=${onClick} />`;
}

/** The thin bar that says that the server is away; it goes by itself. */
export function DisconnectedBar() {
  const lostAt = useLostAt();
  if (lostAt === null) return null;
  return html`<div class="disconnected" role="alert">Not connected: tocsin at ${location.host} does not answer
    since ${formatClock(lostAt)}. Trying again every 2 s.</div>`;
}
