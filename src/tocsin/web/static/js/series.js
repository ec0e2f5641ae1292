/** Answers of the API as columns for charts. */

/**
 * @typedef {object} Line
 * @property {string} name what the legend says
 * @property {(number|null)[]} values null where there is no sample
 * @property {(number|null)[]} [low] least value of each point, when points stand for many samples
 * @property {(number|null)[]} [high]
 */

/**
 * @typedef {object} Frame
 * @property {number[]} x seconds, or steps
 * @property {Line[]} lines
 */

/**
 * The points of time at which a range is asked: multiples of the step, the last one being now.
 * @param {import("./time.js").Range} range
 * @returns {{startS: number, endS: number, stepS: number}}
 */
export function gridOf(range) {
  const { startMs, endMs, stepS } = range;
  return {
    startS: Math.floor(startMs / 1000 / stepS) * stepS,
    endS: Math.ceil(endMs / 1000 / stepS) * stepS,
    stepS,
  };
}

/**
 * The times of a grid; the last is drawn at the end of the range instead of up to a step behind it.
 * @param {{startS: number, endS: number, stepS: number}} grid
 * @param {number} endS
 * @returns {number[]}
 */
export function gridTimes({ startS, endS: lastS, stepS }, endS) {
  const count = Math.round((lastS - startS) / stepS) + 1;
  return Array.from({ length: count }, (_, index) => Math.min(startS + index * stepS, endS));
}

/**
 * Put samples of a grid into a column; what is missing is null.
 * @param {[number, string][]} samples
 * @param {{startS: number, stepS: number}} grid
 * @param {number} length
 * @returns {(number|null)[]}
 */
export function column(samples, { startS, stepS }, length) {
  const values = new Array(length).fill(null);
  for (const [second, text] of samples) {
    const index = Math.round((second - startS) / stepS);
    if (index >= 0 && index < length) values[index] = parseValue(text);
  }
  return values;
}

/** @param {string} text a sample value of the API @returns {number} */
export function parseValue(text) {
  if (text === "+Inf") return Infinity;
  return text === "-Inf" ? -Infinity : Number(text);
}

/** @param {(number|null)[]} values @returns {number|null} the last value that exists */
export function lastValue(values) {
  for (let index = values.length - 1; index >= 0; index -= 1) if (values[index] !== null) return values[index];
  return null;
}

/**
 * The last value at or before a place on the x axis.
 * @param {number[]} x
 * @param {(number|null)[]} values
 * @param {number} limit
 * @returns {number|null}
 */
export function valueBefore(x, values, limit) {
  for (let index = x.length - 1; index >= 0; index -= 1) {
    if (x[index] <= limit && values[index] !== null) return values[index];
  }
  return null;
}

/**
 * Least and greatest finite value of a line, of all samples that its points stand for.
 * @param {Line} line
 * @returns {[number|null, number|null]}
 */
export function extremes({ values, low = values, high = values }) {
  let [least, greatest] = [Infinity, -Infinity];
  for (const value of low) if (value !== null && Number.isFinite(value) && value < least) least = value;
  for (const value of high) if (value !== null && Number.isFinite(value) && value > greatest) greatest = value;
  return least > greatest ? [null, null] : [least, greatest];
}

/**
 * Running sums from the first line up, for stacked areas; a gap in one line adds nothing.
 * @param {Line[]} lines
 * @returns {(number|null)[][]}
 */
export function stack(lines) {
  const sums = [];
  lines.forEach(({ values }, row) => {
    const below = sums[row - 1];
    sums.push(values.map((value, index) => (below?.[index] == null ? value : below[index] + (value ?? 0))));
  });
  return sums;
}
