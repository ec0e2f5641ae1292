/** Values as people write them: 12.3 GiB, 45 ms, 28 %, 3.0e-4; at most four digits. */

const KIBI = 1024;
const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"].map((name, power) => [KIBI ** power, name]);
const DECIMAL = [
  [1, ""],
  [1e3, "k"],
  [1e6, "M"],
  [1e9, "G"],
  [1e12, "T"],
];
const TIME = [
  [1e-9, "ns"],
  [1e-6, "µs"],
  [1e-3, "ms"],
  [1, "s"],
  [60, "min"],
  [3600, "h"],
  [86400, "d"],
];

/** Seconds that look round in some unit of time: 1, 2, 5 of each power of ten below one, then parts of a minute, … */
const TIME_DISTANCES_S = [
  ...[-9, -8, -7, -6, -5, -4, -3, -2, -1].flatMap((power) => [1, 2, 5].map((digit) => digit * 10 ** power)),
  ...[1, 2, 5, 10, 15, 30],
  ...[1, 2, 5, 10, 15, 30].map((minutes) => 60 * minutes),
  ...[1, 2, 3, 6, 12].map((hours) => 3600 * hours),
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500].map((days) => 86_400 * days),
];

const withSuffix = (scales, suffix) => scales.map(([size, name]) => [size, name + suffix]);

/** Per unit: the scales to choose from (size, name), smallest first, and a factor applied before. */
const UNITS = {
  number: { scales: DECIMAL, scientific: true },
  percent: { scales: [[1, "%"]] },
  ratio: { scales: [[1, "%"]], factor: 100 },
  bytes: { scales: BINARY, binary: true },
  bytes_per_second: { scales: withSuffix(BINARY, "/s"), binary: true },
  per_second: { scales: withSuffix(DECIMAL, "/s") },
  steps_per_second: { scales: withSuffix(DECIMAL, " steps/s") },
  seconds: { scales: TIME },
  celsius: { scales: [[1, "°C"]] },
  watts: { scales: withSuffix(DECIMAL, "W") },
};

/** A tick with more does not fit beside the chart. */
const MOST_TICK_DECIMALS = 2;

const spec = (unit) => UNITS[unit] ?? UNITS.number;

function scaleFor(magnitude, scales) {
  // A fourth digit is spent on no unit: 1000 MiB is written 0.98 GiB.
  let chosen = scales[0][0] < 1 ? scales[0] : scales.find(([size]) => size === 1);
  for (const scale of scales) if (magnitude >= scale[0] * (scale[0] >= KIBI ? 0.9765 : 1)) chosen = scale;
  return magnitude === 0 ? scales.find(([size]) => size === 1) : chosen;
}

function threeDigits(value) {
  if (Number.isInteger(value)) return String(value);
  const magnitude = Math.abs(value);
  if (magnitude >= 100) return value.toFixed(0);
  if (magnitude >= 10) return value.toFixed(1);
  return magnitude >= 1 ? value.toFixed(2) : value.toFixed(3);
}

function percentDigits(value) {
  const magnitude = Math.abs(value);
  return value === 0 || magnitude >= 10 ? value.toFixed(0) : value.toFixed(magnitude >= 0.1 ? 1 : 2);
}

const join = (digits, name) => `${digits.replace("-", "−")} ${name}`.replace(/ +/g, " ").trim();

const scientific = (value, digits = 1) => value.toExponential(digits).replace(/^-/, "−");

/**
 * One value with its unit; a value that is missing is a dash, NaN and infinity are named.
 * @param {number|null|undefined} value
 * @param {string} unit a name of `tocsin.dashboards.Unit`
 * @returns {string}
 */
export function formatValue(value, unit) {
  if (value === null || value === undefined) return "–";
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "−Inf";
  const { scales, factor = 1, scientific: small = false } = spec(unit);
  const scaled = value * factor;
  const magnitude = Math.abs(scaled);
  if (small && magnitude > 0 && magnitude < 0.01) return scientific(scaled);
  const [size, name] = scaleFor(magnitude, scales);
  return join(name === "%" ? percentDigits(scaled) : threeDigits(scaled / size), name);
}

/**
 * The labels of an axis: all in the same unit, with as many decimals as the distance of ticks needs.
 * @param {number[]} ticks
 * @param {string} unit
 * @returns {string[]}
 */
export function formatTicks(ticks, unit) {
  const { scales, factor = 1, scientific: small = false } = spec(unit);
  const shown = ticks.filter((tick) => tick !== null).map((tick) => tick * factor);
  const largest = Math.max(...shown.map(Math.abs), 0);
  const distance = shown.length > 1 ? Math.abs(shown[1] - shown[0]) : largest || 1;
  const isTiny = small && largest > 0 && largest < 0.01;
  const [size, name] = tickScale(largest, distance, scales);
  const mantissa = decimalsFor(distance / 10 ** Math.floor(Math.log10(largest)), 3);
  const decimals = decimalsFor(distance / size, 6);
  return ticks.map((tick) => {
    if (tick === null) return null;
    const scaled = tick * factor;
    if (scaled === 0) return "0";
    return isTiny ? scientific(scaled, mantissa) : join((scaled / size).toFixed(decimals), shortName(name));
  });
}

/** The scale of the largest tick, or the next smaller one in which ticks at this distance read as short numbers. */
function tickScale(largest, distance, scales) {
  const usual = scaleFor(largest, scales);
  const smaller = scales.slice(0, scales.indexOf(usual) + 1).reverse();
  return smaller.find(([size]) => decimalsFor(distance / size, 6) <= MOST_TICK_DECIMALS) ?? usual;
}

/** How many decimals tell multiples of a distance apart. */
function decimalsFor(distance, most) {
  let decimals = 0;
  while (decimals < most && Math.abs(distance * 10 ** decimals - Math.round(distance * 10 ** decimals)) > 1e-6)
    decimals += 1;
  return decimals;
}

const shortName = (name) => (name.includes("steps/s") ? name.replace(" steps/s", "") : name);

/**
 * The distances between ticks that look round in this unit.
 * @param {string} unit
 * @returns {number[]|undefined} undefined leaves the choice to uPlot
 */
export function tickDistances(unit) {
  if (spec(unit).scales === TIME) return TIME_DISTANCES_S;
  if (!spec(unit).binary) return undefined;
  const round = [1, 2, 4, 5, 8, 10, 16, 20, 32, 50, 64, 100, 128, 200, 256, 500, 512];
  return BINARY.flatMap(([size]) => round.map((digit) => digit * size)).sort((a, b) => a - b);
}

/**
 * Two values with their unit, written once when it is the same: 7.62 – 8.27 steps/s.
 * @param {number} low
 * @param {number} high
 * @param {string} unit
 * @returns {string}
 */
export function formatSpan(low, high, unit) {
  const [from, to] = [formatValue(low, unit), formatValue(high, unit)];
  const name = (text) => text.slice(text.indexOf(" ") + 1);
  const isShared = from.includes(" ") && name(from) === name(to);
  return `${isShared ? from.slice(0, from.indexOf(" ")) : from} – ${to}`;
}

/**
 * How much a value moved, in words of its unit; percentages move by points.
 * @param {number} now
 * @param {number} before
 * @param {string} unit
 * @returns {string} empty when there is nothing to say
 */
export function formatChange(now, before, unit) {
  if (![now, before].every(Number.isFinite)) return "";
  const isPercentage = unit === "percent" || unit === "ratio";
  if (!isPercentage && before === 0) return "";
  const change = isPercentage ? (now - before) * (spec(unit).factor ?? 1) : (100 * (now - before)) / Math.abs(before);
  if (Math.abs(change) < 0.5) return "steady";
  const size = Math.abs(change) >= 1000 ? `× ${threeDigits(now / before)}` : Math.abs(change).toFixed(0);
  if (size.startsWith("×")) return size;
  const word = size === "1" ? "point" : "points";
  return `${change > 0 ? "▲" : "▼"} ${size} ${isPercentage ? word : "%"}`;
}

/**
 * A whole number with its thousands apart: 14 220.
 * @param {number} value
 * @returns {string}
 */
export function formatCount(value) {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
}

/**
 * A time of days as people say it: 3.2 days, 12 days; less than a day in hours.
 * @param {number} days
 * @returns {string}
 */
export function formatDays(days) {
  if (days * 24 < 1) return "less than an hour";
  if (days > 3650) return "over 10 years";
  const [count, word] = days < 1 ? [days * 24, "hour"] : [days, "day"];
  const text = count < 10 ? count.toFixed(1).replace(/\.0$/, "") : count.toFixed(0);
  return `${text} ${word}${text === "1" ? "" : "s"}`;
}
