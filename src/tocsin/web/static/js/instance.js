/** Which machine a page shows: the instances that were measured, and the choice between them. */

import { html } from "./preact.js";
import { findSeries } from "./api.js";
import { Menu } from "./menu.js";
import { change } from "./url.js";

const OWN_JOBS = new Set(["node", "tocsin"]);

/**
 * Names of the instances that were measured, those first that tocsin measures itself.
 * @param {{metric: string, label: string}} variable
 * @param {import("./time.js").Range} range
 * @param {AbortSignal} signal
 * @returns {Promise<string[]>}
 */
export async function readInstances({ metric, label }, range, signal) {
  const found = await findSeries(metric, range, signal);
  const rank = (labels) => (OWN_JOBS.has(labels.job) ? 0 : 1) + (labels[label].includes(":") ? 2 : 0);
  const sorted = found
    .filter((labels) => labels[label])
    .sort((a, b) => rank(a) - rank(b) || (a[label] < b[label] ? -1 : 1));
  return [...new Set(sorted.map((labels) => labels[label]))];
}

/**
 * The instance by name, with a menu where there are several.
 * @param {{title: string, instances: string[], instance: string}} props
 */
export function InstanceChoice({ title, instances, instance }) {
  if (instances.length < 2) return html`<strong>${instance}</strong>`;
  const choices = instances.map((value) => ({ value, text: value }));
  return html`<${Menu} id="instance" label=${title} text=${instance} choices=${choices} chosen=${instance}
    onChoose=${(value) => change({ instance: value }, { push: true })} />`;
}
