/** Overview: one machine, its alerts first. */

import { html, useMemo } from "../preact.js";
import { AlertList, MarksProblem, firingFor, firingTimes, markOf, readHistory } from "../alerts.js";
import { findSeries, query, queryRange } from "../api.js";
import { Empty, Failed } from "../empty.js";
import { TopBar } from "../frame.js";
import { Menu } from "../menu.js";
import { Panel } from "../panel.js";
import { legendText, quote, substitute } from "../promql.js";
import { useResource } from "../resource.js";
import { column, gridOf, gridTimes } from "../series.js";
import { resolveRange } from "../time.js";
import { change, zoomTo } from "../url.js";

const FALLBACK_RANGE = "15m";
const USUAL_GAP_S = 15;

/** @param {{app: import("../app.js").App}} props */
export function Overview({ app }) {
  const { dashboard, now, params } = app;
  const range = useMemo(() => resolveRange(params, now, FALLBACK_RANGE), [params, now]);
  const [variable] = dashboard.variables;
  const machines = useResource((signal) => readMachines(variable, range, signal), "machines", [range]);
  const instance = params.instance ?? machines.data?.[0] ?? null;
  return html`
    <${TopBar} ...${app.bar} title=${dashboard.title} range=${range} rangeFallback=${FALLBACK_RANGE}
      subject=${instance !== null && html`<${MachineChoice} machines=${machines.data ?? []} instance=${instance} />`} />
    <main>
      <${AlertList} resource=${app.alerts} now=${now} />
      <${Body} app=${app} machines=${machines} range=${range} instance=${instance} />
    </main>`;
}

function Body({ app, machines, range, instance }) {
  if (instance !== null) return html`<${Machine} key=${instance} app=${app} range=${range} instance=${instance} />`;
  if (machines.data !== null) return html`<${NoMachine} />`;
  return (
    machines.error &&
    html`<${Failed} what="The list of machines" error=${machines.error} onRetry=${app.bar.onRefresh} />`
  );
}

/** Names of the machines that were measured, those that tocsin measures itself first. */
async function readMachines({ metric, label }, range, signal) {
  const found = await findSeries(metric, range, signal);
  const rank = (labels) => (labels.job === "node" ? 0 : 1) + (labels[label].includes(":") ? 2 : 0);
  const sorted = found
    .filter((labels) => labels[label])
    .sort((a, b) => rank(a) - rank(b) || (a[label] < b[label] ? -1 : 1));
  return [...new Set(sorted.map((labels) => labels[label]))];
}

function MachineChoice({ machines, instance }) {
  if (machines.length < 2) return html`<strong>${instance}</strong>`;
  const choices = machines.map((value) => ({ value, text: value }));
  return html`<${Menu} id="instance" label="Machine" text=${instance} choices=${choices} chosen=${instance}
    onChoose=${(value) => change({ instance: value }, { push: true })} />`;
}

function NoMachine() {
  const sentence = `No machine was measured in this time range. tocsin measures the one it runs on unless its configuration
    says otherwise; it reads others from node_exporter when these lines stand in its configuration:`;
  const target = "  - {job_name: node, static_configs: [{targets: ['HOST:9100']}]}";
  return html`<${Empty} sentence=${sentence} lines=${["scrape_configs:", target]} />`;
}

function Machine({ app, range, instance }) {
  const pace = useResource((signal) => readPace(instance, range.endMs, signal), instance, [range]);
  const past = useResource((signal) => readHistory(range, signal), "history", [range]);
  const view = useMemo(() => viewOf(app, range), [app, range]);
  const { gapS, isNew } = pace.data ?? { gapS: USUAL_GAP_S, isNew: false };
  const stepped = useMemo(() => ({ ...range, stepS: Math.max(range.stepS, Math.ceil(gapS)) }), [range, gapS]);
  if (pace.data === null && !pace.error) return null;
  const firing = firingTimes(past.data, app.alerts.data, range.endMs);
  const common = { range: stepped, gapS, isNew, view, instance, firing };
  return html`<${MarksProblem} error=${past.error} />
    ${app.dashboard.sections.map((section) => html`<${Section} key=${section.name} section=${section} common=${common} />`)}`;
}

/** Seconds between two samples of this machine, and whether there is only one yet. */
async function readPace(instance, endMs, signal) {
  const [found] = await query(`node_load1{instance="${quote(instance)}"}[2m]`, endMs, signal);
  const times = found?.values.map(([second]) => second) ?? [];
  const gaps = times
    .slice(1)
    .map((second, index) => second - times[index])
    .sort((a, b) => a - b);
  return { gapS: gaps[gaps.length >> 1] ?? USUAL_GAP_S, isNew: times.length === 1 };
}

function viewOf(app, { startMs, endMs, isLive }) {
  return {
    ...app.view,
    xKind: "time",
    xRange: [startMs / 1000, endMs / 1000],
    spanMs: endMs - startMs,
    isLive,
    onZoom: (from, to) => zoomTo(from * 1000, to * 1000),
  };
}

function Section({ section, common }) {
  const { range, instance, view } = common;
  const { name, title, only_if: condition, panels } = section;
  const ask = async (signal) => (await query(substitute(condition, { instance }), range.endMs, signal)).length > 0;
  const exists = useResource(condition ? ask : async () => true, name, condition ? [range] : []);
  if (exists.error && exists.data === null) {
    return html`<${Failed} what="The section ${title}" error=${exists.error} onRetry=${view.onRetry} />`;
  }
  if (condition && !exists.data) return null;
  return html`<section class="group" data-section=${name} aria-label=${title}>
    <h2>${title}</h2>
    <div class="grid">${panels.map((panel) => html`<${RangePanel} key=${panel.name} panel=${panel} ...${common} />`)}</div>
  </section>`;
}

function RangePanel({ panel, range, gapS, isNew, view, instance, firing }) {
  const windowS = Math.ceil(Math.max(4 * gapS, range.stepS + 2 * gapS));
  const values = { instance, __rate_interval: `${windowS}s`, __range: `${Math.ceil(view.spanMs / 1000)}s` };
  const exprs = panel.queries.map(({ expr }) => substitute(expr, values));
  const resource = useResource((signal) => readPanel(panel, exprs, range, signal), panel.name, [range, windowS]);
  const marks = firingFor(firing, panel, exprs, { instance }).map((time) => markOf(time, (ms) => ms / 1000));
  const shown = isNew ? { ...panel, empty: "Waiting for the second sample." } : panel;
  return html`<${Panel} panel=${shown} resource=${resource} view=${view} marks=${marks} promql=${exprs.join("\n")} />`;
}

async function readPanel({ queries }, exprs, range, signal) {
  const grid = gridOf(range);
  const x = gridTimes(grid, range.endMs / 1000);
  const answers = await Promise.all(exprs.map((expr) => queryRange(expr, grid, signal)));
  const lines = answers.flatMap((answer, index) =>
    answer.map(({ metric, values }) => ({
      name: legendText(queries[index].legend, metric),
      values: column(values, grid, x.length),
    })),
  );
  return { x, lines };
}
