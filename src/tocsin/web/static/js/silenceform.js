/** The silence editor: what is kept quiet, for how long, by whom and why, and which alerts that means now. */

import { html, useEffect, useState } from "./preact.js";
import { ApiError } from "./api.js";
import { Severity } from "./alertrow.js";
import { severityOf } from "./alerts.js";
import { alertsThatMatch, postSilence } from "./desk.js";
import { Dialog } from "./dialog.js";
import { Icon, IconButton } from "./icons.js";
import { OPERATOR_WORDS, operatorFlags, operatorOf } from "./matchers.js";
import { LENGTHS, silenceOf } from "./silences.js";
import { NameField, keepName } from "./who.js";

const TYPING_MS = 250;
const MOST_SHOWN = 3;
const OF_PARAMETER = /^invalid parameter "filter": /;

/**
 * @param {object} props
 * @param {import("./silences.js").Draft} props.draft
 * @param {string[]} props.labelNames offered
 * @param {() => void} props.onClose
 * @param {() => void} props.onSaved
 */
export function SilenceForm({ draft: initial, labelNames, onClose, onSaved }) {
  const [draft, setDraft] = useState(initial);
  const [problem, setProblem] = useState("");
  const preview = usePreview(draft.matchers);
  const patch = (change) => setDraft((old) => ({ ...old, ...change }));
  const title = initial.old ? "Edit silence" : "New silence";
  const onSubmit = async (event) => {
    event.preventDefault();
    keepName(draft.by.trim());
    try {
      await postSilence(silenceOf(draft, Date.now()));
      onSaved();
    } catch (error) {
      setProblem(error.message);
    }
  };
  return html`<${Dialog} label=${title} className="silence" isForm=${true} onClose=${onClose}>
    <form onSubmit=${onSubmit}>
      <h2>${title}</h2>
      <${Matchers} matchers=${draft.matchers} faults=${preview.faults} labelNames=${labelNames}
        onChange=${(matchers) => patch({ matchers })} />
      <${Preview} preview=${preview} />
      <${Time} draft=${draft} patch=${patch} />
      <div class="pair">
        <${NameField} name=${draft.by} onName=${(by) => patch({ by })} />
        <label class="labelled">Comment
          <input name="comment" required maxlength="500" autocomplete="off" placeholder="why" value=${draft.comment}
            onInput=${(event) => patch({ comment: event.target.value })} /></label>
      </div>
      ${problem && html`<p class="problem" role="alert"><${Icon} name="critical" /> ${problem}</p>`}
      <p class="actions"><button class="primary">${initial.old ? "Save" : "Silence"}</button>
        <button type="button" onClick=${onClose}>Cancel</button></p>
    </form>
  </${Dialog}>`;
}

function Matchers({ matchers, faults, labelNames, onChange }) {
  const replace = (index, change) =>
    onChange(matchers.map((each, at) => (at === index ? { ...each, ...change } : each)));
  const add = () => onChange([...matchers, { name: "", value: "", isEqual: true, isRegex: false }]);
  return html`<fieldset class="matchers"><legend>Alerts with all of these labels</legend>
    <datalist id="label-names">${labelNames.map((name) => html`<option key=${name} value=${name} />`)}</datalist>
    ${matchers.map(
      (matcher, index) => html`<${MatcherRow} key=${index} number=${index + 1} matcher=${matcher} fault=${faults[index]}
      isOnly=${matchers.length === 1} onChange=${(change) => replace(index, change)}
      onDrop=${() => onChange(matchers.filter((_, at) => at !== index))} />`,
    )}
    <button type="button" class="link" onClick=${add}><${Icon} name="plus" /> Add a label</button>
  </fieldset>`;
}

function MatcherRow({ number, matcher, fault, isOnly, onChange, onDrop }) {
  const operators = Object.entries(OPERATOR_WORDS);
  const invalid = fault ? { "aria-invalid": "true", "aria-describedby": `fault-${number}` } : {};
  return html`<div class="matcher" data-matcher=${number}>
    <input aria-label="Label ${number}" list="label-names" autocomplete="off" spellcheck=${false} placeholder="label"
      value=${matcher.name} onInput=${(event) => onChange({ name: event.target.value.trim() })} />
    <select aria-label="Comparison ${number}" value=${operatorOf(matcher)}
      onChange=${(event) => onChange(operatorFlags(event.target.value))}>${operators.map(
        ([operator, word]) => html`<option key=${operator} value=${operator}>${operator} ${word}</option>`,
      )}</select>
    <input aria-label="Value ${number}" ...${invalid} autocomplete="off" spellcheck=${false} placeholder="value"
      value=${matcher.value} onInput=${(event) => onChange({ value: event.target.value })} />
    <button type="button" class="icon" title="Drop this label" aria-label="Drop label ${number}" disabled=${isOnly}
      onClick=${onDrop}><${Icon} name="close" /></button>
    ${fault && html`<p class="problem" id="fault-${number}" role="alert">${fault}</p>`}
  </div>`;
}

function Time({ draft, patch }) {
  const { old, length, end, isLater, start } = draft;
  const hasBegun = old?.status.state === "active";
  return html`<fieldset><legend>For how long</legend>
    <div class="choices">${LENGTHS.map(
      ([value, text]) => html`<label key=${value} class="choice"><input type="radio" name="length" value=${value}
        checked=${value === length} onChange=${() => patch({ length: value })} /><span>${text}</span></label>`,
    )}</div>
    ${length === "custom" && html`<input type="datetime-local" step="1" aria-label="End" required value=${end} onInput=${(event) => patch({ end: event.target.value })} />`}
    ${length === "cleared" && html`<p class="muted">It ends by itself once nothing that it keeps quiet fires, at the latest after 30 days.</p>`}
    ${
      !hasBegun &&
      html`<div class="later"><label><input type="checkbox" checked=${isLater}
        onChange=${(event) => patch({ isLater: event.target.checked })} /> Start later</label>
      ${isLater && html`<input type="datetime-local" step="1" aria-label="Start" required value=${start} onInput=${(event) => patch({ start: event.target.value })} />`}</div>`
    }
  </fieldset>`;
}

/**
 * @typedef {object} Preview
 * @property {object[]|null} alerts that the matchers choose; null while that is not known
 * @property {Record<number, string>} faults of matchers, by their place
 * @property {string} problem why it is not known, when no matcher is to blame
 */

/** Which alerts the matchers choose, asked again when typing pauses. @returns {Preview} */
function usePreview(matchers) {
  const [preview, setPreview] = useState({ alerts: null, faults: {}, problem: "" });
  const text = JSON.stringify(matchers);
  useEffect(() => {
    const abort = new AbortController();
    const look = () => lookUp(matchers, abort.signal).then((found) => abort.signal.aborted || setPreview(found));
    const timer = setTimeout(look, preview.alerts === null ? 0 : TYPING_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [text]);
  return preview;
}

async function lookUp(matchers, signal) {
  const nameless = matchers.flatMap(({ name }, index) => (name ? [] : [[index, "Name a label."]]));
  if (nameless.length > 0) return { alerts: null, faults: Object.fromEntries(nameless), problem: "" };
  try {
    return { alerts: await alertsThatMatch(matchers, signal), faults: {}, problem: "" };
  } catch (error) {
    const faults = error instanceof ApiError ? await faultsOf(matchers, signal) : {};
    return { alerts: null, faults, problem: Object.keys(faults).length > 0 ? "" : error.message };
  }
}

/** The server's sentence about each matcher that it does not take by itself. */
async function faultsOf(matchers, signal) {
  const answers = await Promise.allSettled(matchers.map((matcher) => alertsThatMatch([matcher], signal)));
  const faulty = answers.flatMap(({ reason }, index) => (reason ? [[index, reason.message]] : []));
  return Object.fromEntries(faulty.map(([index, sentence]) => [index, sentence.replace(OF_PARAMETER, "")]));
}

function Preview({ preview: { alerts, faults, problem } }) {
  const isFaulty = Object.keys(faults).length > 0;
  return html`<div class="preview" role="status" aria-label="What this keeps quiet">
    ${problem && html`<p class="problem">What this keeps quiet could not be read: ${problem}</p>`}
    ${alerts === null && !problem && html`<p class="muted">${isFaulty ? "What this keeps quiet is not known yet." : "\u00a0"}</p>`}
    ${alerts !== null && html`<p>${countText(alerts)}</p>`}
    ${alerts !== null && alerts.length > 0 && html`<${Matched} alerts=${alerts} />`}
  </div>`;
}

function countText(alerts) {
  if (alerts.length === 0) return "No alert that fires now has these labels.";
  const silenced = alerts.filter(({ status }) => status.silencedBy.length > 0).length;
  const already = silenced > 0 ? `, ${silenced} of them silenced already` : "";
  return `${alerts.length} ${alerts.length === 1 ? "alert fires" : "alerts fire"} with these labels${already}:`;
}

function Matched({ alerts }) {
  const more = alerts.length - MOST_SHOWN;
  return html`<ul>${alerts.slice(0, MOST_SHOWN).map(
    ({ fingerprint, labels, annotations }) => html`<li key=${fingerprint}>
      <${Severity} level=${severityOf(labels.severity)} word=${labels.alertname ?? ""} />
      <span class="muted">${annotations.summary}</span></li>`,
  )}${more > 0 && html`<li class="muted">and ${more} more</li>`}</ul>`;
}
