/** Training: the runs, and the values of one against step or time. */

import { html, useMemo } from "../preact.js";
import { AlertList, MarksProblem, firingFor, firingTimes, markOf, readHistory } from "../alerts.js";
import { Empty, Failed } from "../empty.js";
import { TopBar } from "../frame.js";
import { Panel } from "../panel.js";
import { legendText, metricsIn, substitute } from "../promql.js";
import { useResource } from "../resource.js";
import { RunList, StatusStrip } from "../runview.js";
import { makeRunReader, readRun } from "../runs.js";
import { frameOverSteps, frameOverTime, makeStepAxis } from "../steps.js";
import { makeRange, resolveRange } from "../time.js";
import { change, zoomTo } from "../url.js";

const WHOLE_RUN = "whole run";
const UNIT_OF_SUFFIX = { seconds: "seconds", bytes: "bytes", ratio: "ratio", percent: "percent", celsius: "celsius" };

/** @param {{app: import("../app.js").App}} props */
export function Training({ app }) {
  const { dashboard, now, params } = app;
  const read = useMemo(makeRunReader, []);
  const runs = useResource((signal) => read(now, signal), "runs", [now]);
  const run = runs.data?.find(({ name }) => name === params.run) ?? (params.run ? null : (runs.data?.[0] ?? null));
  const asked = params.range || params.from ? resolveRange(params, now, "1h") : null;
  const shown = asked ?? makeRange(run?.startMs ?? now - 3_600_000, now, true);
  return html`
    <${TopBar} ...${app.bar} title=${dashboard.title} range=${shown} rangeFallback=${WHOLE_RUN}
      subject=${run && html`<strong>${run.name}</strong>`} />
    <main class="training"><${Body} app=${app} runs=${runs} run=${run} asked=${asked} /></main>`;
}

function Body({ app, runs, run, asked }) {
  const { now, params, bar } = app;
  if (runs.data === null) {
    return runs.error && html`<${Failed} what="The list of runs" error=${runs.error} onRetry=${bar.onRefresh} />`;
  }
  if (runs.data.length === 0) return html`<${NoRun} />`;
  return html`
    <${RunList} runs=${runs.data} chosen=${run} now=${now} params=${params} />
    ${run ? html`<${RunPage} key=${run.name} app=${app} run=${run} asked=${asked} />` : html`<${UnknownRun} name=${params.run} />`}`;
}

const UnknownRun = ({ name }) =>
  html`<div class="empty-page"><p>No run “${name}” reported in the last 7 days.</p></div>`;

function NoRun() {
  const sentence = `No training reported in the last 7 days. Start one with these two lines of Python;
    on another machine, set TOCSIN_URL=${location.origin} for it.`;
  const loop = 'with tocsin.TrainingMonitor("my-run", total_steps=1000) as run: run.step(loss=0.5, lr=3e-4)';
  return html`<${Empty} sentence=${sentence} lines=${["import tocsin", loop]} />`;
}

function RunPage({ app, run, asked }) {
  const { dashboard, now, params } = app;
  const each = dashboard.sections.find((section) => section.each).each;
  const moments = [now, asked?.startMs, asked?.endMs];
  const resource = useResource((signal) => readRun(run, asked, each, now, signal), run.name, moments);
  const range = resource.data?.range ?? asked;
  const past = useResource(async (signal) => (range ? readHistory(range, signal) : []), run.name, [range]);
  const axis = useMemo(() => resource.data && makeStepAxis(resource.data.series), [resource.data]);
  const xKind = params.x === "time" || (resource.data && !axis) ? "time" : "step";
  const view = range ? viewOf(app, range, xKind, axis) : app.view;
  const firing = range ? firingTimes(past.data, app.alerts.data, range.endMs) : [];
  const sections = useMemo(() => sectionsOf(dashboard, resource.data), [dashboard, resource.data]);
  const common = { resource, view, axis, firing, run };
  return html`<div class="run">
    <${StatusStrip} run=${run} now=${now} endMs=${!asked && range && !range.isLive ? range.endMs : null} />
    <${AlertList} resource=${alertsOf(app.alerts, run)} now=${now} isQuiet=${true} />
    <${MarksProblem} error=${past.error} />
    <${Toolbar} params=${params} xKind=${xKind} hasSteps=${axis !== null} />
    ${sections.map((section) => html`<${Section} key=${section.name} section=${section} common=${common} />`)}
  </div>`;
}

function Section({ section: { name, title, panels }, common }) {
  return html`<section class="group" data-section=${name} aria-label=${title}>
    ${name !== "progress" && html`<h2>${title}</h2>`}
    <div class="grid">${panels.map((panel) => html`<${RunPanel} key=${panel.name} panel=${panel} ...${common} />`)}</div>
  </section>`;
}

/** The alerts of one run. */
function alertsOf(resource, { name }) {
  if (!resource.data) return resource;
  const { firing, pending, rules } = resource.data;
  const own = (alerts) => alerts.filter(({ labels }) => labels.run === name);
  return { ...resource, data: { firing: own(firing), pending: own(pending), rules } };
}

function viewOf(app, range, xKind, axis) {
  const toMs = xKind === "time" ? (x) => x * 1000 : (x) => axis.toSecond(x) * 1000;
  return {
    ...app.view,
    xKind,
    xRange: xKind === "time" || !axis ? [range.startMs / 1000, range.endMs / 1000] : widened(axis.range),
    spanMs: range.endMs - range.startMs,
    isLive: range.isLive,
    log: app.params.y === "log",
    smoothing: smoothingOf(app.params),
    onZoom: (from, to) => zoomTo(toMs(from), toMs(to)),
  };
}

const widened = ([from, to]) => (from === to ? [from - 1, to + 1] : [from, to]);
const smoothingOf = ({ smooth }) => Math.min(0.99, Math.max(0, Number(smooth) || 0));

/** The sections of the dashboard, with a panel for each further metric; empty ones are left out. */
function sectionsOf({ sections }, data) {
  const shown = new Set(sections.flatMap(({ panels }) => panels.flatMap(metricsOf)));
  const further = (data?.metrics ?? []).filter((name) => !shown.has(name)).map(panelFor);
  const filled = sections.map((section) =>
    section.each ? { ...section, panels: [...section.panels, ...further] } : section,
  );
  const reported = new Set(data?.series.map(({ labels }) => labels.__name__));
  const exists = ({ only_if: condition }) => !condition || [...metricsIn(condition)].some((name) => reported.has(name));
  return filled.filter((section) => section.panels.length > 0 && exists(section));
}

const metricsOf = ({ queries }) => queries.flatMap(({ expr }) => [...metricsIn(expr)]);

function panelFor(metric) {
  const name = metric.replace(/^training_/, "");
  const words = name.split("_");
  const unit = words.length > 1 ? UNIT_OF_SUFFIX[words.at(-1)] : undefined;
  const title = (unit ? words.slice(0, -1) : words).join(" ");
  return {
    name,
    title: title[0].toUpperCase() + title.slice(1),
    unit: unit ?? "number",
    queries: [{ expr: `${metric}{run="$run"}`, legend: title }],
    headline: "first",
    empty: "This value was not reported in this time range.",
  };
}

function RunPanel({ panel, resource, view, axis, firing, run }) {
  const { data } = resource;
  const frame = useMemo(() => data && frameOf(panel, data, view.xKind, axis), [panel, data, view.xKind, axis]);
  const exprs = panel.queries.map(({ expr }) => substitute(expr, { run: run.name }));
  const toX = view.xKind === "step" && axis ? (ms) => axis.toStep(ms / 1000) ?? -Infinity : (ms) => ms / 1000;
  const marks = firingFor(firing, panel, exprs, { run: run.name }).map((time) => markOf(time, toX));
  return html`<${Panel} panel=${panel} resource=${{ ...resource, data: frame }} view=${view} marks=${marks}
    promql=${exprs.join("\n")} />`;
}

function frameOf(panel, { series }, xKind, axis) {
  const metrics = metricsOf(panel);
  const own = series.filter(({ labels }) => metrics.includes(labels.__name__));
  const [{ legend }] = panel.queries;
  const frame = frameOverTime(own, (labels) => (own.length === 1 ? legend : distinguish(labels)));
  return xKind === "step" && axis ? frameOverSteps(frame, axis) : frame;
}

/** What tells one series of a run from another: its labels without those that all have. */
function distinguish({ run: _, __name__: __, ...labels }) {
  return legendText("", labels);
}

function Toolbar({ params, xKind, hasSteps }) {
  const smoothing = smoothingOf(params);
  const choose = (kind) => change({ x: kind === "step" ? null : kind });
  return html`<div class="toolbar" role="group" aria-label="How curves are drawn">
    <span class="segmented" role="group" aria-label="Horizontal axis">
      ${["step", "time"].map(
        (kind) => html`<button key=${kind} aria-pressed=${String(xKind === kind)}
          disabled=${kind === "step" && !hasSteps} onClick=${() => choose(kind)}>${kind}</button>`,
      )}
    </span>
    <label><input type="checkbox" id="log-scale" checked=${params.y === "log"}
      onChange=${(event) => change({ y: event.target.checked ? "log" : null })} /> log scale</label>
    <label>smoothing <input type="range" id="smoothing" min="0" max="0.98" step="0.02" value=${smoothing}
      onInput=${(event) => change({ smooth: Number(event.target.value) ? event.target.value : null })} />
      <output for="smoothing">${smoothing ? smoothing.toFixed(2) : "off"}</output></label>
  </div>`;
}
