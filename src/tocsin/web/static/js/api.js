/** The Prometheus HTTP API that tocsin serves: the only source of data for pages. */

import { report } from "./connection.js";

/** An answer that is an error; its message is the server's own sentence. */
export class ApiError extends Error {}

/** No answer at all. */
export class DisconnectedError extends Error {
  constructor() {
    super(`tocsin at ${location.host} does not answer`);
  }
}

/**
 * @typedef {object} Sampled
 * @property {Record<string, string>} metric
 * @property {[number, string][]} [values] of a matrix: seconds and value
 * @property {[number, string]} [value] of a vector
 */

let pending = 0;

/** @returns {boolean} whether requests are on their way */
export const isBusy = () => pending > 0;

async function get(path, params, signal) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) search.append(name, String(value));
  const url = search.size ? `${path}?${search}` : path;
  pending += 1;
  try {
    const response = await fetch(url, { signal, cache: "no-store" });
    report(true);
    return await unwrap(response);
  } catch (error) {
    if (error instanceof ApiError || error.name === "AbortError") throw error;
    report(false);
    throw new DisconnectedError();
  } finally {
    pending -= 1;
  }
}

async function unwrap(response) {
  const text = await response.text();
  try {
    const body = JSON.parse(text);
    if (body.status === "success") return body.data;
    throw new ApiError(body.error ?? `HTTP ${response.status}`);
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError(`HTTP ${response.status}: ${text.slice(0, 200) || response.statusText}`);
  }
}

/**
 * Ask at one moment; a range selector such as `x[1h]` returns every raw sample.
 * @param {string} expr
 * @param {number} timeMs
 * @param {AbortSignal} [signal]
 * @returns {Promise<Sampled[]>}
 */
export async function query(expr, timeMs, signal) {
  return (await get("/api/v1/query", { query: expr, time: timeMs / 1000 }, signal)).result;
}

/**
 * Ask at every step of a range.
 * @param {string} expr
 * @param {{startS: number, endS: number, stepS: number}} grid
 * @param {AbortSignal} [signal]
 * @returns {Promise<Sampled[]>}
 */
export async function queryRange(expr, { startS, endS, stepS }, signal) {
  const params = { query: expr, start: startS, end: endS, step: stepS };
  return (await get("/api/v1/query_range", params, signal)).result;
}

/**
 * The label sets that a selector finds in a range.
 * @param {string} selector
 * @param {import("./time.js").Range} range
 * @param {AbortSignal} [signal]
 * @returns {Promise<Record<string, string>[]>}
 */
export function findSeries(selector, range, signal) {
  const params = { "match[]": selector, start: range.startMs / 1000, end: range.endMs / 1000 };
  return get("/api/v1/series", params, signal);
}

/** @param {AbortSignal} [signal] @returns {Promise<object[]>} pending and firing alerts */
export async function alerts(signal) {
  return (await get("/api/v1/alerts", {}, signal)).alerts;
}

/** @param {AbortSignal} [signal] @returns {Promise<object[]>} alerting rules */
export async function alertingRules(signal) {
  const { groups } = await get("/api/v1/rules", { type: "alert" }, signal);
  return groups.flatMap((group) => group.rules).filter((rule) => rule.type === "alerting");
}

/** @param {AbortSignal} [signal] @returns {Promise<string[]>} */
export function metricNames(signal) {
  return get("/api/v1/label/__name__/values", {}, signal);
}
