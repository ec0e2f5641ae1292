/** Data that is fetched again and again: the last good answer stays while a newer one is on its way or fails. */

import { useLayoutEffect, useState } from "./preact.js";

/**
 * @template T
 * @typedef {object} Resource
 * @property {T|null} data the last good answer
 * @property {Error|null} error why the newest request failed
 * @property {number} at when (ms) the data came
 */

const NOTHING = { data: null, error: null, at: 0 };

/**
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} fetch
 * @param {string} subject what is asked for; another subject forgets the old answer
 * @param {unknown[]} moments a change of one of these asks again
 * @returns {Resource<T>}
 */
export function useResource(fetch, subject, moments) {
  const [state, setState] = useState({ subject, ...NOTHING });
  useLayoutEffect(() => {
    const abort = new AbortController();
    fetch(abort.signal).then(
      (data) => abort.signal.aborted || setState({ subject, data, error: null, at: Date.now() }),
      (error) =>
        abort.signal.aborted || setState((old) => ({ ...(old.subject === subject ? old : NOTHING), subject, error })),
    );
    return () => abort.abort();
  }, [subject, ...moments]);
  return state.subject === subject ? state : NOTHING;
}
