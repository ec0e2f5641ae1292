/** The alerting part of the HTTP API: alerts and why, silences, receivers, incidents and what is done about them. */

import { get, send } from "./api.js";
import { matcherText } from "./matchers.js";

const INCIDENTS = "/api/tocsin/incidents";
const SILENCES = "/api/v2/silences";

/** The receiver that there is where none is configured. */
const NOBODY = "nobody";

/** @param {AbortSignal} [signal] @returns {Promise<object[]>} every alert with its state and why, the newest first */
export const alertStates = (signal) => get("/api/tocsin/alerts", {}, signal);

/** @param {AbortSignal} [signal] @returns {Promise<boolean>} whether anybody could be told of an alert */
export async function isAnybodyTold(signal) {
  const receivers = await get("/api/v2/receivers", {}, signal);
  return receivers.some(({ name }) => name !== NOBODY);
}

/**
 * The alerts that satisfy all matchers, whoever hears of them.
 * @param {import("./matchers.js").Matcher[]} matchers
 * @param {AbortSignal} [signal]
 * @returns {Promise<object[]>}
 */
export function alertsThatMatch(matchers, signal) {
  return get(
    "/api/v2/alerts",
    matchers.map((matcher) => ["filter", matcherText(matcher)]),
    signal,
  );
}

/** @param {AbortSignal} [signal] @returns {Promise<object[]>} active ones first, then pending, then expired */
export const silences = (signal) => get(SILENCES, {}, signal);

/** @param {object} silence one with an id is changed @returns {Promise<{silenceID: string}>} */
export const postSilence = (silence) => send("POST", SILENCES, silence);

/** @param {string} id */
export const expireSilence = (id) => send("DELETE", `/api/v2/silence/${encodeURIComponent(id)}`);

/**
 * Incidents, the newest first.
 * @param {string[]} statuses open, acknowledged, resolved; none for all
 * @param {AbortSignal} [signal]
 * @returns {Promise<object[]>}
 */
export function incidents(statuses, signal) {
  return get(
    INCIDENTS,
    statuses.map((status) => ["status", status]),
    signal,
  );
}

/** @param {number} id @param {AbortSignal} [signal] @returns {Promise<object>} with its timeline and levels */
export const incident = (id, signal) => get(`${INCIDENTS}/${id}`, {}, signal);

/** @param {string} month such as 2026-11 @param {AbortSignal} [signal] @returns {Promise<object>} */
export const monthSummary = (month, signal) => get(`${INCIDENTS}/summary`, { month }, signal);

/** @param {number} days with today @param {AbortSignal} [signal] @returns {Promise<object>} who was told, and of what */
export const noise = (days, signal) => get(`${INCIDENTS}/noise`, { days: String(days) }, signal);

/**
 * Do something about an incident.
 * @param {number} id
 * @param {"acknowledge"|"notes"|"escalate"|"merge"} action
 * @param {object} content
 */
export const actOn = (id, action, content) => send("POST", `${INCIDENTS}/${id}/${action}`, content);
