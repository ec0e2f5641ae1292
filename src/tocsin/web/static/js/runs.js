/** Training runs: which there are, how they stand, and the values of one. */

import { findSeries, query, queryRange } from "./api.js";
import { quote, substitute } from "./promql.js";
import { gridOf, parseValue } from "./series.js";
import { makeRange } from "./time.js";

const FACTS =
  '{__name__=~"training_(status|step|total_steps|start_time_seconds|steps_per_second|steps_dropped_total)"}';
const VALUES = '__name__=~"training_[a-zA-Z0-9_]+"';
const STATES = ["idle", "running", "complete", "failed"];
const MEMORY = "7d";
const RENEW_ALL_MS = 60_000;
const SILENT_MS = 60_000;
const MOST_RAW = 3000;

/**
 * @typedef {object} Run
 * @property {string} name
 * @property {"idle"|"running"|"complete"|"failed"|"silent"} state silent: it said running, and is not heard of
 * @property {number|null} step
 * @property {number|null} totalSteps
 * @property {number|null} startMs
 * @property {number|null} stepsPerSecond
 * @property {number} dropped steps that never reached the server
 * @property {number|null} seenMs when its newest step was taken; null when that is some minutes ago
 */

/**
 * A reader of runs. Ended runs are asked for once a minute, and when a run disappears; runs that
 * still move are asked for each time.
 * @returns {(nowMs: number, signal: AbortSignal) => Promise<Run[]>} newest first
 */
export function makeRunReader() {
  let facts = new Map();
  let readAllMs = 0;
  return async (nowMs, signal) => {
    const [moving, seen] = await Promise.all([
      query(FACTS, nowMs, signal),
      query("timestamp(training_step)", nowMs, signal),
    ]);
    const names = new Set(moving.map(({ metric }) => metric.run));
    const lost = [...facts.values()].some((run) => run.seenMs && !names.has(run.name));
    if (lost || nowMs - readAllMs > RENEW_ALL_MS) {
      facts = collect(new Map(), await query(`last_over_time(${FACTS}[${MEMORY}])`, nowMs, signal));
      readAllMs = nowMs;
    }
    facts = collect(facts, moving);
    const seenMs = new Map(seen.map(({ metric, value }) => [metric.run, Number(value[1]) * 1000]));
    facts.forEach((run, name) => facts.set(name, { ...run, seenMs: seenMs.get(name) ?? null }));
    return [...facts.values()].map((run) => asRun(run, nowMs)).sort((a, b) => (b.startMs ?? 0) - (a.startMs ?? 0));
  };
}

function collect(facts, samples) {
  const found = new Map(facts);
  for (const { metric, value } of samples) {
    const name = metric.run ?? "";
    found.set(name, { ...found.get(name), name, [metric.__name__.replace("training_", "")]: parseValue(value[1]) });
  }
  return found;
}

function asRun({ name, status, step = null, seenMs, ...more }, nowMs) {
  const {
    total_steps: total,
    start_time_seconds: start,
    steps_per_second: speed,
    steps_dropped_total: dropped = 0,
  } = more;
  const stated = STATES[status] ?? "idle";
  const patienceMs = Math.max(SILENT_MS, speed > 0 ? 10_000 / speed : 0);
  const isSilent = stated === "running" && (seenMs === null || nowMs - seenMs > patienceMs);
  return {
    name,
    state: isSilent ? "silent" : stated,
    step,
    totalSteps: total > 0 ? total : null,
    startMs: start > 0 ? start * 1000 : null,
    stepsPerSecond: speed ?? null,
    dropped,
    seenMs,
  };
}

/**
 * @typedef {object} Values one series of a run
 * @property {Record<string, string>} labels
 * @property {number[]} times seconds
 * @property {(number|null)[]} values
 * @property {(number|null)[]} [low]
 * @property {(number|null)[]} [high]
 *
 * @typedef {object} RunData
 * @property {import("./time.js").Range} range what the data covers
 * @property {Values[]} series
 * @property {string[]} metrics names that the section of further values shows
 */

/**
 * Read all values of a run: every sample while they are few, else least, mean and greatest of each step of time.
 * @param {Run} run
 * @param {import("./time.js").Range|null} asked null for the whole run
 * @param {string} each selector of further values
 * @param {number} nowMs
 * @param {AbortSignal} signal
 * @returns {Promise<RunData>}
 */
export async function readRun(run, asked, each, nowMs, signal) {
  const isOver = run.seenMs === null || run.state === "complete" || run.state === "failed";
  const startMs = run.startMs ?? nowMs - 3_600_000;
  const outer = asked ?? makeRange(startMs, Math.max(nowMs, startMs + 1000), true);
  const { count, lastMs } = await extent(run, outer, signal);
  const range = !asked && isOver && lastMs ? makeRange(startMs, lastMs, false) : outer;
  const found = await findSeries(substitute(each, { run: run.name }), range, signal);
  const metrics = [...new Set(found.map((labels) => labels.__name__))].sort();
  const series = count <= MOST_RAW ? await rawValues(run, range, signal) : await condensed(run, range, signal);
  return { range, series: withoutCopies(series), metrics };
}

/** A run that pushes and is scraped as well has each series twice: the fuller one stays. */
function withoutCopies(series) {
  const kept = new Map();
  for (const one of series) {
    const { job: _, instance: __, ...labels } = one.labels;
    const key = JSON.stringify(Object.entries(labels).sort());
    if (sampleCount(one) > sampleCount(kept.get(key))) kept.set(key, { ...one, labels });
  }
  return [...kept.values()];
}

const sampleCount = (series) => series?.values.filter((value) => value !== null).length ?? 0;

/** How many steps a run took in a range, and when (rounded up to a step of the range) the last was. */
async function extent(run, range, signal) {
  const expr = `count_over_time(training_step{run="${quote(run.name)}"}[${range.stepS}s])`;
  const answers = await queryRange(expr, gridOf(range), signal);
  const total = ({ values }) => values.reduce((sum, [, count]) => sum + Number(count), 0);
  const last = ({ values }) => values.at(-1)[0] * 1000;
  if (answers.length === 0) return { count: 0, lastMs: null };
  return { count: Math.max(...answers.map(total)), lastMs: Math.min(Math.max(...answers.map(last)), range.endMs) };
}

async function rawValues(run, { startMs, endMs }, signal) {
  const expr = `{${VALUES},run="${quote(run.name)}"}[${Math.ceil(endMs - startMs) + 1}ms]`;
  const found = await query(expr, endMs, signal);
  return found.map(({ metric, values }) => ({
    labels: metric,
    times: values.map(([second]) => second),
    values: values.map(([, text]) => parseValue(text)),
  }));
}

async function condensed(run, range, signal) {
  const found = await findSeries(`{${VALUES},run="${quote(run.name)}"}`, range, signal);
  const names = [...new Set(found.map((labels) => labels.__name__))];
  return (await Promise.all(names.map((name) => condensedMetric(run, name, range, signal)))).flat();
}

async function condensedMetric(run, name, range, signal) {
  const grid = gridOf(range);
  const ask = (kind) =>
    queryRange(`${kind}_over_time(${name}{run="${quote(run.name)}"}[${range.stepS}s])`, grid, signal);
  const [means, lows, highs] = await Promise.all(["avg", "min", "max"].map(ask));
  const keyOf = (metric) => JSON.stringify(Object.entries(metric).sort());
  const byKey = (answers) =>
    new Map(answers.map(({ metric, values }) => [keyOf(metric), values.map(([, text]) => parseValue(text))]));
  const [low, high] = [byKey(lows), byKey(highs)];
  return means.map(({ metric, values }) => ({
    labels: { ...metric, __name__: name },
    times: values.map(([second]) => Math.min(second, range.endMs / 1000)),
    values: values.map(([, text]) => parseValue(text)),
    low: low.get(keyOf(metric)),
    high: high.get(keyOf(metric)),
  }));
}
