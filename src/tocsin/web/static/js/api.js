/** The HTTP API that tocsin serves: the only source of data for pages. */

import { report } from "./connection.js";

/** An answer that is an error; its message is the server's own sentence. */
export class ApiError extends Error {
  /** @param {string} sentence @param {number} status of HTTP */
  constructor(sentence, status) {
    super(sentence);
    this.status = status;
  }
}

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

/**
 * Read something.
 * @param {string} path
 * @param {Record<string, string|number>|[string, string][]} params of the URL; pairs where a name stands several times
 * @param {AbortSignal} [signal]
 * @returns {Promise<unknown>}
 */
export function get(path, params, signal) {
  const search = new URLSearchParams(params).toString();
  return ask(search ? `${path}?${search}` : path, { signal });
}

/**
 * Change something.
 * @param {"POST"|"DELETE"} method
 * @param {string} path
 * @param {object} [content]
 * @returns {Promise<unknown>}
 */
export function send(method, path, content) {
  const body = content && { body: JSON.stringify(content), headers: { "Content-Type": "application/json" } };
  return ask(path, { method, ...body });
}

async function ask(url, options) {
  pending += 1;
  try {
    const response = await fetch(url, { cache: "no-store", ...options });
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

/** Prometheus wraps what it answers; Alertmanager does not, and writes an error as a JSON string or with a message. */
async function unwrap(response) {
  const text = await response.text();
  const body = parse(text);
  if (body?.status === "success") return body.data;
  if (response.ok && body !== undefined && body?.status !== "error") return body;
  const plain = `HTTP ${response.status}: ${text.slice(0, 200) || response.statusText}`;
  const sentence = typeof body === "string" ? body : (body?.error ?? body?.message ?? plain);
  throw new ApiError(sentence, response.status);
}

/** What JSON says; null when nothing stands there, undefined when it is none. */
function parse(text) {
  try {
    return text === "" ? null : JSON.parse(text);
  } catch {
    return undefined;
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

/** @param {AbortSignal} [signal] @returns {Promise<object[]>} alerting rules */
export async function alertingRules(signal) {
  const { groups } = await get("/api/v1/rules", { type: "alert" }, signal);
  return groups.flatMap((group) => group.rules).filter((rule) => rule.type === "alerting");
}

/** @param {AbortSignal} [signal] @returns {Promise<string[]>} */
export function metricNames(signal) {
  return get("/api/v1/label/__name__/values", {}, signal);
}

/** @param {AbortSignal} [signal] @returns {Promise<object>} the figures of the embedded store; 404 without one */
export function storageUsage(signal) {
  return get("/api/tocsin/storage", {}, signal);
}

/** @param {AbortSignal} [signal] @returns {Promise<string>} the instance that this server measures itself as */
export async function hostname(signal) {
  return (await get("/api/v1/status/runtimeinfo", {}, signal)).hostname;
}
