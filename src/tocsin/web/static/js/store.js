/** The store: its figures, what was lost lately, and what both together say. */

import { hostname, query } from "./api.js";
import { quote } from "./promql.js";
import { formatCount, formatDays } from "./units.js";

const RECENT = "10m";
const RECENT_TEXT = "10 min";
const FULL_SOON_DAYS = 30;

const LOSSES = [
  { metric: "tocsin_storage_rejected_samples_total", by: "reason", what: "refused" },
  { metric: "tocsin_samples_dropped_total", by: "reason", what: "not taken on arrival" },
  { metric: "tocsin_remote_write_samples_dropped_total", by: "name, reason", what: "given up by remote write" },
];

/**
 * @typedef {object} Loss samples that were lost in the last minutes
 * @property {number} count
 * @property {string} what became of them
 * @property {string[]} causes
 *
 * @typedef {object} Verdict
 * @property {"ok"|"warning"|"info"} level
 * @property {string} word
 * @property {string[]} sentences
 */

let ownName = null;

/** @param {AbortSignal} signal @returns {Promise<string>} the `instance` of what this tocsin measures of itself */
export async function readOwnName(signal) {
  ownName ??= await hostname(signal);
  return ownName;
}

/**
 * What this tocsin lost in the last minutes, which is known when it measures itself.
 * @param {string} metric that every tocsin has of itself
 * @param {number} nowMs
 * @param {AbortSignal} signal
 * @returns {Promise<{isMeasured: boolean, losses: Loss[]}>}
 */
export async function readLosses(metric, nowMs, signal) {
  const here = `{instance="${quote(await readOwnName(signal))}"}`;
  const exprs = [metric + here, ...LOSSES.map((loss) => lossExpr(loss, here))];
  const [measured, ...answers] = await Promise.all(exprs.map((expr) => query(expr, nowMs, signal)));
  const losses = answers.map((answer, row) => lossOf(answer, LOSSES[row])).filter(({ count }) => count > 0);
  return { isMeasured: measured.length > 0, losses };
}

/** A series that did not exist before has risen by all that it shows. */
function lossExpr({ metric, by }, here) {
  const counter = metric + here;
  return `sum by (${by}) ((${counter} unless ${counter} offset ${RECENT}) or increase(${counter}[${RECENT}])) > 0`;
}

function lossOf(answer, { what }) {
  const count = Math.ceil(answer.reduce((sum, { value }) => sum + Number(value[1]), 0));
  const causes = answer.map(({ metric: { name, reason } }) => (name ? `${name}: ${reason}` : reason));
  return { count, what, causes };
}

/**
 * @param {import("./resource.js").Resource<object>} usage of the API
 * @returns {boolean} whether an engine elsewhere keeps the samples
 */
export const isElsewhere = ({ error }) => error?.status === 404;

/**
 * Whether anything is wrong with the store, and what.
 * @param {import("./resource.js").Resource<object>} usage of the API: with figures, or an engine elsewhere
 * @param {import("./resource.js").Resource<{isMeasured: boolean, losses: Loss[]}>} lately of {@link readLosses}
 * @returns {Verdict}
 */
export function judge(usage, lately) {
  const problems = [...lossProblems(lately), ...(isElsewhere(usage) ? [] : diskProblems(usage.data))];
  if (problems.length > 0) return { level: "warning", word: "warning", sentences: problems };
  const calm = lately.data.isMeasured
    ? `Nothing was refused in the last ${RECENT_TEXT}.`
    : "Whether samples are refused is not known yet: tocsin has not measured itself in the last minutes.";
  if (isElsewhere(usage))
    return { level: "info", word: "elsewhere", sentences: [asSentence(usage.error.message), calm] };
  const isKnown = lately.data.isMeasured;
  return { level: isKnown ? "ok" : "info", word: isKnown ? "ok" : "unknown", sentences: [calm, roomText(usage.data)] };
}

function lossProblems({ data, error }) {
  if (error) return [asSentence(`Whether samples were refused could not be read: ${error.message}`)];
  return data.losses.map(({ count, what, causes }) => {
    const samples = `${formatCount(count)} ${count === 1 ? "sample was" : "samples were"}`;
    return `${samples} ${what} in the last ${RECENT_TEXT} (${causes.join(", ")}).`;
  });
}

function diskProblems({ daysUntilFull: days }) {
  return days !== null && days <= FULL_SOON_DAYS ? [`The disk will be full in ${formatDays(days)}.`] : [];
}

/**
 * Whether the disk lasts.
 * @param {{bytesPerDay: number|null, daysUntilFull: number|null}} usage
 * @returns {string}
 */
export function roomText({ bytesPerDay, daysUntilFull }) {
  if (bytesPerDay === null) return "Whether the disk lasts is known after an hour.";
  return daysUntilFull === null
    ? "All that is kept fits on the disk."
    : `The disk lasts for ${formatDays(daysUntilFull)}.`;
}

const asSentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
