/** Alerts: what fires and what does not, why, who is told, and what is kept quiet. */

import { html, useMemo, useState } from "../preact.js";
import { AlertFilter, STATES, filterOf, matchersIn } from "../alertfilter.js";
import { AlertRow } from "../alertrow.js";
import { isAnybodyTold, silences as readSilences } from "../desk.js";
import { Failed, Paste } from "../empty.js";
import { TopBar } from "../frame.js";
import { Icon } from "../icons.js";
import { matchersOf } from "../matchers.js";
import { StaleNote } from "../panel.js";
import { useResource } from "../resource.js";
import { Sections } from "../sections.js";
import { SilenceForm } from "../silenceform.js";
import { SilenceList, countsText } from "../silencelist.js";
import { draftFrom, draftOf } from "../silences.js";
import { resolveRange } from "../time.js";
import { change } from "../url.js";

const FALLBACK_RANGE = "6h";
const MOST_SHOWN = 100;
const TITLES = {
  firing: "Firing",
  pending: "Pending",
  silenced: "Silenced",
  inhibited: "Inhibited by another alert",
  muted: "Muted at this time",
};
const RECEIVER_LINES = [
  "alertmanager:",
  "  route: {receiver: team}",
  "  receivers:",
  "    - name: team",
  "      webhook_configs: [{url: 'http://127.0.0.1:9000/alerts'}]",
];

/** @param {{app: import("../app.js").App}} props */
export function Alerts({ app }) {
  const { dashboard, now, params, alerts, bar } = app;
  const range = useMemo(() => resolveRange(params, now, FALLBACK_RANGE), [params, now]);
  const silences = useResource(readSilences, "silences", [now]);
  const told = useResource(isAnybodyTold, "receivers", [now]);
  const [edited, setEdited] = useState(null);
  // The palette and links ask for a new silence by the address.
  const draft = edited ?? (params.silence ? draftFrom(matchersIn(params.q), now) : null);
  const close = () => {
    setEdited(null);
    change({ silence: null });
  };
  const onSaved = () => {
    close();
    bar.onRefresh();
  };
  const onNew = () => setEdited(draftFrom(matchersIn(params.q), now));
  const onSilence = (alert) => setEdited(draftFrom(matchersOf(alert.labels), now));
  return html`
    <${TopBar} ...${bar} title=${dashboard.title} range=${range} rangeFallback=${FALLBACK_RANGE} />
    <main>
      <${States} app=${app} told=${told} onSilence=${onSilence} />
      <section class="group" aria-label="Silences">
        <h2>Silences <span class="muted">${countsText(silences.data ?? [])}</span>
          <button class="small" onClick=${onNew}><${Icon} name="plus" /> New silence</button></h2>
        ${silences.error && html`<p class="problem" role="alert">The silences could not be read: ${silences.error.message}</p>`}
        ${
          silences.data !== null &&
          html`<${SilenceList} silences=${silences.data} alerts=${alerts.data?.all ?? []} now=${now}
          onEdit=${(silence) => setEdited(draftOf(silence, now))} onChanged=${bar.onRefresh} />`
        }
      </section>
      <${Sections} app=${app} range=${range} />
    </main>
    ${
      draft !== null &&
      html`<${SilenceForm} draft=${draft} labelNames=${labelNames(alerts.data)} onClose=${close} onSaved=${onSaved} />`
    }`;
}

const labelNames = (alerts) => [...new Set((alerts?.all ?? []).flatMap(({ labels }) => Object.keys(labels)))].sort();

function States({ app, told, onSilence }) {
  const { params, alerts, bar } = app;
  const { data, error, at } = alerts;
  const shows = useMemo(() => filterOf(params), [params]);
  if (data === null && error) return html`<${Failed} what="The list of alerts" error=${error} onRetry=${bar.onRefresh} />`;
  if (data === null) return html`<div class="store is-loading"><div class="skeleton" role="status" aria-label="loading"></div></div>`;
  const shown = data.all.filter(shows);
  const problems = shown.filter(({ isProblem }) => isProblem);
  const others = shown.filter(({ isProblem }) => !isProblem);
  const common = { app, onSilence };
  return html`<div class="alerting ${error ? "is-stale" : ""}">
    ${error && html`<${StaleNote} at=${at} error=${error} onRetry=${bar.onRefresh} />`}
    <${AlertStrip} data=${data} told=${told} />
    <${AlertFilter} params=${params} alerts=${data.all} />
    ${shown.length === 0 && data.all.length > 0 && html`<p class="muted none">No alert is like that.</p>`}
    ${STATES.map(
      (state) => html`<${Group} key=${state} name=${state} title=${TITLES[state]}
        alerts=${problems.filter((alert) => alert.state === state)} ...${common} />`,
    )}
    <${Group} name="alive" title="Always firing, to show that alerting works" alerts=${others} ...${common} />
  </div>`;
}

/** What is wrong in one line, and whether anybody is told. */
function AlertStrip({ data: { all, firing, rules }, told }) {
  const [worst] = firing;
  const count = (state) => all.filter((alert) => alert.isProblem && alert.state === state).length;
  const others = STATES.slice(1).filter((state) => count(state) > 0);
  const level = worst?.severity ?? "ok";
  const isNobodyTold = told.data === false;
  return html`<div class="strip" role="status" aria-label="Status of the alerts">
      <span class="state is-${level}"><${Icon} name=${level} /> ${firing.length > 0 ? `${firing.length} firing` : "Nothing fires."}</span>
      ${others.map((state) => html`<span key=${state}>${count(state)} ${state}</span>`)}
      <span class="muted">${rules.length} ${rules.length === 1 ? "rule watches" : "rules watch"}</span>
      ${told.error && html`<span class="is-warning">Whether anybody is told could not be read: ${told.error.message}</span>`}
      ${isNobodyTold && html`<span class="is-warning"><${Icon} name="unsent" /> Nobody is told: no receivers are configured.</span>`}
    </div>
    ${
      isNobodyTold &&
      html`<details class="hint"><summary>Tell somebody</summary>
      <p>These lines in the configuration, with the address of your webhook, send every alert there; there are receivers
        for Slack, email, PagerDuty and others as well.</p><${Paste} lines=${RECEIVER_LINES} /></details>`
    }`;
}

function Group({ name, title, alerts, app, onSilence }) {
  const [isLong, setLong] = useState(false);
  if (alerts.length === 0) return null;
  const shown = isLong ? alerts : alerts.slice(0, MOST_SHOWN);
  const hidden = alerts.length - shown.length;
  return html`<section class="group" data-group=${name} aria-label=${title}>
    <h2>${title} <span class="muted count">${alerts.length}</span></h2>
    <ul class="items">${shown.map(
      (alert) => html`<${AlertRow} key=${alert.key} alert=${alert} now=${app.now}
        isOpen=${app.params.alert === alert.key} onSilence=${onSilence} />`,
    )}</ul>
    ${hidden > 0 && html`<button class="link" onClick=${() => setLong(true)}>+${hidden} more</button>`}
  </section>`;
}
