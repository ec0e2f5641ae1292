/** The list of incidents, and how a month went. */

import { html } from "./preact.js";
import { Severity, Since } from "./alertrow.js";
import { Icon, IconButton } from "./icons.js";
import { LOOKS, acknowledgedText, laterMonth, lengthOf, levelOf, monthOf, monthText } from "./incidents.js";
import { formatDuration } from "./time.js";
import { change, linkTo } from "./url.js";

const STATUSES = ["open", "acknowledged", "resolved"];

/** A status as icon and word. @param {{status: string}} props */
export const Status = ({ status }) =>
  html`<span class="state is-${LOOKS[status].level}"><${Icon} name=${LOOKS[status].icon} /> ${status}</span>`;

/** Which statuses are shown. @param {{chosen: string}} props */
export function StatusFilter({ chosen }) {
  const choices = [["", "all"], ...STATUSES.map((status) => [status, status])];
  return html`<div class="segmented" role="group" aria-label="Status">${choices.map(
    ([value, text]) => html`<button key=${value} aria-pressed=${String(value === chosen)}
      onClick=${() => change({ status: value || null })}>${text}</button>`,
  )}</div>`;
}

/** @param {{incidents: object[], now: number}} props */
export function IncidentList({ incidents, now }) {
  return html`<ul class="items" aria-label="Incidents">${incidents.map(
    (incident) => html`<${Line} key=${incident.id} incident=${incident} now=${now} />`,
  )}</ul>`;
}

function Line({ incident, now }) {
  const { id, title, status, severity, opened, level, alerts, firing } = incident;
  const isOver = status === "resolved";
  return html`<li class="item ${isOver ? "is-muted" : `is-${levelOf(incident)}`}" data-incident=${id}>
    <a class="item-line incident-line" ...${linkTo("/incidents", { id })}>
      <${Severity} level=${levelOf(incident)} word=${severity || "none"} />
      <${Status} status=${status} />
      <span class="summary"><span class="muted">#${id}</span> <strong>${title}</strong></span>
      <span class="muted">${[
        acknowledgedText(incident) && `by ${acknowledgedText(incident)}`,
        level > 0 && `level ${level} told`,
        alertsText(firing, alerts.length),
      ]
        .filter(Boolean)
        .join(" · ")}</span>
      ${isOver ? html`<span class="muted">took ${formatDuration(lengthOf(incident, now))}</span>` : html`<${Since} ms=${opened * 1000} now=${now} />`}
      <${Icon} name="chevron" />
    </a></li>`;
}

/** @param {number} firing @param {number} all @returns {string} 2 of 5 alerts fire */
export function alertsText(firing, all) {
  if (firing === 0) return `${all} ${all === 1 ? "alert" : "alerts"}, over`;
  return `${firing} of ${all} ${all === 1 ? "alert fires" : "alerts fire"}`;
}

/**
 * The figures of a month, which can be exchanged for those of another.
 * @param {{summary: object|null, month: string, now: number}} props
 */
export function Month({ summary, month, now }) {
  const move = (count) => {
    const wanted = laterMonth(month, count);
    change({ month: wanted === monthOf(now) ? null : wanted });
  };
  return html`<section class="group month" aria-label="Month">
    <h2><${IconButton} name="earlier" label="Month before" onClick=${() => move(-1)} /> ${monthText(month)}
      ${month < monthOf(now) && html`<${IconButton} name="chevron" label="Month after" onClick=${() => move(1)} />`}</h2>
    <dl class="figures">${figuresOf(summary).map(
      ([name, value, note]) => html`<div key=${name} data-figure=${name}>
      <dt>${name}</dt><dd class="value">${value}</dd><dd class="muted">${note}</dd></div>`,
    )}</dl></section>`;
}

function figuresOf(summary) {
  const { incidents, bySeverity = {}, resolved, reopened, medianTimeToAcknowledge, medianTimeToResolve } = summary ?? {};
  const severities = Object.entries(bySeverity).map(([severity, count]) => `${count} ${severity || "without severity"}`);
  return [
    ["Incidents", incidents ?? "–", severities.join(", ")],
    ["Until acknowledged", timeText(medianTimeToAcknowledge), "median"],
    ["Until resolved", timeText(medianTimeToResolve), "median"],
    ["Resolved", resolved ?? "–", reopened > 0 ? `opened again ${reopened} ${reopened === 1 ? "time" : "times"}` : ""],
  ];
}

const timeText = (seconds) => (seconds === null || seconds === undefined ? "–" : formatDuration(seconds * 1000));
