/** The state of the page lives in the URL: path, run, range, axis, isolation. */

import { useEffect, useState } from "./preact.js";

const CHANGED = "tocsin:url";

/**
 * @typedef {object} Place
 * @property {string} path
 * @property {Record<string, string>} params
 */

/** @returns {Place} */
export function here() {
  return { path: location.pathname, params: Object.fromEntries(new URLSearchParams(location.search)) };
}

/**
 * The address of a page with parameters; empty ones are left out.
 * @param {string} path
 * @param {Record<string, string|null|undefined>} [params]
 * @returns {string}
 */
export function address(path, params = {}) {
  const set = Object.entries(params).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const search = new URLSearchParams(set).toString();
  return search ? `${path}?${search}` : path;
}

/**
 * Go to another page; what holds everywhere (range, refresh) goes along.
 * @param {string} path
 * @param {Record<string, string>} [params]
 */
export function go(path, params = {}) {
  const { range, from, to, refresh } = here().params;
  show(address(path, { range, from, to, refresh, ...params }), { push: true });
}

/**
 * The attributes of a link to another page, which is shown without loading anything anew.
 * @param {string} path
 * @param {Record<string, string>} [params]
 */
export function linkTo(path, params = {}) {
  const { range, from, to, refresh } = here().params;
  const href = address(path, { range, from, to, refresh, ...params });
  return { href, onClick: (event) => follow(event, href) };
}

/** A click with a key held opens another tab or window, as everywhere. */
function follow(event, href) {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  show(href, { push: true });
}

/**
 * Change parameters of this page; null removes one.
 * @param {Record<string, string|null>} patch
 * @param {{push?: boolean, state?: object}} [how] push: the browser's "back" undoes it
 */
export function change(patch, { push = false, state = null } = {}) {
  const { path, params } = here();
  show(address(path, { ...params, ...patch }), { push, state });
}

function show(url, { push = false, state = null }) {
  if (url === location.pathname + location.search) return;
  history[push ? "pushState" : "replaceState"](state, "", url);
  dispatchEvent(new Event(CHANGED));
}

/** Zoom to a range in milliseconds, so that {@link zoomBack} returns. */
export function zoomTo(fromMs, toMs) {
  const range = { from: String(Math.floor(fromMs)), to: String(Math.ceil(toMs)), range: null };
  change(range, { push: true, state: { zoomed: true } });
}

/** Undo the last zoom, or leave the absolute range of a link. */
export function zoomBack() {
  if (history.state?.zoomed) history.back();
  else if (here().params.from) change({ from: null, to: null });
}

/** The current place, renewed when it changes. @returns {Place} */
export function usePlace() {
  const [place, setPlace] = useState(here);
  useEffect(() => {
    const renew = () => setPlace(here());
    const events = [CHANGED, "popstate"];
    events.forEach((name) => addEventListener(name, renew));
    return () => events.forEach((name) => removeEventListener(name, renew));
  }, []);
  return place;
}
