/** Whether the server answers; one thin bar says when it does not. */

import { useEffect, useState } from "./preact.js";

const RETRY_MS = 2000;
const watchers = new Set();
let lostAt = null;
let timer = null;

/** @param {boolean} reached whether the last request got an answer, whatever it was */
export function report(reached) {
  const now = reached ? null : (lostAt ?? Date.now());
  if (now === lostAt) return;
  lostAt = now;
  watchers.forEach((watch) => watch(lostAt));
  clearInterval(timer);
  if (!reached) timer = setInterval(probe, RETRY_MS);
}

async function probe() {
  try {
    await fetch("/-/healthy", { cache: "no-store" });
    report(true);
  } catch {
    // Still away; the next probe follows.
  }
}

/** @returns {number|null} since when (ms) the server has been away, or null */
export function useLostAt() {
  const [at, setAt] = useState(lostAt);
  useEffect(() => {
    watchers.add(setAt);
    setAt(lostAt);
    return () => watchers.delete(setAt);
  }, []);
  return at;
}
