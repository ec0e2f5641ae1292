/** The application: where we are, what time it is, which alerts fire; the pages draw the rest. */

import { html, render, useCallback, useEffect, useMemo, useState } from "./preact.js";
import { readAlerts } from "./alerts.js";
import { DEFAULT_REFRESH, useClock } from "./clock.js";
import { DisconnectedBar, Rail } from "./frame.js";
import { Help } from "./help.js";
import { useKeys } from "./keys.js";
import { Overview } from "./pages/overview.js";
import { Training } from "./pages/training.js";
import { Palette } from "./palette.js";
import { useResource } from "./resource.js";
import { change, go, usePlace } from "./url.js";

const PAGES = { overview: Overview, training: Training };
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

function Root() {
  const { path, params } = usePlace();
  const dashboard = boot.dashboards.find((each) => each.path === path) ?? boot.dashboards[0];
  const refresh = params.refresh ?? DEFAULT_REFRESH;
  const [now, renew] = useClock(refresh);
  const [open, setOpen] = useState(null);
  const alerts = useResource(readAlerts, "alerts", [now]);
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
  const Page = PAGES[dashboard.name];
  return html`
    <${DisconnectedBar} />
    <div class="frame">
      <${Rail} dashboards=${boot.dashboards} path=${path} params=${params} counts=${countsOf(alerts.data)} />
      <div class="page" data-page=${dashboard.name}><${Page} app=${app} /></div>
    </div>
    <div id="toast" role="status" aria-live="polite"></div>
    ${open === "help" && html`<${Help} dashboards=${boot.dashboards} onClose=${close} />`}
    ${open === "palette" && html`<${Palette} commands=${commandsOf(dashboard, alerts.data, bindings)} onClose=${close} />`}`;
}

/** How many alerts fire behind each page: those of runs belong to Training. */
function countsOf(alerts) {
  const firing = alerts?.firing ?? [];
  const training = firing.filter(({ labels }) => labels.run !== undefined).length;
  return { training, overview: firing.length - training };
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

function commandsOf(dashboard, alerts, bindings) {
  const pages = boot.dashboards.map(({ title, name, path }) => ({
    kind: "page",
    text: title,
    hint: `g ${name[0]}`,
    run: () => go(path),
  }));
  const firing = (alerts?.firing ?? []).map(({ name, labels, summary }) => ({
    kind: "alert",
    text: name,
    hint: summary,
    run: () => (labels.run ? go("/training", { run: labels.run }) : go("/")),
  }));
  const panels = [...document.querySelectorAll("[data-panel]")].map((panel) => ({
    kind: "panel",
    text: panel.getAttribute("aria-label"),
    hint: dashboard.title,
    run: () => panel.focus(),
  }));
  const actions = [
    { kind: "action", text: "Choose time range", hint: "t", run: () => setTimeout(bindings.t) },
    { kind: "action", text: "Refresh now", hint: "r", run: bindings.r },
    { kind: "action", text: "Change theme", hint: "", run: click("theme") },
    { kind: "action", text: "Keys", hint: "?", run: () => setTimeout(bindings["?"]) },
  ];
  return [...pages, ...firing, ...panels, ...actions];
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

render(html`<${Root} />`, document.getElementById("app"));
