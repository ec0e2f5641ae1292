/** Storage: whether the store is well, its figures and tiers, and how they came about. */

import { html, useMemo } from "../preact.js";
import { AlertList, homeOf } from "../alerts.js";
import { storageUsage } from "../api.js";
import { Failed } from "../empty.js";
import { TopBar } from "../frame.js";
import { InstanceChoice, readInstances } from "../instance.js";
import { StaleNote } from "../panel.js";
import { useResource } from "../resource.js";
import { Sections } from "../sections.js";
import { isElsewhere, judge, readLosses, readOwnName } from "../store.js";
import { Figures, StoreStrip, Tiers } from "../storeview.js";
import { resolveRange } from "../time.js";

const FALLBACK_RANGE = "1h";

/** @param {{app: import("../app.js").App}} props */
export function Storage({ app }) {
  const { dashboard, now, params } = app;
  const range = useMemo(() => resolveRange(params, now, FALLBACK_RANGE), [params, now]);
  const [variable] = dashboard.variables;
  const found = useResource((signal) => readOwnFirst(variable, range, signal), "instances", [range]);
  const instance = params.instance ?? found.data?.instances[0] ?? null;
  const isOwn = found.data === null || instance === null || instance === found.data.own;
  const alerts = html`<${AlertList} resource=${alertsOf(app.alerts)} now=${now} isQuiet=${true} />`;
  return html`
    <${TopBar} ...${app.bar} title=${dashboard.title} range=${range} rangeFallback=${FALLBACK_RANGE}
      subject=${
        instance !== null &&
        html`<${InstanceChoice} title=${variable.title} instances=${found.data?.instances ?? []} instance=${instance} />`
      } />
    <main>
      ${
        isOwn
          ? html`<${Store} app=${app} alerts=${alerts} />`
          : html`<${OtherStore} instance=${instance} own=${found.data.own} alerts=${alerts} />`
      }
      <${Charts} app=${app} found=${found} range=${range} instance=${instance} />
    </main>`;
}

/** The instances that were measured, this server's own first, and its own name. */
async function readOwnFirst(variable, range, signal) {
  const [own, all] = await Promise.all([readOwnName(signal), readInstances(variable, range, signal)]);
  const others = all.filter((name) => name !== own);
  return { own, instances: others.length < all.length ? [own, ...others] : others };
}

/** The alerts about storage. */
function alertsOf(resource) {
  if (!resource.data) return resource;
  const { firing, pending, rules } = resource.data;
  const own = (alerts) => alerts.filter((alert) => homeOf(alert, rules) === "storage");
  return { ...resource, data: { firing: own(firing), pending: own(pending), rules } };
}

/** What the store says of itself, with the alerts about it right below the verdict. */
function Store({ app, alerts }) {
  const { dashboard, now, bar } = app;
  const [{ metric }] = dashboard.variables;
  const usage = useResource(storageUsage, "usage", [now]);
  const lately = useResource((signal) => readLosses(metric, now, signal), "losses", [now]);
  const { data, error, at } = usage;
  const elsewhere = isElsewhere(usage);
  if (data === null && error !== null && !elsewhere) {
    return html`<div class="store">
      <${Failed} what="The state of the store" error=${error} onRetry=${bar.onRefresh} />${alerts}</div>`;
  }
  const isWaiting = (data === null && !elsewhere) || (lately.data === null && lately.error === null);
  if (isWaiting) return html`<${Loading} />`;
  const isStale = error !== null && !elsewhere;
  return html`<div class="store ${isStale ? "is-stale" : ""}">
    ${isStale && html`<${StaleNote} at=${at} error=${error} onRetry=${bar.onRefresh} />`}
    <${StoreStrip} verdict=${judge(usage, lately)} />
    ${alerts}
    ${!elsewhere && html`<${Figures} usage=${data} now=${now} />`}
    ${!elsewhere && data.tiers?.length > 0 && html`<${Tiers} tiers=${data.tiers} now=${now} />`}
  </div>`;
}

const Loading = () =>
  html`<div class="store is-loading"><div class="skeleton" role="status" aria-label="loading"></div></div>`;

const OtherStore = ({ instance, own, alerts }) =>
  html`<div class="store"><p class="muted">These are the charts of ${instance}. State, figures and tiers are those of
    ${own} alone, which serves this page.</p>${alerts}</div>`;

function Charts({ app, found, range, instance }) {
  if (instance !== null) return html`<${Sections} key=${instance} app=${app} range=${range} instance=${instance} />`;
  if (found.data !== null) return html`<${Unmeasured} />`;
  return (
    found.error && html`<${Failed} what="What was measured" error=${found.error} onRetry=${app.bar.onRefresh} />`
  );
}

const Unmeasured = () =>
  html`<div class="empty-page"><p>tocsin did not measure itself in this time range: it was not running then, or has
    just started.</p></div>`;
