/** The silences that there are: active ones, those to come, and those that ended in the last days. */

import { html, useState } from "./preact.js";
import { expireSilence, postSilence } from "./desk.js";
import { Icon } from "./icons.js";
import { matcherText } from "./matchers.js";
import { Menu } from "./menu.js";
import { EXTENSIONS, extended } from "./silences.js";
import { formatDuration, formatMoment } from "./time.js";

const CURRENT = ["active", "pending"];
const WORDS = { active: "active", pending: "to come", expired: "ended" };

/**
 * @param {object} props
 * @param {object[]} props.silences of the API
 * @param {import("./alerts.js").Alert[]} props.alerts
 * @param {number} props.now
 * @param {(silence: object) => void} props.onEdit
 * @param {() => void} props.onChanged
 */
export function SilenceList({ silences, alerts, now, onEdit, onChanged }) {
  const inState = (state) => silences.filter((silence) => silence.status.state === state);
  const expired = inState("expired").sort((a, b) => (a.endsAt < b.endsAt ? 1 : -1));
  const current = [...inState("active"), ...inState("pending")];
  const row = (silence) => html`<${SilenceRow} key=${silence.id} silence=${silence} now=${now}
    count=${alerts.filter(({ silencedBy }) => silencedBy.includes(silence.id)).length} onEdit=${onEdit} onChanged=${onChanged} />`;
  return html`
    ${current.length === 0 && html`<p class="muted">Nothing is silenced.</p>`}
    ${current.length > 0 && html`<ul class="items" aria-label="Silences">${current.map(row)}</ul>`}
    ${
      expired.length > 0 &&
      html`<details class="ended"><summary>${expired.length} ended in the last days</summary>
        <ul class="items" aria-label="Silences that ended">${expired.map(row)}</ul></details>`
    }`;
}

function SilenceRow({ silence, count, now, onEdit, onChanged }) {
  const { matchers, createdBy, comment, status } = silence;
  const [problem, setProblem] = useState("");
  const attempt = async (action) => {
    try {
      await action();
      setProblem("");
      onChanged();
    } catch (error) {
      setProblem(error.message);
    }
  };
  return html`<li class="item silence-row is-${status.state === "active" ? "info" : "muted"}" data-silence=${status.state}>
    <span class="state"><${Icon} name=${status.state === "pending" ? "pending" : "silenced"} /> ${WORDS[status.state]}</span>
    <span class="chips">${matchers.map((matcher) => html`<code class="chip" key=${matcherText(matcher)}>${matcherText(matcher)}</code>`)}</span>
    <span class="muted"><${When} silence=${silence} now=${now} />${status.state === "active" && ` · ${quietText(count)}`}</span>
    <span class="saying">${createdBy}${comment && html`<span class="muted">: ${comment}</span>`}</span>
    <${Actions} silence=${silence} count=${count} onEdit=${onEdit} attempt=${attempt} />
    ${problem && html`<p class="problem" role="alert"><${Icon} name="critical" /> ${problem}</p>`}
  </li>`;
}

const quietText = (count) =>
  count === 0 ? "keeps nothing quiet now" : `keeps ${count} ${count === 1 ? "alert" : "alerts"} quiet`;

function When({ silence: { startsAt, endsAt, untilCleared, status }, now }) {
  const [startMs, endMs] = [startsAt, endsAt].map(Date.parse);
  const title = `${formatMoment(startMs)} – ${formatMoment(endMs)}`;
  const texts = {
    active: untilCleared ? "until cleared" : `ends in ${formatDuration(Math.max(0, endMs - now))}`,
    pending: `starts in ${formatDuration(Math.max(0, startMs - now))}, ${
      untilCleared ? "until cleared" : `for ${formatDuration(endMs - startMs)}`
    }`,
    expired: `ended ${formatDuration(Math.max(0, now - endMs))} ago`,
  };
  return html`<span title=${title}>${texts[status.state]}</span>`;
}

function Actions({ silence, count, onEdit, attempt }) {
  const [isSure, setSure] = useState(false);
  const { id, status, untilCleared } = silence;
  if (status.state === "expired")
    return html`<span class="actions"><button onClick=${() => onEdit(silence)}>Silence again</button></span>`;
  if (isSure) {
    const told = count === 1 ? "1 alert is told again." : `${count} alerts are told again.`;
    return html`<span class="actions"><span>${count > 0 && told}</span>
      <button class="danger" onClick=${() => attempt(() => expireSilence(id))}>End it now</button>
      <button onClick=${() => setSure(false)}>Keep it</button></span>`;
  }
  const extend = (length) => attempt(() => postSilence(extended(silence, length)));
  return html`<span class="actions">
    <button onClick=${() => onEdit(silence)}>Edit</button>
    ${!untilCleared && html`<${Menu} id="extend-${id}" label="Extend" text="Extend" choices=${EXTENSIONS} chosen="" onChoose=${extend} />`}
    <button onClick=${() => setSure(true)}>End</button></span>`;
}

/** @param {object[]} silences @returns {string} 2 active, 1 to come */
export const countsText = (silences) =>
  CURRENT.map((state) => [silences.filter(({ status }) => status.state === state).length, WORDS[state]])
    .filter(([count]) => count > 0)
    .map(([count, word]) => `${count} ${word}`)
    .join(", ");
