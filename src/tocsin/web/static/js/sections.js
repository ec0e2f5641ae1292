/** The sections of a dashboard over time, for one instance where it has a choice of them. */

import { html, useMemo } from "./preact.js";
import { MarksProblem, firingFor, firingTimes, markOf, readHistory } from "./alerts.js";
import { query, queryRange } from "./api.js";
import { Failed } from "./empty.js";
import { Panel } from "./panel.js";
import { legendText, quote, substitute } from "./promql.js";
import { useResource } from "./resource.js";
import { column, gridOf, gridTimes } from "./series.js";
import { zoomTo } from "./url.js";

const USUAL_GAP_S = 15;
const USUAL_PACE = { gapS: USUAL_GAP_S, isNew: false };

/**
 * @param {object} props
 * @param {import("./app.js").App} props.app
 * @param {import("./time.js").Range} props.range
 * @param {string} [props.instance] of the dashboard's variable
 */
export function Sections({ app, range, instance }) {
  const [variable] = app.dashboard.variables;
  const ask = (signal) => (variable ? readPace(variable.metric, instance, range.endMs, signal) : USUAL_PACE);
  const pace = useResource(async (signal) => ask(signal), instance ?? "all", [range]);
  const past = useResource((signal) => readHistory(range, signal), "history", [range]);
  const view = useMemo(() => viewOf(app, range), [app, range]);
  const { gapS, isNew } = pace.data ?? USUAL_PACE;
  const stepped = useMemo(() => ({ ...range, stepS: Math.max(range.stepS, Math.ceil(gapS)) }), [range, gapS]);
  if (pace.data === null && !pace.error) return null;
  const firing = firingTimes(past.data, app.alerts.data, range.endMs);
  const common = { range: stepped, gapS, isNew, view, instance, firing };
  return html`<${MarksProblem} error=${past.error} />
    ${app.dashboard.sections.map((section) => html`<${Section} key=${section.name} section=${section} common=${common} />`)}`;
}

/** Seconds between two samples of a metric, and whether there is only one yet. */
async function readPace(metric, instance, endMs, signal) {
  const [found] = await query(`${metric}{instance="${quote(instance)}"}[2m]`, endMs, signal);
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
  const values = { instance, __range: rangeText(view) };
  const ask = async (signal) => (await query(substitute(condition, values), range.endMs, signal)).length > 0;
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

const rangeText = ({ spanMs }) => `${Math.ceil(spanMs / 1000)}s`;

function RangePanel({ panel, range, gapS, isNew, view, instance, firing }) {
  const windowS = Math.ceil(Math.max(4 * gapS, range.stepS + 2 * gapS));
  const values = { instance, __rate_interval: `${windowS}s`, __range: rangeText(view) };
  const exprs = panel.queries.map(({ expr }) => substitute(expr, values));
  const resource = useResource((signal) => readPanel(panel, exprs, range, signal), panel.name, [range, windowS]);
  const marks = firingFor(firing, panel, exprs, instance ? { instance } : {}).map((time) => markOf(time, (ms) => ms / 1000));
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
