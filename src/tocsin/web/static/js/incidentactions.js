/** What a person does about an incident: acknowledge, say something, escalate, make one of two. */

import { html, useRef, useState } from "./preact.js";
import { actOn } from "./desk.js";
import { Icon } from "./icons.js";
import { ACKNOWLEDGED_FOR } from "./incidents.js";
import { NameField, keepName, knownName } from "./who.js";

/**
 * @param {object} props
 * @param {object} props.incident
 * @param {object[]} props.others incidents that it could be merged into
 * @param {() => void} props.onDone
 */
export function IncidentActions({ incident, others, onDone }) {
  const { id, status, levels } = incident;
  const [name, setName] = useState(knownName);
  const [problem, setProblem] = useState({});
  const [isBusy, setBusy] = useState(false);
  const field = useRef(null);
  const act = async (action, content) => {
    if (name.trim() === "") {
      setProblem({ [action]: "Write your name first." });
      field.current.querySelector("input").focus();
      return false;
    }
    setBusy(true);
    keepName(name.trim());
    try {
      await actOn(id, action, { by: name.trim(), ...content });
      setProblem({});
      onDone();
      return true;
    } catch (error) {
      setProblem({ [action]: error.message });
      return false;
    } finally {
      setBusy(false);
    }
  };
  const common = { act, problem, isBusy };
  const isOver = status === "resolved";
  return html`<section class="group doing" aria-label="Actions">
    <div ref=${field}><${NameField} name=${name} onName=${setName} /></div>
    ${!isOver && html`<${Acknowledge} ...${common} status=${status} hasLevels=${levels.length > 0} />`}
    ${status === "open" && levels.length > 0 && html`<${Escalate} ...${common} />`}
    <${Note} ...${common} />
    ${others.length > 0 && html`<${Merge} ...${common} others=${others} />`}
  </section>`;
}

const submitting = (action) => (event) => {
  event.preventDefault();
  action(event.target);
};

const Problem = ({ text }) => text && html`<p class="problem" role="alert"><${Icon} name="critical" /> ${text}</p>`;

function Acknowledge({ act, problem, isBusy, status, hasLevels }) {
  const [lasts, setLasts] = useState("");
  const onSubmit = submitting(() => act("acknowledge", lasts ? { for: lasts } : {}));
  const text = (value, word) => (value === "" && !hasLevels ? "until it is over" : word);
  return html`<form class="doing-row" onSubmit=${onSubmit}>
    <button class=${status === "open" ? "primary" : ""} disabled=${isBusy}><${Icon} name="acknowledged" />
      ${status === "open" ? "Acknowledge" : "Acknowledge anew"}</button>
    <label>for <select aria-label="For how long" value=${lasts} onChange=${(event) => setLasts(event.target.value)}>${ACKNOWLEDGED_FOR.map(
      ([value, word]) => html`<option key=${value} value=${value}>${text(value, word)}</option>`,
    )}</select></label>
    <${Problem} text=${problem.acknowledge} /></form>`;
}

function Escalate({ act, problem, isBusy }) {
  return html`<form class="doing-row" onSubmit=${submitting(() => act("escalate", {}))}>
    <button disabled=${isBusy}><${Icon} name="up" /> Escalate now</button>
    <span class="muted">The levels begin with the first, at once.</span>
    <${Problem} text=${problem.escalate} /></form>`;
}

function Note({ act, problem, isBusy }) {
  const [text, setText] = useState("");
  const onSubmit = submitting(async () => (await act("notes", { text })) && setText(""));
  return html`<form class="doing-row" onSubmit=${onSubmit}>
    <textarea aria-label="Note" rows="2" maxlength="4000" placeholder="What you found, what you tried" value=${text}
      onInput=${(event) => setText(event.target.value)}></textarea>
    <button disabled=${isBusy || text.trim() === ""}><${Icon} name="note" /> Add note</button>
    <${Problem} text=${problem.notes} /></form>`;
}

function Merge({ act, problem, isBusy, others }) {
  const [into, setInto] = useState("");
  return html`<form class="doing-row" onSubmit=${submitting(() => act("merge", { into: Number(into) }))}>
    <select aria-label="Merge into" value=${into} onChange=${(event) => setInto(event.target.value)}>
      <option value="">Merge into…</option>
      ${others.map(({ id, title }) => html`<option key=${id} value=${id}>#${id} ${title}</option>`)}</select>
    <button disabled=${isBusy || into === ""}><${Icon} name="merged" /> Merge</button>
    ${into && html`<span class="muted">Its alerts and its timeline go to #${into}; this number leads there.</span>`}
    <${Problem} text=${problem.merge} /></form>`;
}
