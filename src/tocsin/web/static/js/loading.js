/** The pages, each loaded when it is first shown, so that none carries the weight of the others. */

import { useEffect, useState } from "./preact.js";

const LOADERS = {
  overview: async () => (await import("./pages/overview.js")).Overview,
  training: async () => (await import("./pages/training.js")).Training,
  storage: async () => (await import("./pages/storage.js")).Storage,
  alerts: async () => (await import("./pages/alerts.js")).Alerts,
  incidents: async () => (await import("./pages/incidents.js")).Incidents,
};
const loaded = {};

/** Load a page, unless that has been done. @param {string} name of its dashboard */
export async function loadPage(name) {
  loaded[name] ??= await LOADERS[name]();
}

/**
 * A page, or null while it is on its way.
 * @param {string} name of its dashboard
 * @param {number} now a change of it tries again after a failure
 * @returns {{Page: Function|null, error: Error|null}}
 */
export function usePage(name, now) {
  const [state, setState] = useState({ name, error: null });
  const moment = loaded[name] ? 0 : now;
  useEffect(() => {
    if (loaded[name]) return;
    loadPage(name).then(
      () => setState({ name, error: null }),
      (error) => setState({ name, error }),
    );
  }, [name, moment]);
  return { Page: loaded[name] ?? null, error: state.name === name ? state.error : null };
}
