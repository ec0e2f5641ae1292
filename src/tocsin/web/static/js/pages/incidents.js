/** Incidents: which are open, who acts, and what happened in each. */

import { html, useMemo } from "../preact.js";
import { incident as readIncident, incidents as readIncidents, monthSummary, noise as readNoise } from "../desk.js";
import { Failed } from "../empty.js";
import { TopBar } from "../frame.js";
import { Icon } from "../icons.js";
import { IncidentActions } from "../incidentactions.js";
import { IncidentList, Month, StatusFilter } from "../incidentlist.js";
import { monthOf } from "../incidents.js";
import { IncidentAlerts, IncidentStrip, Next, Timeline } from "../incidentview.js";
import { NOISE_DAYS, Noise } from "../noise.js";
import { StaleNote } from "../panel.js";
import { useResource } from "../resource.js";
import { Sections } from "../sections.js";
import { resolveRange } from "../time.js";
import { linkTo } from "../url.js";

const FALLBACK_RANGE = "7d";
const ACTIVE = ["open", "acknowledged"];

/** @param {{app: import("../app.js").App}} props */
export function Incidents({ app }) {
  const { dashboard, now, params, bar } = app;
  const range = useMemo(() => resolveRange(params, now, FALLBACK_RANGE), [params, now]);
  const { id } = params;
  return html`
    <${TopBar} ...${bar} title=${dashboard.title} range=${range} rangeFallback=${FALLBACK_RANGE}
      subject=${id && html`<strong>#${id}</strong>`} />
    <main>${id ? html`<${One} key=${id} app=${app} id=${id} />` : html`<${All} app=${app} range=${range} />`}</main>`;
}

function All({ app, range }) {
  const { now, params, bar } = app;
  const status = params.status ?? "";
  const month = /^\d{4}-(0[1-9]|1[0-2])$/.test(params.month) ? params.month : monthOf(now);
  const list = useResource((signal) => readIncidents(status ? [status] : [], signal), `list ${status}`, [now]);
  const summary = useResource((signal) => monthSummary(month, signal), month, [now]);
  const noise = useResource((signal) => readNoise(NOISE_DAYS, signal), "noise", [now]);
  const { data, error, at } = list;
  return html`<div class="alerting ${data !== null && error ? "is-stale" : ""}">
      ${data !== null && error && html`<${StaleNote} at=${at} error=${error} onRetry=${bar.onRefresh} />`}
      <div class="toolbar"><${StatusFilter} chosen=${status} /></div>
      ${data === null && error && html`<${Failed} what="The list of incidents" error=${error} onRetry=${bar.onRefresh} />`}
      ${data === null && !error && html`<${Loading} />`}
      ${data?.length === 0 && html`<p class="muted none">${status ? `No incident is ${status}.` : NONE}</p>`}
      ${data?.length > 0 && html`<${IncidentList} incidents=${activeFirst(data)} now=${now} />`}
    </div>
    ${summary.error && html`<p class="problem" role="alert">The figures of the month could not be read: ${summary.error.message}</p>`}
    <${Month} summary=${summary.data} month=${month} now=${now} />
    ${noise.error && html`<p class="problem" role="alert">Who was told how often could not be read: ${noise.error.message}</p>`}
    <${Noise} noise=${noise.data} />
    <${Sections} app=${app} range=${range} />`;
}

const activeFirst = (incidents) => {
  const isOver = ({ status }) => status === "resolved";
  return [...incidents].sort((a, b) => isOver(a) - isOver(b));
};

const NONE = "Nothing has happened: alerts that fire open an incident, which is kept for 90 days.";

const Loading = () => html`<div class="store is-loading"><div class="skeleton" role="status" aria-label="loading"></div></div>`;

function One({ app, id }) {
  const { now, bar } = app;
  const one = useResource((signal) => readIncident(id, signal), id, [now]);
  const active = useResource((signal) => readIncidents(ACTIVE, signal), "active", [now]);
  const { data, error, at } = one;
  const back = html`<p class="back"><a class="link" ...${linkTo("/incidents")}><${Icon} name="earlier" /> All incidents</a></p>`;
  if (data === null) {
    return html`${back}${error ? html`<${Failed} what="Incident ${id}" error=${error} onRetry=${bar.onRefresh} />` : html`<${Loading} />`}`;
  }
  const others = (active.data ?? []).filter((each) => each.id !== data.id);
  return html`${back}<div class="alerting ${error ? "is-stale" : ""}">
    ${error && html`<${StaleNote} at=${at} error=${error} onRetry=${bar.onRefresh} />`}
    <h2 class="incident-title">${data.title}</h2>
    ${String(data.id) !== id && html`<p class="muted">Incident ${id} was merged into this one, ${data.id}.</p>`}
    <${IncidentStrip} incident=${data} now=${now} />
    <div class="incident">
      <div><${Timeline} timeline=${data.timeline} /></div>
      <div><${IncidentActions} incident=${data} others=${others} onDone=${bar.onRefresh} />
        <${Next} incident=${data} now=${now} /><${IncidentAlerts} incident=${data} now=${now} /></div>
    </div>
  </div>`;
}
