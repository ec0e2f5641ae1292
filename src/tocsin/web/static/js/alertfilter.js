/** Which alerts are shown: words, matchers, a severity and a state, all kept in the address. */

import { html } from "./preact.js";
import { Icon } from "./icons.js";
import { matcherText, parseMatcher, predicateOf } from "./matchers.js";
import { Menu } from "./menu.js";
import { change } from "./url.js";

const TOKEN = /(?:[^\s"]|"(?:[^"\\]|\\.)*")+|"/g;
const ANY = "";

/** The states in the order in which they are shown. */
export const STATES = ["firing", "pending", "silenced", "inhibited", "muted"];

const tokensOf = (text) => (text ?? "").match(TOKEN) ?? [];

/** @param {string|undefined} text of the filter @returns {import("./matchers.js").Matcher[]} those that stand in it */
export const matchersIn = (text) => tokensOf(text).map(parseMatcher).filter(Boolean);

/**
 * A function that says whether an alert is shown.
 * @param {Record<string, string>} params of the URL: q, severity, state
 * @returns {(alert: import("./alerts.js").Alert) => boolean}
 */
export function filterOf({ q, severity, state }) {
  const tests = tokensOf(q).map(testOf);
  if (severity) tests.push((alert) => alert.word === severity);
  if (state) tests.push((alert) => alert.state === state);
  return (alert) => tests.every((test) => test(alert));
}

function testOf(token) {
  const matcher = parseMatcher(token);
  if (matcher) {
    const satisfies = predicateOf(matcher);
    return ({ labels }) => satisfies(labels);
  }
  const wanted = token.replaceAll('"', "").toLowerCase();
  return ({ name, summary, labels }) =>
    [name, summary, ...Object.values(labels)].some((text) => text.toLowerCase().includes(wanted));
}

/** Show only alerts that have this label. @param {string} name @param {string} value */
export function narrowTo(name, value) {
  const text = matcherText({ name, value, isEqual: true, isRegex: false });
  const { q } = Object.fromEntries(new URLSearchParams(location.search));
  if (!tokensOf(q).includes(text)) change({ q: [q, text].filter(Boolean).join(" ") });
}

/**
 * @param {object} props
 * @param {Record<string, string>} props.params of the URL
 * @param {import("./alerts.js").Alert[]} props.alerts all that there are
 */
export function AlertFilter({ params, alerts }) {
  const severities = [...new Set([...alerts.map(({ word }) => word), params.severity].filter(Boolean))];
  const isActive = params.q || params.severity || params.state;
  return html`<div class="filter" role="search" aria-label="Filter alerts">
    <span class="field"><${Icon} name="search" />
      <input id="alert-filter" type="search" aria-label="Filter by text or label" autocomplete="off" spellcheck=${false}
        placeholder='Filter: words, severity="critical", instance=~"gpu.*"' value=${params.q ?? ""}
        onInput=${(event) => change({ q: event.target.value || null })} /></span>
    <${Choice} id="severity" title="Severity" values=${severities} chosen=${params.severity} />
    <${Choice} id="state" title="State" values=${STATES} chosen=${params.state} />
    ${isActive && html`<button class="link" onClick=${() => change({ q: null, severity: null, state: null })}>Show all</button>`}
  </div>`;
}

function Choice({ id, title, values, chosen = ANY }) {
  const any = `any ${title.toLowerCase()}`;
  const choices = [{ value: ANY, text: any }, ...values.map((value) => ({ value, text: value }))];
  return html`<${Menu} id="filter-${id}" label=${title} text=${chosen || any} choices=${choices} chosen=${chosen}
    onChoose=${(value) => change({ [id]: value || null })} />`;
}
