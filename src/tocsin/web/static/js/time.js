/** Time ranges, steps and how times are written. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const UNIT_MS = { s: SECOND, m: MINUTE, h: HOUR, d: DAY };

/** The ranges that are offered, as they stand in the URL. */
export const RANGES = ["5m", "15m", "1h", "3h", "6h", "12h", "24h", "2d", "7d", "30d"];

/** The refresh intervals that are offered, as they stand in the URL. */
export const REFRESHES = ["off", "1s", "5s", "10s", "30s", "1m"];

const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
const MAX_POINTS = 400;

/** The end of the year 9999: later times are slips, and dates cannot hold the latest of them. */
const MAX_TIME_MS = 253402300799999;

/**
 * @typedef {object} Range
 * @property {number} startMs
 * @property {number} endMs
 * @property {number} stepS seconds between the points of a chart
 * @property {boolean} isLive whether the end moves with the clock
 */

/**
 * Read a duration such as 15m.
 * @param {string} text
 * @returns {number|null} milliseconds, or null when it is no duration
 */
export function parseDuration(text) {
  const match = /^(\d+)([smhd])$/.exec(text ?? "");
  return match ? Number(match[1]) * UNIT_MS[match[2]] : null;
}

/**
 * A time range with the step that suits it.
 * @param {number} startMs
 * @param {number} endMs
 * @param {boolean} isLive
 * @returns {Range}
 */
export function makeRange(startMs, endMs, isLive) {
  return { startMs, endMs, isLive, stepS: stepFor(endMs - startMs) };
}

/**
 * The begin and end that the URL names, if it names two times that a date can hold.
 * @param {Record<string, string>} params
 * @returns {[number, number]|null} milliseconds
 */
export function absoluteRange(params) {
  if (!params.from || !params.to) return null;
  const [from, to] = [Number(params.from), Number(params.to)];
  return from < to && from >= 0 && to <= MAX_TIME_MS ? [from, to] : null;
}

/**
 * The range that the URL names, seen from now.
 * @param {Record<string, string>} params of the URL: `range`, or `from` and `to` in milliseconds
 * @param {number} nowMs
 * @param {string} fallback the range when the URL names none
 * @returns {Range}
 */
export function resolveRange(params, nowMs, fallback) {
  const absolute = absoluteRange(params);
  if (absolute) return makeRange(...absolute, false);
  const lengthMs = parseDuration(params.range) ?? parseDuration(fallback);
  return makeRange(nowMs - lengthMs, nowMs, true);
}

/**
 * The round number of seconds between points that keeps a chart under 400 points.
 * @param {number} lengthMs
 * @returns {number}
 */
export function stepFor(lengthMs) {
  const wanted = lengthMs / SECOND / MAX_POINTS;
  return STEPS_S.find((step) => step >= wanted) ?? STEPS_S.at(-1);
}

/**
 * A duration in at most two units: 2 h 11 min.
 * @param {number} ms
 * @returns {string}
 */
export function formatDuration(ms) {
  const parts = [
    [DAY, "d"],
    [HOUR, "h"],
    [MINUTE, "min"],
    [SECOND, "s"],
  ];
  if (ms < SECOND) return "0 s";
  const first = parts.findIndex(([size]) => ms >= size);
  const [size, name] = parts[first];
  const whole = Math.floor(ms / size);
  const [nextSize, nextName] = parts[first + 1] ?? [];
  const rest = nextSize && whole < 10 ? Math.floor((ms - whole * size) / nextSize) : 0;
  return rest ? `${whole} ${name} ${rest} ${nextName}` : `${whole} ${name}`;
}

/**
 * How a range of the URL is read aloud: last 15 min.
 * @param {Record<string, string>} params
 * @param {string} fallback
 * @returns {string}
 */
export function describeRange(params, fallback) {
  const absolute = absoluteRange(params);
  if (absolute) {
    const [from, to] = absolute;
    return `${formatMoment(from)} – ${sameDay(from, to) ? formatClock(to) : formatMoment(to)}`;
  }
  return describeRelative(parseDuration(params.range) ? params.range : fallback);
}

/** @param {string} range such as 15m @returns {string} last 15 min */
export const describeRelative = (range) => `last ${range.replace(/\D/, (unit) => ` ${unit === "m" ? "min" : unit}`)}`;

const pad = (number) => String(number).padStart(2, "0");
const sameDay = (a, b) => new Date(a).toDateString() === new Date(b).toDateString();

/** @param {number} ms @returns {string} 14:03:05 */
export function formatClock(ms) {
  const date = new Date(ms);
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

/** @param {number} ms @returns {string} 21 Nov 14:03:05 */
export function formatMoment(ms) {
  return `${formatDay(ms)} ${formatClock(ms)}`;
}

/** @param {number} ms @returns {string} 21 Nov */
export function formatDay(ms) {
  return new Date(ms).toLocaleDateString("en-GB", { day: "numeric", month: "short" });
}

/**
 * The labels of a time axis.
 * @param {number[]} seconds
 * @param {number} distanceS between two ticks
 * @returns {string[]}
 */
export function formatTimeTicks(seconds, distanceS) {
  return seconds.map((second) => {
    const clock = formatClock(second * SECOND);
    if (distanceS >= 86400 || clock === "00:00:00") return formatDay(second * SECOND);
    return distanceS < 60 ? clock : clock.slice(0, 5);
  });
}

/**
 * A time for an `<input type="datetime-local">`.
 * @param {number} ms
 * @returns {string}
 */
export function toInputValue(ms) {
  const date = new Date(ms);
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return `${day}T${formatClock(ms)}`;
}
