/** One chart: a thin layer over uPlot that draws a picture and reports cursor and zoom. */

import { cssColor, seriesColor, withAlpha } from "./colors.js";
import { formatTimeTicks } from "./time.js";
import { formatCount, formatTicks, tickDistances } from "./units.js";

/* global uPlot */

const FEW_POINTS = 12;

/** Seconds between the ticks of a time axis. */
const TIME_DISTANCES_S = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800,
];

/** A curve that moves less than this part of its value is drawn flat, so that noise does not fill the chart. */
const FLAT = 0.001;
const FONT = "11px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";

/**
 * @typedef {object} Stroke what is drawn for one line of the legend
 * @property {string} name
 * @property {number} color
 * @property {(number|null)[]} values
 * @property {(number|null)[]} [raw] drawn faintly below
 * @property {(number|null)[]} [low] with `high`: drawn as a band
 * @property {(number|null)[]} [high]
 *
 * @typedef {object} Picture
 * @property {number[]} x
 * @property {[number, number]} xRange
 * @property {"time"|"step"} xKind
 * @property {Stroke[]} strokes
 * @property {string} unit
 * @property {boolean} [stacked]
 * @property {boolean} [log]
 * @property {number|null} [minimum]
 * @property {number|null} [maximum]
 * @property {{value: number, severity: string}[]} [thresholds]
 * @property {{from: number, to: number, severity: string, text: string}[]} [marks]
 */

/** A chart inside an element, which must have a size of its own. */
export class Chart {
  /**
   * @param {HTMLElement} host
   * @param {{onCursor: (index: number|null) => void, onZoom: (from: number, to: number) => void,
   *   onZoomBack: () => void}} on
   */
  constructor(host, on) {
    this.host = host;
    this.on = on;
    this.plot = null;
    this.structure = "";
    this.resizes = new ResizeObserver(() => this.plot?.setSize(sizeOf(host)));
    this.resizes.observe(host);
  }

  /** Draw a picture; when only its numbers changed, nothing but the curves moves. @param {Picture} picture */
  show(picture) {
    this.picture = picture;
    const data = columnsOf(picture);
    const structure = structureOf(picture);
    if (this.plot && structure === this.structure) {
      this.plot.setData(data);
      return;
    }
    this.structure = structure;
    this.plot?.destroy();
    this.plot = new uPlot(this.options(), data, this.host);
  }

  destroy() {
    this.resizes.disconnect();
    this.plot?.destroy();
  }

  options() {
    const { xKind } = this.picture;
    return {
      ...sizeOf(this.host),
      padding: [8, 16, 0, 0],
      legend: { show: false },
      cursor: this.cursor(xKind),
      scales: { x: { time: xKind === "time", range: () => this.picture.xRange }, y: this.valueScale() },
      axes: [this.horizontalAxis(xKind), this.verticalAxis()],
      series: [{}, ...seriesOf(this.picture)],
      bands: bandsOf(this.picture),
      hooks: {
        draw: [(plot) => this.drawThresholds(plot), (plot) => this.placeMarks(plot)],
        setCursor: [(plot) => this.on.onCursor(plot.cursor.left < 0 ? null : (plot.cursor.idx ?? null))],
        setSelect: [(plot) => this.zoom(plot)],
      },
    };
  }

  cursor(xKind) {
    return {
      y: false,
      drag: { x: true, y: false, setScale: false },
      sync: { key: `tocsin-${xKind}`, scales: ["x", null], filters: { pub: (type) => /move|leave/.test(type) } },
      points: { size: 6, width: 1.5 },
      bind: { dblclick: () => () => this.on.onZoomBack() },
    };
  }

  valueScale() {
    const { log } = this.picture;
    if (log) return { distr: 3 };
    return { range: (_, low, high) => valueRange(low, high, this.picture) };
  }

  horizontalAxis(xKind) {
    const values =
      xKind === "time"
        ? (_, ticks, __, ___, distance) => formatTimeTicks(ticks, distance)
        : (_, ticks) => ticks.map(formatCount);
    const incrs = xKind === "time" ? TIME_DISTANCES_S : undefined;
    return { ...axisStyle(), size: 26, space: 72, incrs, values, grid: { show: false } };
  }

  verticalAxis() {
    const { unit, log } = this.picture;
    const each = (tick) => formatTicks([tick], unit)[0];
    return {
      ...axisStyle(),
      size: 58,
      space: 32,
      incrs: tickDistances(unit),
      values: (_, ticks) => (log ? ticks.map(each) : formatTicks(ticks, unit)),
      ticks: { show: false },
    };
  }

  zoom(plot) {
    const { left, width } = plot.select;
    if (width < 4) return;
    const [from, to] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.on.onZoom(from, to);
  }

  drawThresholds(plot) {
    const { ctx, bbox } = plot;
    for (const { value, severity } of this.picture.thresholds ?? []) {
      if (value < plot.scales.y.min || value > plot.scales.y.max) continue;
      const y = Math.round(plot.valToPos(value, "y", true));
      ctx.save();
      ctx.strokeStyle = cssColor(`--${severity}`);
      ctx.globalAlpha = 0.7;
      ctx.lineWidth = devicePixelRatio;
      ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      ctx.restore();
    }
  }

  placeMarks(plot) {
    for (const layer of [plot.under, plot.over]) layer.querySelectorAll(".mark").forEach((mark) => mark.remove());
    const { marks = [], xRange } = this.picture;
    for (const mark of marks) {
      const [from, to] = [Math.max(mark.from, xRange[0]), Math.min(mark.to, xRange[1])];
      if (to < from) continue;
      const [left, right] = [plot.valToPos(from, "x"), plot.valToPos(to, "x")];
      plot.under.append(markElement("mark mark-span", mark, left, Math.max(1, right - left)));
      if (mark.from >= xRange[0]) plot.over.append(markElement("mark mark-tick", mark, left, null));
    }
  }
}

const sizeOf = (host) => ({ width: Math.max(1, host.clientWidth), height: Math.max(1, host.clientHeight) });

function markElement(className, { severity, text }, left, width) {
  const element = document.createElement("div");
  element.className = `${className} is-${severity}`;
  element.style.left = `${left}px`;
  if (width !== null) element.style.width = `${width}px`;
  else element.title = text;
  return element;
}

const finite = (values) => values.map((value) => (Number.isFinite(value) ? value : null));
const positive = (values) => values.map((value) => (value > 0 && Number.isFinite(value) ? value : null));

/** The columns of a stroke in the order in which they are drawn: band, raw line, line. */
const parts = ({ low, high, raw, values }) => [...(low ? [low, high] : []), ...(raw ? [raw] : []), values];

function columnsOf({ x, strokes, log }) {
  return [x, ...strokes.flatMap(parts).map(log ? positive : finite)];
}

function structureOf({ strokes, unit, xKind, stacked, log }) {
  const shape = strokes.map(({ name, color, low, raw }) => [name, color, Boolean(low), Boolean(raw)]);
  return JSON.stringify([shape, unit, xKind, stacked, log, cssColor("--theme-name")]);
}

function seriesOf({ strokes, stacked }) {
  const fillsAlone = strokes.length === 1;
  return strokes.flatMap((stroke) => {
    const color = seriesColor(stroke.color);
    const edge = { stroke: withAlpha(color, 0.3), width: 1, points: { show: false } };
    const fill = stacked
      ? withAlpha(color, 0.35)
      : fillsAlone && !stroke.low && !stroke.raw
        ? withAlpha(color, 0.08)
        : undefined;
    const points = { size: 5, fill: color, stroke: color, filter: lonely };
    return [
      ...(stroke.low ? [edge, { ...edge }] : []),
      ...(stroke.raw ? [{ stroke: withAlpha(color, 0.3), width: 1, points: { show: false } }] : []),
      { stroke: color, width: 1.5, fill, points, spanGaps: false },
    ];
  });
}

function bandsOf({ strokes, stacked }) {
  if (stacked) return strokes.slice(1).map((_, index) => ({ series: [index + 2, index + 1] }));
  const bands = [];
  let index = 1;
  for (const stroke of strokes) {
    if (stroke.low) bands.push({ series: [index + 1, index], fill: withAlpha(seriesColor(stroke.color), 0.18) });
    index += parts(stroke).length;
  }
  return bands;
}

/** Points to mark with a dot: all while there are few, later those without a neighbour to join. */
function lonely(plot, row) {
  const values = plot.data[row];
  const present = [];
  for (let index = 0; index < values.length; index += 1) if (values[index] !== null) present.push(index);
  if (present.length <= FEW_POINTS) return present;
  return present.filter((index) => (values[index - 1] ?? null) === null && (values[index + 1] ?? null) === null);
}

function valueRange(low, high, { minimum = null, maximum = null }) {
  if (low === null || !Number.isFinite(low)) return [minimum ?? 0, maximum ?? (minimum ?? 0) + 1];
  const isFlat = high - low <= FLAT * Math.abs(high);
  const margin = Math.abs(high) * 0.2 || 1;
  const [from, to] = isFlat ? [low - margin, high + margin] : uPlot.rangeNum(low, high, 0.08, true);
  const bottom = minimum ?? from;
  return [bottom, Math.max(maximum ?? to, bottom + Number.EPSILON)];
}

function axisStyle() {
  const grid = { stroke: cssColor("--grid"), width: 1 };
  return { stroke: cssColor("--text-muted"), font: FONT, grid, ticks: { ...grid, size: 4 }, gap: 6 };
}
