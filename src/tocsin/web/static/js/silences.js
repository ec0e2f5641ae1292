/** Silences as they are shown, and what a form makes of them. */

import { matchersOf } from "./matchers.js";
import { toInputValue } from "./time.js";
import { knownName } from "./who.js";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const LENGTHS_MS = { "1h": HOUR_MS, "4h": 4 * HOUR_MS, "1d": DAY_MS };

/** A silence until cleared needs an end all the same; whoever forgets it is told again then. */
const LONGEST_DAYS = 30;

/** How long a silence may last: what stands in the form, and how it reads. */
export const LENGTHS = [
  ["1h", "1 h"],
  ["4h", "4 h"],
  ["1d", "1 d"],
  ["monday", "until Monday 9:00"],
  ["cleared", "until cleared"],
  ["custom", "until…"],
];

/** By how much a silence is extended: the same, as a choice. */
export const EXTENSIONS = LENGTHS.filter(([value]) => value in LENGTHS_MS).map(([value, text]) => ({
  value,
  text: `by ${text}`,
}));

/**
 * @typedef {object} Draft of a silence, as a form holds it
 * @property {object|null} old the silence that is changed
 * @property {import("./matchers.js").Matcher[]} matchers
 * @property {string} length one of LENGTHS
 * @property {string} end of a custom length, as an input has it
 * @property {boolean} isLater whether it starts at `start` and not now
 * @property {string} start
 * @property {string} by
 * @property {string} comment
 */

/** @param {import("./matchers.js").Matcher[]} matchers @param {number} nowMs @returns {Draft} */
export function draftFrom(matchers, nowMs) {
  return {
    old: null,
    matchers: matchers.length > 0 ? matchers : matchersOf({ alertname: "" }),
    length: "1h",
    end: toInputValue(nowMs + 2 * HOUR_MS).slice(0, 16),
    isLater: false,
    start: toInputValue(nowMs + HOUR_MS).slice(0, 16),
    by: knownName(),
    comment: "",
  };
}

/**
 * A draft that changes a silence, or makes one like it again when it has expired.
 * @param {object} silence of the API
 * @param {number} nowMs
 * @returns {Draft}
 */
export function draftOf(silence, nowMs) {
  const { matchers, comment, createdBy, startsAt, endsAt, untilCleared, status } = silence;
  const draft = { ...draftFrom(matchers, nowMs), by: knownName() || createdBy, comment };
  if (status.state === "expired") return draft;
  const end = toInputValue(Date.parse(endsAt));
  const start = toInputValue(Date.parse(startsAt));
  const isLater = status.state === "pending";
  return { ...draft, old: silence, length: untilCleared ? "cleared" : "custom", end, start, isLater };
}

/** @param {number} afterMs @returns {number} the next Monday, 9:00 by the clock on the wall here */
export function nextMonday(afterMs) {
  const date = new Date(afterMs);
  date.setHours(9, 0, 0, 0);
  while (date.getDay() !== 1 || date.getTime() <= afterMs) date.setDate(date.getDate() + 1);
  return date.getTime();
}

/**
 * The silence that a draft describes, as the API takes it. One that has begun keeps its start to the millisecond.
 * @param {Draft} draft
 * @param {number} nowMs
 */
export function silenceOf({ old, matchers, length, end, isLater, start, by, comment }, nowMs) {
  const hasBegun = old?.status.state === "active";
  const startMs = isLater ? new Date(start).getTime() : nowMs;
  return {
    ...(old && { id: old.id }),
    matchers,
    startsAt: hasBegun ? old.startsAt : asTime(startMs),
    endsAt: asTime(endOf(length, end, startMs)),
    createdBy: by.trim(),
    comment: comment.trim(),
    untilCleared: length === "cleared",
  };
}

function endOf(length, end, startMs) {
  if (length === "custom") return new Date(end).getTime();
  if (length === "monday") return nextMonday(startMs);
  return startMs + (LENGTHS_MS[length] ?? LONGEST_DAYS * DAY_MS);
}

/** A time as the API takes it; one that an input left empty is left to the server to refuse. */
const asTime = (ms) => (Number.isFinite(ms) ? new Date(ms).toISOString() : "");

/** @param {object} silence of the API @param {string} length of EXTENSIONS */
export function extended({ id, matchers, startsAt, endsAt, createdBy, comment }, length) {
  const end = asTime(Date.parse(endsAt) + LENGTHS_MS[length]);
  return { id, matchers, startsAt, endsAt: end, createdBy, comment };
}
