/** One incident: how it stands, what can be done, what happened, and its alerts. */

import { html } from "./preact.js";
import { Chips, Severity, Since } from "./alertrow.js";
import { severityOf } from "./alerts.js";
import { Icon } from "./icons.js";
import { Status, alertsText } from "./incidentlist.js";
import { ENTRY_LOOKS, acknowledgedText, lengthOf, levelOf, nextText } from "./incidents.js";
import { formatClock, formatDay, formatDuration, formatMoment } from "./time.js";

const IN_THE_LINE = new Set(["alertname", "severity"]);

/** @param {{incident: object, now: number}} props */
export function IncidentStrip({ incident, now }) {
  const { status, severity, opened, firing, alerts, reopened, level, levels } = incident;
  const by = acknowledgedText(incident);
  return html`<div class="strip" role="status" aria-label="Status of the incident">
    <${Status} status=${status} />
    <${Severity} level=${levelOf(incident)} word=${severity || "none"} />
    ${by && html`<span>by ${by}</span>`}
    <span title=${formatMoment(opened * 1000)}>${status === "resolved" ? "took" : "for"} ${formatDuration(lengthOf(incident, now))}</span>
    <span>${alertsText(firing, alerts.length)}</span>
    ${level > 0 && html`<span class="is-warning">level ${level} of ${levels.length} told</span>`}
    ${reopened > 0 && html`<span class="muted">opened again ${reopened} ${reopened === 1 ? "time" : "times"}</span>`}
  </div>`;
}

/** What comes when nobody acts. @param {{incident: object, now: number}} props */
export function Next({ incident, now }) {
  const { levels, level, escalation } = incident;
  return html`<section class="group" aria-label="Escalation">
    <h2>Escalation <span class="muted">${escalation}</span></h2>
    <p class="next">${nextText(incident, now)}</p>
    ${
      levels.length > 0 &&
      html`<ol class="levels">${levels.map(
        ({ after, to }, index) => html`<li key=${index} class=${index < level ? "is-told" : "muted"}>
        <${Icon} name=${index < level ? "ok" : "up"} /> Level ${index + 1}: ${to.join(", ")} <span
        class="muted">${index < level ? "told" : `after ${formatDuration(after * 1000)}`}</span></li>`,
      )}</ol>`
    }
  </section>`;
}

/** Its alerts, those that fire first. @param {{incident: object, now: number}} props */
export function IncidentAlerts({ incident: { alerts }, now }) {
  const sorted = [...alerts].sort((a, b) => (a.ends !== null) - (b.ends !== null) || b.starts - a.starts);
  return html`<section class="group" aria-label="Alerts">
    <h2>Alerts <span class="muted">${alerts.length}</span></h2>
    <ul class="items">${sorted.map((alert) => html`<${AlertOf} key=${JSON.stringify(alert.labels)} alert=${alert} now=${now} />`)}</ul>
  </section>`;
}

function AlertOf({ alert: { labels, annotations, starts, ends }, now }) {
  const isOver = ends !== null;
  const level = severityOf(labels.severity);
  return html`<li class="item ${isOver ? "is-muted" : `is-${level}`}" data-state=${isOver ? "over" : "firing"}>
    <div class="item-line alert-of">
      <span class="state">${isOver ? html`<${Icon} name="ok" /> over` : html`<${Icon} name="firing" /> firing`}</span>
      <strong>${labels.alertname ?? "without a name"}</strong>
      ${isOver ? html`<span class="muted">lasted ${formatDuration((ends - starts) * 1000)}</span>` : html`<${Since} ms=${starts * 1000} now=${now} />`}
      <span class="summary">${annotations.summary ?? ""}</span>
      <${Chips} labels=${labels} hidden=${IN_THE_LINE} />
    </div></li>`;
}

/** What happened, the newest last. @param {{timeline: object[]}} props */
export function Timeline({ timeline }) {
  return html`<section class="group" aria-label="Timeline">
    <h2>Timeline <span class="muted">${timeline.length}</span></h2>
    <ol class="timeline">${timeline.map((entry, index) => html`<${Entry} key=${index} entry=${entry} before=${timeline[index - 1]} />`)}</ol>
  </section>`;
}

function Entry({ entry: { at, kind, who, text }, before }) {
  const { icon, level } = ENTRY_LOOKS[kind] ?? { icon: "info", level: "muted" };
  const day = formatDay(at * 1000);
  const isNewDay = !before || formatDay(before.at * 1000) !== day;
  return html`<li class="entry" data-kind=${kind}>
    ${isNewDay && html`<span class="day muted">${day}</span>`}
    <time datetime=${new Date(at * 1000).toISOString()}>${formatClock(at * 1000)}</time>
    <span class="is-${level}"><${Icon} name=${icon} /></span>
    <span class="happened"><span class="kind">${kind}</span>${who && html` <strong>${who}</strong>`}${text && html` <span class="text">${text}</span>`}</span>
  </li>`;
}
