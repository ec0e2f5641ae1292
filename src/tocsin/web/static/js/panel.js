/** A panel: title, current value, change, chart, legend; and what stands there when there is no data. */

import { html, useLayoutEffect, useMemo, useRef, useState } from "./preact.js";
import { Chart } from "./chart.js";
import { colorNumbers } from "./colors.js";
import { copyText } from "./copy.js";
import { Icon, IconButton } from "./icons.js";
import { Legend } from "./legend.js";
import { extremes, lastValue, stack, valueBefore } from "./series.js";
import { smooth } from "./smoothing.js";
import { formatClock, formatDuration, formatMoment } from "./time.js";
import { formatChange, formatCount, formatSpan, formatValue } from "./units.js";
import { zoomBack } from "./url.js";

const SILENT_MS = 60_000;

/**
 * @typedef {object} View how all charts of a page look at their data
 * @property {"time"|"step"} xKind
 * @property {[number, number]} xRange
 * @property {number} spanMs length of the time range
 * @property {boolean} isLive
 * @property {boolean} [log]
 * @property {number} [smoothing] weight, 0 is off
 * @property {string|null} only name of the isolated line
 * @property {(name: string) => void} onIsolate
 * @property {(from: number, to: number) => void} onZoom
 * @property {() => void} onRetry
 */

/**
 * @param {object} props
 * @param {object} props.panel from the dashboard
 * @param {{data: import("./series.js").Frame|null, error: Error|null, at: number}} props.resource
 * @param {View} props.view
 * @param {object[]} props.marks firing times
 * @param {string} props.promql what "copy PromQL" gives
 */
export function Panel({ panel, resource, view, marks, promql }) {
  const [cursor, setCursor] = useState(null);
  const { data: frame, error, at } = resource;
  const hasData = frame !== null && frame.lines.some((line) => lastValue(line.values) !== null);
  const index = cursor !== null && cursor < (frame?.x.length ?? 0) ? cursor : null;
  const colors = useMemo(() => colorNumbers(frame?.lines.map((line) => line.name) ?? []), [frame]);
  const isStale = error !== null && hasData;
  const isMany = hasData && frame.lines.length > 1;
  const moment = isMany && index !== null ? placeText(frame.x[index], view) : "now";
  return html`<section class="panel ${isStale ? "is-stale" : ""}" data-panel=${panel.name} aria-label=${panel.title}
    tabindex="-1">
    <header>
      <h3>${panel.title}</h3>
      <${IconButton} name="copy" label="Copy PromQL of ${panel.title}" title="Copy PromQL"
        onClick=${() => copyText(promql, "PromQL")} />
      ${hasData && html`<${Headline} panel=${panel} frame=${frame} view=${view} index=${index} />`}
    </header>
    ${isStale && html`<${StaleNote} at=${at} error=${error} onRetry=${view.onRetry} />`}
    <div class="plot">
      ${hasData && html`<${Plot} panel=${panel} frame=${frame} colors=${colors} view=${view} marks=${marks} onCursor=${setCursor} />`}
      ${!hasData && html`<${NoPicture} panel=${panel} isLoading=${frame === null} error=${error} onRetry=${view.onRetry} />`}
    </div>
    ${
      isMany &&
      html`<${Legend} lines=${frame.lines} colors=${colors} unit=${panel.unit} index=${index}
      moment=${moment} only=${isolated(frame, view)} onIsolate=${view.onIsolate} />`
    }
  </section>`;
}

const isolated = (frame, { only }) => (frame.lines.some((line) => line.name === only) ? only : null);
const placeText = (x, { xKind, spanMs }) => {
  if (xKind === "step") return `step ${formatCount(x)}`;
  return spanMs > 86_400_000 ? formatMoment(x * 1000) : formatClock(x * 1000);
};

function Headline({ panel, frame, view, index }) {
  const value =
    index === null
      ? headline(panel, frame, (line) => lastValue(line.values))
      : headline(panel, frame, (line) => line.values[index] ?? null);
  const isBroken = value !== null && !Number.isFinite(value);
  const text = index === null ? changeText(panel, frame, view, value) : `at ${placeText(frame.x[index], view)}`;
  const [low, high] = frame.lines.length === 1 ? extremes(frame.lines[0]) : [null, null];
  return html`<p class="headline">
    <strong class=${isBroken ? "value is-critical" : "value"}>${formatValue(value, panel.unit)}</strong>
    <span class="change">${text}</span>
    ${low !== null && html`<span class="extremes" title="least and greatest">${formatSpan(low, high, panel.unit)}</span>`}
  </p>`;
}

/** The one value that stands for the panel, of those that `pick` takes from each line. */
function headline({ headline: kind }, { lines }, pick) {
  if (kind === "first") return pick(lines[0]);
  const values = lines.map(pick).filter((value) => value !== null);
  if (values.length === 0) return null;
  return kind === "max" ? Math.max(...values) : values.reduce((sum, value) => sum + value, 0);
}

function changeText(panel, frame, view, value) {
  const silentMs = view.isLive && view.xKind === "time" ? silence(frame) : 0;
  if (silentMs > Math.max(SILENT_MS, view.spanMs / 50)) return `${formatDuration(silentMs)} ago`;
  const [from, to] = [frame.x[0], frame.x.at(-1)];
  const limit = to - Math.min(to - from, (view.xRange[1] - view.xRange[0]) / 6);
  const before = headline(panel, frame, (line) => valueBefore(frame.x, line.values, limit));
  const change = before === null || value === null ? "" : formatChange(value, before, panel.unit);
  if (!change) return "";
  const distance = view.xKind === "step" ? `${formatCount(to - limit)} steps` : formatDuration((to - limit) * 1000);
  return `${change} in ${distance}`;
}

/** How long ago (ms) the newest sample of a frame over time was taken. */
function silence({ x, lines }) {
  let last = x.length - 1;
  while (last >= 0 && lines.every((line) => line.values[last] === null)) last -= 1;
  return last < 0 ? 0 : Date.now() - x[last] * 1000;
}

function Plot({ panel, frame, colors, view, marks, onCursor }) {
  const host = useRef(null);
  const chart = useRef(null);
  const latest = useRef(view);
  latest.current = view;
  useLayoutEffect(() => {
    const onZoom = (from, to) => latest.current.onZoom(from, to);
    chart.current = new Chart(host.current, { onCursor, onZoom, onZoomBack: zoomBack });
    return () => chart.current.destroy();
  }, []);
  const inputs = [panel, frame, colors, view, marks];
  useLayoutEffect(() => chart.current.show(pictureOf(...inputs)), inputs);
  return html`<div class="canvas" ref=${host} role="img" aria-label="Chart of ${panel.title}"></div>`;
}

function pictureOf(panel, { x, lines }, colors, { xKind, xRange, log, smoothing, only }, marks) {
  const numbered = lines.map((line, row) => ({ ...line, color: colors[row] }));
  const alone = numbered.filter((line) => line.name === only);
  const shown = alone.length ? alone : numbered;
  const sums = panel.stacked ? stack(shown) : null;
  const strokes = shown.map((line, row) => (sums ? { ...line, values: sums[row] } : smoothed(line, smoothing)));
  const { unit, stacked, minimum, maximum, thresholds } = panel;
  return { x, xKind, xRange, strokes, unit, stacked, log, minimum, maximum, thresholds, marks };
}

function smoothed(line, weight) {
  if (!weight) return line;
  return { ...line, raw: line.values, values: smooth(line.values, weight) };
}

function NoPicture({ panel, isLoading, error, onRetry }) {
  if (error) {
    return html`<div class="note" role="alert"><p><${Icon} name="critical" /> ${panel.title} could not be read.</p>
      <p class="sentence">${error.message}</p><button onClick=${onRetry}>Retry</button></div>`;
  }
  if (isLoading) return html`<div class="skeleton" role="status" aria-label="loading"></div>`;
  return html`<div class="note"><p>${panel.empty}</p></div>`;
}

/**
 * Says that what is shown is the last good picture.
 * @param {{at: number, error: Error, onRetry: () => void}} props
 */
export function StaleNote({ at, error, onRetry }) {
  return html`<p class="stale-note" role="status"><${Icon} name="warning" /> as of ${formatClock(at)}: ${error.message}
    <button class="link" onClick=${onRetry}>Retry</button></p>`;
}
