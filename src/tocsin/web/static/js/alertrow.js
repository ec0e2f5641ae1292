/** One alert on the Alerts page: a line that opens to everything that is known about it. */

import { html } from "./preact.js";
import { narrowTo } from "./alertfilter.js";
import { copyText } from "./copy.js";
import { Icon, IconButton } from "./icons.js";
import { formatDuration, formatMoment } from "./time.js";
import { formatValue } from "./units.js";
import { change, linkTo } from "./url.js";

const IN_THE_LINE = new Set(["alertname", "severity"]);
const SHOWN_APART = new Set(["summary", "description", "runbook", "runbook_url"]);

/** Labels as chips. @param {{labels: Record<string, string>, hidden?: Set<string>}} props */
export function Chips({ labels, hidden = new Set() }) {
  const shown = Object.entries(labels).filter(([name]) => !hidden.has(name));
  return html`<span class="chips">${shown.map(
    ([name, value]) => html`<code class="chip" key=${name}><span class="muted">${name}=</span>${value}</code>`,
  )}</span>`;
}

/** A severity as icon and word. @param {{level: string, word: string}} props */
export const Severity = ({ level, word }) =>
  html`<span class="severity is-${level}"><${Icon} name=${level} /> ${word}</span>`;

/**
 * @param {object} props
 * @param {import("./alerts.js").Alert} props.alert
 * @param {number} props.now
 * @param {boolean} props.isOpen
 * @param {(alert: import("./alerts.js").Alert) => void} props.onSilence
 */
export function AlertRow({ alert, now, isOpen, onSilence }) {
  const { key, name, severity, word, isProblem, sinceMs, summary, labels, rule } = alert;
  const toggle = () => change({ alert: isOpen ? null : key });
  return html`<li class="item ${isProblem ? `is-${severity}` : "is-muted"}" data-alert=${name}>
    <button class="item-line" aria-expanded=${String(isOpen)} onClick=${toggle}>
      <${Severity} level=${isProblem ? severity : "alive"} word=${word} />
      <strong>${name}</strong>
      <span class="summary">${summary}</span>
      <span class="reading" title=${rule?.value}>${rule && formatValue(Number(rule.value), "number")}</span>
      <${Since} ms=${sinceMs} now=${now} />
      <${Icon} name="chevron" />
      <${Chips} labels=${labels} hidden=${IN_THE_LINE} />
    </button>
    ${isOpen && html`<${Details} alert=${alert} onSilence=${onSilence} />`}
  </li>`;
}

/** How long ago something began. @param {{ms: number, now: number}} props */
export const Since = ({ ms, now }) =>
  html`<time datetime=${new Date(ms).toISOString()} title="since ${formatMoment(ms)}">
    ${formatDuration(Math.max(0, now - ms))}</time>`;

function Details({ alert, onSilence }) {
  const { annotations, incident, receivers, isProblem, isFlapping, why, state } = alert;
  const further = Object.entries(annotations).filter(([name]) => !SHOWN_APART.has(name));
  const runbook = annotations.runbook_url ?? annotations.runbook;
  const told = receivers.length > 0 ? receivers.join(", ") : "nobody";
  return html`<div class="item-more">
    <dl class="facts">
      <${Fact} name="Why ${state}">${asSentence(why)}${isFlapping && " It comes and goes again and again."}</${Fact}>
      ${annotations.description && html`<${Fact} name="Description">${annotations.description}</${Fact}>`}
      ${runbook && html`<${Fact} name="Runbook"><${Address} text=${runbook} /></${Fact}>`}
      <${Rule} alert=${alert} />
      <${Fact} name="Receivers">${told}</${Fact}>
      ${incident !== null && html`<${Fact} name="Incident"><a class="link" ...${linkTo("/incidents", { id: incident })}>#${incident}</a></${Fact}>`}
      <${Fact} name="Labels"><${LabelButtons} labels=${alert.labels} /></${Fact}>
      ${further.map(([name, text]) => html`<${Fact} key=${name} name=${name}><${Address} text=${text} /></${Fact}>`)}
    </dl>
    ${isProblem && html`<p class="actions"><button onClick=${() => onSilence(alert)}><${Icon} name="silenced" /> Silence…</button></p>`}
  </div>`;
}

const Fact = ({ name, children }) => html`<div><dt>${name}</dt><dd>${children}</dd></div>`;

/** An address on the web is a link; anything else, a script among them, is text. */
const Address = ({ text }) =>
  /^https?:\/\//.test(text)
    ? html`<a class="link" href=${text} target="_blank" rel="noopener noreferrer">${text}</a>`
    : text;

function Rule({ alert: { rule } }) {
  if (!rule) return html`<${Fact} name="From">outside: another program reported it</${Fact}>`;
  const lasting = rule.for > 0 ? ` for ${formatDuration(rule.for * 1000)}` : "";
  const copy = () => copyText(rule.expression, "Expression");
  return html`<${Fact} name="Expression"><span class="expression"><code>${rule.expression}</code>
      <${IconButton} name="copy" label="Copy the expression" onClick=${copy} /></span></${Fact}>
    <${Fact} name="Rule">${rule.name}${lasting}, group ${rule.group} of ${rule.file}</${Fact}>`;
}

function LabelButtons({ labels }) {
  return html`<span class="chips">${Object.entries(labels).map(
    ([name, value]) => html`<button class="chip" key=${name} title="Show only alerts with this label"
      onClick=${() => narrowTo(name, value)}><code><span class="muted">${name}=</span>${value}</code></button>`,
  )}</span>`;
}

/** @param {string} text @returns {string} with a capital letter and a full stop */
export const asSentence = (text) => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
