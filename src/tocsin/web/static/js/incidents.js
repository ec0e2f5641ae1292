/** Incidents: how they stand, and what comes next when nobody acts. */

import { severityOf } from "./alerts.js";
import { formatClock, formatDuration } from "./time.js";

/** A level that is this late is held up by something. */
const LATE_MS = 30_000;

/** How the statuses look: colour and icon. */
export const LOOKS = {
  open: { level: "critical", icon: "open" },
  acknowledged: { level: "info", icon: "acknowledged" },
  resolved: { level: "ok", icon: "resolved" },
};

/** The icon and the colour of each kind of entry of a timeline. */
export const ENTRY_LOOKS = {
  opened: { icon: "incidents", level: "critical" },
  reopened: { icon: "reopened", level: "critical" },
  "alert fired": { icon: "firing", level: "critical" },
  "alert resolved": { icon: "ok", level: "ok" },
  notified: { icon: "sent", level: "muted" },
  "not notified": { icon: "unsent", level: "warning" },
  escalated: { icon: "up", level: "warning" },
  acknowledged: { icon: "acknowledged", level: "info" },
  unacknowledged: { icon: "acknowledged", level: "warning" },
  note: { icon: "note", level: "muted" },
  action: { icon: "action", level: "info" },
  merged: { icon: "merged", level: "muted" },
  flapping: { icon: "flapping", level: "warning" },
  resolved: { icon: "resolved", level: "ok" },
};

/** For how long somebody acknowledges: as the API takes it, and how it reads. */
export const ACKNOWLEDGED_FOR = [
  ["", "as configured"],
  ["30m", "30 min"],
  ["1h", "1 h"],
  ["4h", "4 h"],
  ["1d", "1 d"],
];

/** @param {{severity: string}} incident @returns {"critical"|"warning"|"info"} */
export const levelOf = ({ severity }) => severityOf(severity);

/** @param {{opened: number, resolved: number|null}} incident @param {number} nowMs @returns {number} how long it lasts */
export const lengthOf = ({ opened, resolved }, nowMs) => Math.max(0, (resolved === null ? nowMs : resolved * 1000) - opened * 1000);

/** @param {{acknowledgement: object|null}} incident @returns {string} Ann until 14:05:00 */
export function acknowledgedText({ acknowledgement }) {
  if (!acknowledgement) return "";
  const { by, until } = acknowledgement;
  return until === null ? by : `${by}, until ${formatClock(until * 1000)}`;
}

/**
 * Which level is told next, and when.
 * @param {object} incident with its levels
 * @returns {{number: number, to: string[], dueMs: number|null}|null} dueMs: null when a person has to begin it;
 *   null when no level follows
 */
export function nextLevel({ status, level, levels, escalatesFrom }) {
  if (status !== "open" || level >= levels.length) return null;
  const { to, after } = levels[level];
  return { number: level + 1, to, dueMs: escalatesFrom === null ? null : (escalatesFrom + after) * 1000 };
}

/** @param {object} incident with levels @param {number} nowMs @returns {string} what comes when nobody acts */
export function nextText(incident, nowMs) {
  const { status, levels, escalation, level } = incident;
  if (status === "resolved") return "It is over; nobody else is told.";
  if (escalation === null || levels.length === 0) return "It does not escalate: no escalation is configured for it.";
  if (status === "acknowledged") return "Nobody else is told while it is acknowledged.";
  const next = nextLevel(incident);
  if (next === null) return `All levels were told (${level} of ${levels.length}).`;
  const who = `Level ${next.number} of ${levels.length} (${next.to.join(", ")})`;
  if (next.dueMs === null) return `${who} waits until somebody begins the escalation.`;
  if (nowMs - next.dueMs > LATE_MS) return `${who} waits: what fires is kept quiet, or nobody could be told.`;
  const inText = next.dueMs > nowMs ? `at ${formatClock(next.dueMs)}, in ${formatDuration(next.dueMs - nowMs)}` : "now";
  return `${who} is told ${inText}, unless somebody acknowledges.`;
}

/** @param {number} nowMs @returns {string} the month as the API has it: 2026-11 */
export const monthOf = (nowMs) => new Date(nowMs).toISOString().slice(0, 7);

/** @param {string} month @param {number} count @returns {string} so many months later */
export function laterMonth(month, count) {
  const [year, number] = month.split("-").map(Number);
  return monthOf(Date.UTC(year, number - 1 + count, 1));
}

/** @param {string} month @returns {string} November 2026 */
export function monthText(month) {
  const format = { month: "long", year: "numeric", timeZone: "UTC" };
  return new Date(`${month}-01T00:00:00Z`).toLocaleDateString("en-GB", format);
}
