/** The command palette: pages, runs, metrics, alerts, incidents and actions, found by typing. */

import { html, useEffect, useMemo, useRef, useState } from "./preact.js";
import { metricNames, query } from "./api.js";
import { copyText } from "./copy.js";
import { Dialog } from "./dialog.js";
import { go } from "./url.js";

const MOST_SHOWN = 40;

/**
 * @typedef {object} Command
 * @property {string} kind page, run, panel, alert, incident, metric or action
 * @property {string} text
 * @property {string} [hint]
 * @property {() => void} run
 */

/**
 * @param {object} props
 * @param {Command[]} props.commands those that need no question to the server
 * @param {() => void} props.onClose
 */
export function Palette({ commands, onClose }) {
  const [typed, setTyped] = useState("");
  const [selected, setSelected] = useState(0);
  const [asked, problem] = useAsked();
  const found = useMemo(() => search([...commands, ...asked], typed), [commands, asked, typed]);
  const list = useRef(null);
  const active = Math.min(selected, found.length - 1);
  useEffect(() => list.current?.children[active]?.scrollIntoView({ block: "nearest" }), [active]);
  const choose = (command) => {
    onClose();
    command?.run();
  };
  const onKeyDown = (event) => {
    const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    // Nothing is found yet: alerts, runs or metrics may still be on their way.
    if (event.key === "Enter") found.length && choose(found[active]);
    else if (move) setSelected((active + move + found.length) % found.length);
    else return;
    event.preventDefault();
  };
  const onInput = (event) => {
    setTyped(event.target.value);
    setSelected(0);
  };
  return html`<${Dialog} label="Search" className="palette" onClose=${onClose}>
    <input type="search" role="combobox" aria-label="Search pages, runs, metrics, alerts"
      aria-expanded="true" aria-controls="palette-list"
      aria-activedescendant=${found.length ? `palette-${active}` : undefined} placeholder="Search pages, runs, metrics, alerts"
      autocomplete="off" spellcheck=${false} value=${typed} onInput=${onInput} onKeyDown=${onKeyDown} autofocus />
    <div id="palette-list" role="listbox" aria-label="Found" ref=${list}>${found.map(
      (command, index) => html`
      <div role="option" id="palette-${index}" key=${command.kind + command.text} aria-selected=${String(index === active)}
        onClick=${() => choose(command)}><span class="kind">${command.kind}</span><span class="what">${command.text}</span>
        <span class="hint">${command.hint}</span></div>`,
    )}</div>
    ${problem && html`<p class="muted" role="alert">Runs and metrics could not be read: ${problem}</p>`}
    ${found.length === 0 && html`<p class="muted">Nothing here is called “${typed}”.</p>`}
  </${Dialog}>`;
}

/** Commands that the server knows: runs and metrics; and why they could not be read. @returns {[Command[], string]} */
function useAsked() {
  const [state, setState] = useState([[], ""]);
  useEffect(() => {
    const abort = new AbortController();
    Promise.all([
      query("last_over_time(training_status[7d])", Date.now(), abort.signal),
      metricNames(abort.signal),
    ]).then(
      ([runs, names]) => setState([[...namesOf(runs).map(runCommand), ...names.map(metricCommand)], ""]),
      (error) => abort.signal.aborted || setState([[], error.message]),
    );
    return () => abort.abort();
  }, []);
  return state;
}

const namesOf = (runs) => [...new Set(runs.map(({ metric }) => metric.run ?? ""))];

const runCommand = (name) => ({
  kind: "run",
  text: name,
  run: () => go("/training", { run: name, range: null, from: null, to: null }),
});

const metricCommand = (name) => ({ kind: "metric", text: name, hint: "copy", run: () => copyText(name, "Name") });

/** Commands that contain every word typed. */
function search(commands, typed) {
  const wanted = typed.toLowerCase().split(/\s+/);
  const matches = ({ kind, text }) => wanted.every((word) => `${kind} ${text}`.toLowerCase().includes(word));
  return commands.filter(matches).slice(0, MOST_SHOWN);
}
