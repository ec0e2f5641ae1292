/** The application: where we are, what time it is, which alerts fire; the pages draw the rest. */

import { html, render, useCallback, useEffect, useMemo, useState } from "./preact.js";
import { homeOf, readAlerts } from "./alerts.js";
import { DEFAULT_REFRESH, useClock } from "./clock.js";
import { incidents as readIncidents } from "./desk.js";
import { Failed } from "./empty.js";
import { DisconnectedBar, Rail } from "./frame.js";
import { Help } from "./help.js";
import { useKeys } from "./keys.js";
import { loadPage, usePage } from "./loading.js";
import { Palette } from "./palette.js";
import { useResource } from "./resource.js";
import { change, go, usePlace } from "./url.js";

const boot = JSON.parse(document.getElementById("boot").textContent);

/**
 * @typedef {object} App what every page is given
 * @property {object} dashboard
 * @property {Record<string, string>} params of the URL
 * @property {number} now the moment (ms) that is shown
 * @property {import("./resource.js").Resource<object>} alerts
 * @property {object} bar for the top bar
 * @property {object} view what all charts share
 */

const dashboardAt = (path) => boot.dashboards.find((each) => each.path === path) ?? boot.dashboards[0];

function Root() {
  const { path, params } = usePlace();
  const dashboard = dashboardAt(path);
  const refresh = params.refresh ?? DEFAULT_REFRESH;
  const [now, renew] = useClock(refresh);
  const [open, setOpen] = useState(null);
  const alerts = useResource(readAlerts, "alerts", [now]);
  const incidents = useResource(readOpen, "incidents", [now]);
  const close = useCallback(() => setOpen(null), []);
  const bindings = useMemo(() => bindingsOf(renew, setOpen), [renew]);
  useKeys(bindings);
  useTheme();
  useEffect(() => {
    document.title = `${dashboard.title} · tocsin`;
  }, [dashboard]);
  const bar = { params, refresh, onRefresh: renew, onSearch: bindings["/"], onHelp: bindings["?"] };
  const only = params.only ?? null;
  const onIsolate = (name) => change({ only: name === only ? null : name });
  const app = { dashboard, params, now, alerts, bar, view: { only, onIsolate, onRetry: renew } };
  const { Page, error } = usePage(dashboard.name, now);
  return html`
    <${DisconnectedBar} />
    <div class="frame">
      <${Rail} dashboards=${boot.dashboards} path=${path} counts=${countsOf(alerts.data, incidents.data)} />
      <div class="page" data-page=${dashboard.name}>${Page && html`<${Page} app=${app} />`}
        ${error && html`<main><${Failed} what="The page ${dashboard.title}" error=${error} onRetry=${renew} /></main>`}</div>
    </div>
    <div id="toast" role="status" aria-live="polite"></div>
    ${open === "help" && html`<${Help} dashboards=${boot.dashboards} onClose=${close} />`}
    ${
      open === "palette" &&
      html`<${Palette} commands=${commandsOf(dashboard, alerts.data, incidents.data, bindings)} onClose=${close} />`
    }`;
}

/** Incidents that nobody has acknowledged. */
const readOpen = (signal) => readIncidents(["open"], signal);

/** How many alerts fire behind each page, and how many incidents are open. */
function countsOf(alerts, incidents) {
  const counts = { alerts: alerts?.firing.length, incidents: incidents?.length };
  for (const alert of alerts?.firing ?? []) {
    const home = homeOf(alert, alerts.rules);
    counts[home] = (counts[home] ?? 0) + 1;
  }
  return counts;
}

/** Go to the page that an alert belongs to. */
function goHome(alert, rules) {
  const home = homeOf(alert, rules);
  go(boot.dashboards.find(({ name }) => name === home).path, { run: alert.labels.run });
}

const click = (id) => () => document.getElementById(id)?.click();

function bindingsOf(renew, setOpen) {
  const pages = boot.dashboards.map(({ name, path }) => [`g ${name[0]}`, () => go(path)]);
  return {
    t: click("time-range"),
    r: renew,
    "/": () => setOpen("palette"),
    "?": () => setOpen("help"),
    ...Object.fromEntries(pages),
  };
}

function commandsOf(dashboard, alerts, incidents, bindings) {
  const pages = boot.dashboards.map(({ title, name, path }) => ({
    kind: "page",
    text: title,
    hint: `g ${name[0]}`,
    run: () => go(path),
  }));
  const firing = (alerts?.firing ?? []).map((alert) => ({
    kind: "alert",
    text: alert.name,
    hint: alert.summary,
    run: () => goHome(alert, alerts.rules),
  }));
  const open = (incidents ?? []).map(({ id, title }) => ({
    kind: "incident",
    text: `#${id} ${title}`,
    hint: "open",
    run: () => go("/incidents", { id }),
  }));
  const panels = [...document.querySelectorAll("[data-panel]")].map((panel) => ({
    kind: "panel",
    text: panel.getAttribute("aria-label"),
    hint: dashboard.title,
    run: () => panel.focus(),
  }));
  const actions = [
    { kind: "action", text: "Silence …", hint: "new silence", run: () => go("/alerts", { silence: "new" }) },
    { kind: "action", text: "Choose time range", hint: "t", run: () => setTimeout(bindings.t) },
    { kind: "action", text: "Refresh now", hint: "r", run: bindings.r },
    { kind: "action", text: "Change theme", hint: "", run: click("theme") },
    { kind: "action", text: "Keys", hint: "?", run: () => setTimeout(bindings["?"]) },
  ];
  return [...pages, ...firing, ...open, ...panels, ...actions];
}

/** Draw anew when the theme changes, because charts take their colours from it. */
function useTheme() {
  const [, setCount] = useState(0);
  useEffect(() => {
    const renew = () => setCount((count) => count + 1);
    addEventListener("tocsin:theme", renew);
    return () => removeEventListener("tocsin:theme", renew);
  }, []);
}

await loadPage(dashboardAt(location.pathname).name).catch(() => {
  // The page says so itself, and tries again.
});
render(html`<${Root} />`, document.getElementById("app"));
