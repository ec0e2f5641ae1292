/** Between time and training step: the SDK writes `training_step` at every time at which it writes a value. */

/** How many times the distance that 95 of 100 samples keep is a gap; thinned samples are spaced unevenly. */
const GAP_FACTOR = 10;

/**
 * @typedef {object} StepAxis
 * @property {(second: number) => number|null} toStep the step at a time: that of the last sample before
 * @property {(step: number) => number} toSecond when a step was first reached
 * @property {[number, number]} range first and last step
 */

/**
 * @param {import("./runs.js").Values[]} series of one run
 * @returns {StepAxis|null} null when the run has taken no step
 */
export function makeStepAxis(series) {
  const found = series.find(({ labels }) => labels.__name__ === "training_step");
  if (!found) return null;
  const points = found.times.map((second, index) => [second, (found.high ?? found.values)[index]]);
  const present = points.filter(([, step]) => step !== null);
  if (present.length === 0) return null;
  const kept = withoutRepeats(present);
  return {
    toStep: (second) => present[lastIndex(present, (point) => point[0] <= second)]?.[1] ?? null,
    toSecond: (step) =>
      kept[
        Math.max(
          0,
          lastIndex(kept, (point) => point[1] <= step),
        )
      ][0],
    range: [kept[0][1], kept.at(-1)[1]],
  };
}

/** Only the last attempt at each step: a run that resumes from a checkpoint repeats some. */
function withoutRepeats(points) {
  const kept = [];
  for (const point of points) {
    while (kept.length && kept.at(-1)[1] >= point[1]) kept.pop();
    kept.push(point);
  }
  return kept;
}

/** Index of the last element of a sorted array for which a condition, true at first, still holds; −1 for none. */
function lastIndex(array, holds) {
  let [low, high] = [0, array.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(array[middle])) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/**
 * The frame of one metric of a run over time.
 * @param {import("./runs.js").Values[]} series of that metric
 * @param {(labels: Record<string, string>) => string} nameOf
 * @returns {import("./series.js").Frame}
 */
export function frameOverTime(series, nameOf) {
  const x =
    series.length === 1 ? series[0].times : [...new Set(series.flatMap(({ times }) => times))].sort((a, b) => a - b);
  const rowOf = new Map(x.map((second, row) => [second, row]));
  const spread = (times, values) => {
    if (!values || times === x) return values;
    const column = new Array(x.length).fill(null);
    times.forEach((second, index) => (column[rowOf.get(second)] = values[index]));
    return bridged(column, x, limitOf(times));
  };
  const lines = series.map(({ labels, times, values, low, high }) => ({
    name: nameOf(labels),
    values: spread(times, values),
    low: spread(times, low),
    high: spread(times, high),
  }));
  return withGaps({ x, lines });
}

/**
 * The same frame over steps; of several points at a step the last one stays.
 * @param {import("./series.js").Frame} frame
 * @param {StepAxis} axis
 * @returns {import("./series.js").Frame}
 */
export function frameOverSteps({ x, lines }, axis) {
  const points = x
    .map((second, row) => [row, axis.toStep(second)])
    .filter(([row, step]) => step !== null && hasValue(lines, row));
  const kept = withoutRepeats(points);
  const pick = (values) => values && kept.map(([row]) => values[row]);
  return withGaps({
    x: kept.map(([, step]) => step),
    lines: lines.map(({ name, values, low, high }) => ({
      name,
      values: pick(values),
      low: pick(low),
      high: pick(high),
    })),
  });
}

/** Put an empty row where neighbours are much further apart than usual, so that no line bridges a silence. */
function withGaps(frame) {
  const { x, lines } = frame;
  const limit = limitOf(x);
  const rows = x.flatMap((place, row) => (row > 0 && place - x[row - 1] > limit ? [null, row] : [row]));
  if (rows.length === x.length) return frame;
  const pick = (values) => values && rows.map((row) => (row === null ? null : values[row]));
  return {
    x: rows.map((row, index) => (row === null ? (x[rows[index - 1]] + x[rows[index + 1]]) / 2 : x[row])),
    lines: lines.map((line) => ({ ...line, values: pick(line.values), low: pick(line.low), high: pick(line.high) })),
  };
}

/** The distance from which on two neighbours are not joined. */
function limitOf(places) {
  const distances = places
    .slice(1)
    .map((place, row) => place - places[row])
    .sort((a, b) => a - b);
  return GAP_FACTOR * (distances[Math.floor(0.95 * distances.length)] ?? Infinity);
}

/** A line goes on at the places of the other lines: its last value holds until its next, where that is near. */
function bridged(column, x, limit) {
  const whole = [...column];
  let last = null;
  column.forEach((value, row) => {
    if (value === null) return;
    if (last !== null && x[row] - x[last] <= limit) whole.fill(column[last], last + 1, row);
    last = row;
  });
  return whole;
}

const hasValue = (lines, row) => lines.some(({ values }) => values[row] !== null);
