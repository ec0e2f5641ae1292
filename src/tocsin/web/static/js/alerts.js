/** Alerts: which fire now, when they fired in the time shown, and which charts they concern. */

import { html, useState } from "./preact.js";
import { alertingRules, queryRange } from "./api.js";
import { alertStates } from "./desk.js";
import { Icon } from "./icons.js";
import { labelsText } from "./matchers.js";
import { metricsIn } from "./promql.js";
import { gridOf } from "./series.js";
import { formatClock, formatDuration, formatMoment } from "./time.js";
import { linkTo } from "./url.js";

const RANK = { critical: 0, page: 0, error: 0, high: 0, warning: 1, medium: 1, info: 2, low: 2 };
const NO_SEVERITY = "none";
const MOST_SHOWN = 5;
const OF_STORAGE = /^tocsin_(storage|remote_write)_/;
const HIDDEN_LABELS = new Set(["alertname", "severity"]);

/**
 * @typedef {object} Alert
 * @property {string} key its labels, which no other alert has
 * @property {string} name
 * @property {"critical"|"warning"|"info"} severity
 * @property {string} word the severity as its rule has it
 * @property {boolean} isProblem false of alerts that always fire to show that alerting works
 * @property {string} state firing, pending, silenced, inhibited or muted
 * @property {string} why it is in this state
 * @property {number} sinceMs
 * @property {string} summary
 * @property {Record<string, string>} labels
 * @property {Record<string, string>} annotations
 * @property {object|null} rule null where it came from outside
 * @property {string[]} receivers
 * @property {string[]} silencedBy
 * @property {boolean} isFlapping
 * @property {number|null} incident
 *
 * @typedef {object} Firing a time during which an alert fired
 * @property {string} name
 * @property {string} severity
 * @property {number} fromMs
 * @property {number} toMs
 * @property {Record<string, string>} labels
 * @property {Set<string>} metrics that its rule speaks of
 */

/**
 * The alerts of this moment and the rules behind them. Firing and pending are those that are problems.
 * @param {AbortSignal} signal
 * @returns {Promise<{all: Alert[], firing: Alert[], pending: Alert[], rules: object[]}>}
 */
export async function readAlerts(signal) {
  const [states, rules] = await Promise.all([alertStates(signal), alertingRules(signal)]);
  const all = states.map(readAlert).sort((a, b) => RANK[a.severity] - RANK[b.severity] || a.sinceMs - b.sinceMs);
  const inState = (state) => all.filter((alert) => alert.isProblem && alert.state === state);
  return { all, firing: inState("firing"), pending: inState("pending"), rules };
}

/**
 * When alerts fired in a range, as far as they left series.
 * @param {import("./time.js").Range} range
 * @param {AbortSignal} signal
 * @returns {Promise<object[]>}
 */
export async function readHistory(range, signal) {
  const found = await queryRange('ALERTS{alertstate="firing"}', gridOf(range), signal);
  return found.flatMap(({ metric, values }) => intervals(metric, values, range));
}

/**
 * All firing times: those of the past, and those of alerts that fire but have left no series yet.
 * @param {object[]|null} past of {@link readHistory}; null while it is on its way
 * @param {{firing: Alert[], rules: object[]}|null} alerts of {@link readAlerts}
 * @param {number} endMs
 * @returns {Firing[]}
 */
export function firingTimes(past, alerts, endMs) {
  if (past === null || alerts === null) return [];
  const { firing, rules } = alerts;
  const ruleOf = new Map(rules.map((rule) => [rule.name, rule]));
  const unseen = firing.filter((alert) => !past.some((time) => isOf(time, alert)));
  const present = unseen.map(({ name, severity, sinceMs, labels }) => {
    const waitMs = 1000 * (ruleOf.get(name)?.duration ?? 0);
    return { name, severity, labels, fromMs: sinceMs + waitMs, toMs: endMs };
  });
  return [...past, ...present].map((time) => ({ ...time, metrics: metricsIn(ruleOf.get(time.name)?.query ?? "") }));
}

/** @param {string|undefined} text of the label @returns {"critical"|"warning"|"info"} */
export function severityOf(text) {
  const rank = RANK[(text || "warning").toLowerCase()] ?? 1;
  return ["critical", "warning", "info"][rank];
}

function readAlert({ labels, annotations, state, why, since, rule, receivers, silencedBy, flapping, incident }) {
  return {
    key: labelsText(labels),
    name: labels.alertname ?? "without a name",
    severity: severityOf(labels.severity),
    word: labels.severity || "warning",
    isProblem: labels.severity !== NO_SEVERITY,
    state,
    why,
    sinceMs: since * 1000,
    summary: annotations.summary ?? annotations.description ?? "",
    labels,
    annotations,
    rule,
    receivers,
    silencedBy,
    isFlapping: flapping,
    incident,
  };
}

function intervals(metric, values, { stepS, endMs }) {
  const { __name__: _, alertstate: __, ...labels } = metric;
  const found = [];
  for (const [second] of values) {
    const last = found.at(-1);
    const toMs = Math.min(second * 1000, endMs);
    if (last && second * 1000 - last.toMs <= stepS * 1500) last.toMs = toMs;
    else found.push({ name: metric.alertname, severity: severityOf(metric.severity), fromMs: toMs, toMs, labels });
  }
  return found;
}

const isOf = (time, { name, labels }) =>
  time.name === name && Object.entries(time.labels).every(([key, value]) => labels[key] === value);

/**
 * The firing times that concern a chart: their rule speaks of a metric shown there, and no label contradicts.
 * @param {Firing[]} history
 * @param {{aliases: string[]}} panel
 * @param {string[]} exprs
 * @param {Record<string, string>} chosen labels of the page, such as instance or run
 * @returns {Firing[]}
 */
export function firingFor(history, panel, exprs, chosen) {
  const shown = new Set([...(panel.aliases ?? []), ...exprs.flatMap((expr) => [...metricsIn(expr)])]);
  const concerns = ({ metrics, labels }) =>
    [...metrics].some((name) => shown.has(name)) &&
    Object.entries(chosen).every(([name, value]) => labels[name] === undefined || labels[name] === value);
  return history.filter(concerns);
}

/**
 * A firing time as a mark of a chart.
 * @param {Firing} firing
 * @param {(ms: number) => number} toX
 */
export function markOf({ name, severity, fromMs, toMs }, toX) {
  const text = `${name} fired from ${formatClock(fromMs)} to ${formatClock(toMs)}`;
  return { from: toX(fromMs), to: toX(toMs), severity, text };
}

/**
 * The list of alerts that fire, or one calm line.
 * @param {object} props
 * @param {import("./resource.js").Resource<object>} props.resource
 * @param {number} props.now
 * @param {boolean} [props.isQuiet] leave the calm line out
 */
export function AlertList({ resource, now, isQuiet = false }) {
  const { data, error } = resource;
  const [isLong, setLong] = useState(false);
  if (data === null && error)
    return html`<p class="alert-line" role="alert">
      <${Icon} name="critical" /> The alerts could not be read: ${error.message}</p>`;
  if (isQuiet && (data === null || data.firing.length === 0)) return null;
  if (data === null) return html`<p class="alert-line muted" aria-hidden="true">\u00a0</p>`;
  const { firing, pending, rules } = data;
  const waiting =
    pending.length > 0 &&
    html`<span class="muted">${pending.length} pending: ${pending.map(({ name }) => name).join(", ")}</span>`;
  if (firing.length === 0) {
    return html`<p class="alert-line"><span class="is-ok"><${Icon} name="ok" /> Nothing is firing.</span>
      <span class="muted">${rules.length} ${rules.length === 1 ? "rule watches" : "rules watch"}.</span> ${waiting}</p>`;
  }
  const hidden = firing.length - MOST_SHOWN;
  const more = isLong ? "show less" : `+${hidden} more firing`;
  const shown = isLong ? firing : firing.slice(0, MOST_SHOWN);
  return html`<ul class="alerts" aria-label="Alerts firing">
      ${shown.map((alert) => html`<${AlertItem} alert=${alert} now=${now} />`)}</ul>
    ${
      (waiting || hidden > 0) &&
      html`<p class="alert-line">
      ${hidden > 0 && html`<button class="link" onClick=${() => setLong(!isLong)}>${more}</button>`} ${waiting}</p>`
    }`;
}

/**
 * The page that an alert belongs to: of a run Training, of a rule over tocsin's own storage Storage, else Overview.
 * @param {{name: string, labels: Record<string, string>}} alert
 * @param {object[]} rules
 * @returns {"overview"|"training"|"storage"}
 */
export function homeOf({ name, labels }, rules) {
  if (labels.run !== undefined) return "training";
  const rule = rules.find((each) => each.name === name);
  const isOfStorage = [...metricsIn(rule?.query ?? "")].some((metric) => OF_STORAGE.test(metric));
  return isOfStorage ? "storage" : "overview";
}

/** Says that charts lack their marks. @param {{error: Error|null}} props */
export function MarksProblem({ error }) {
  return error && html`<p class="alert-line is-warning">When alerts fired could not be read: ${error.message}</p>`;
}

function AlertItem({ alert, now }) {
  const labels = Object.entries(alert.labels).filter(([name]) => !HIDDEN_LABELS.has(name));
  return html`<li class="alert is-${alert.severity}">
    <span class="severity"><${Icon} name=${alert.severity} /> ${alert.severity}</span>
    <strong><a ...${linkTo("/alerts", { alert: alert.key })}>${alert.name}</a></strong>
    <span class="summary">${alert.summary}</span>
    <time datetime=${new Date(alert.sinceMs).toISOString()} title=${formatMoment(alert.sinceMs)}>
      for ${formatDuration(Math.max(0, now - alert.sinceMs))}</time>
    <span class="labels">${labels.map(([name, value]) => html`<code>${name}="${value}"</code>`)}</span>
  </li>`;
}
