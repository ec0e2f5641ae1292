/** Noise: who is told how often, and which rules nobody acts on. */

import { html } from "./preact.js";

export const NOISE_DAYS = 7;
const MOST_RULES = 5;

/** @param {{noise: {receivers: object[], rules: object[]}|null}} props */
export function Noise({ noise }) {
  if (noise === null || noise.receivers.length === 0) return null;
  const idle = noise.rules.filter(({ actedOn, incidents }) => actedOn === 0 && incidents > 0);
  return html`<section class="group noise" aria-label="Noise">
    <h2>Last ${noise.days} days</h2>
    <ul class="items" aria-label="Who is told">${noise.receivers.map(
      (each) => html`<li class="item is-quiet" key=${each.receiver + each.integration}>
        <div class="item-line"><strong>${each.receiver}</strong> <span class="muted">by ${each.integration}</span>
        <span class="summary">${toldText(each.notificationsByDay)}</span></div></li>`,
    )}</ul>
    <h3>${idle.length === 0 ? "Of every rule that fired somebody took notice." : "Nobody acted on these rules. Are they needed?"}</h3>
    ${idle.length > 0 && html`<ul class="items" aria-label="Nobody acted">${idle.slice(0, MOST_RULES).map(
      ({ rule, notifications, incidents }) => html`<li class="item is-quiet" key=${rule}>
        <div class="item-line"><strong>${rule}</strong>
        <span class="summary muted">${countText(notifications, "message")}, ${countText(incidents, "incident")}</span></div></li>`,
    )}</ul>`}
    ${idle.length > MOST_RULES && html`<p class="muted none">and ${idle.length - MOST_RULES} more: tocsin incidents noise</p>`}
  </section>`;
}

/** @param {number[]} byDay @returns {string} 3.4 messages a day, 12 on the busiest */
export function toldText(byDay) {
  const sum = byDay.reduce((total, count) => total + count, 0);
  return `${(sum / byDay.length).toFixed(1)} messages a day, ${Math.max(...byDay)} on the busiest`;
}

const countText = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;
