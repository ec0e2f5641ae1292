/** How runs are shown: the list of them, and the status strip of one. */

import { html } from "./preact.js";
import { Icon } from "./icons.js";
import { formatDuration } from "./time.js";
import { formatCount, formatValue } from "./units.js";
import { address, change } from "./url.js";

const LEVEL = { running: "info", complete: "ok", failed: "critical", silent: "warning", idle: "muted" };

/** The state of a run as icon and word. @param {{state: string}} props */
const State = ({ state }) => html`<span class="state is-${LEVEL[state]}"><${Icon} name=${state} /> ${state}</span>`;

const progressOf = ({ step, totalSteps }) =>
  step === null || totalSteps === null ? null : Math.min(1, step / totalSteps);
const stepsText = ({ step, totalSteps }) => {
  if (step === null) return "no step yet";
  return totalSteps === null ? `step ${formatCount(step)}` : `step ${formatCount(step)} / ${formatCount(totalSteps)}`;
};

/**
 * @param {object} props
 * @param {import("./runs.js").Run[]} props.runs
 * @param {import("./runs.js").Run|null} props.chosen
 * @param {number} props.now
 * @param {Record<string, string>} props.params of the URL
 */
export function RunList({ runs, chosen, now, params }) {
  return html`<nav class="runs" aria-label="Runs"><h2>Runs <span class="muted">${runs.length}</span></h2><ul>${runs.map(
    (run) => html`
    <li key=${run.name}><a href=${address("/training", { ...params, run: run.name, from: null, to: null })}
      aria-current=${run.name === chosen?.name ? "true" : undefined} onClick=${(event) => choose(event, run.name)}>
      <strong title=${run.name}>${run.name}</strong>
      <span class="row"><${State} state=${run.state} />
        <span class="muted">${run.startMs !== null && `${formatDuration(Math.max(0, now - run.startMs))} ago`}</span></span>
      <${Bar} run=${run} />
    </a></li>`,
  )}</ul></nav>`;
}

function choose(event, name) {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  change({ run: name, from: null, to: null }, { push: true });
}

function Bar({ run }) {
  const progress = progressOf(run);
  if (progress === null) return null;
  return html`<progress max="1" value=${progress} class="is-${LEVEL[run.state]}"
    aria-label="progress of ${run.name}"></progress>`;
}

/**
 * One line that says how a run stands.
 * @param {object} props
 * @param {import("./runs.js").Run} props.run
 * @param {number} props.now
 * @param {number|null} props.endMs when a run that is over took its last step
 */
export function StatusStrip({ run, now, endMs }) {
  const progress = progressOf(run);
  const remainingMs = remaining(run);
  const speed = run.state === "running" ? run.stepsPerSecond : null;
  const silence =
    run.state === "silent" &&
    (run.seenMs === null ? "not heard of for over 5 min" : `not heard of for ${formatDuration(now - run.seenMs)}`);
  return html`<div class="strip" role="status" aria-label="Status of the run">
    <${State} state=${run.state} />
    <span class="steps">${stepsText(run)}</span>
    ${progress !== null && html`<${Bar} run=${run} /><span class="percent">${formatValue(progress, "ratio")}</span>`}
    ${remainingMs !== null && html`<span class="eta"><span class="muted">ETA</span> ${formatDuration(remainingMs)}</span>`}
    ${speed !== null && html`<span class="speed">${formatValue(speed, "steps_per_second")}</span>`}
    ${run.startMs !== null && html`<span class="muted">started ${formatDuration(Math.max(0, now - run.startMs))} ago</span>`}
    ${endMs !== null && run.startMs !== null && html`<span class="muted">took ${formatDuration(endMs - run.startMs)}</span>`}
    ${run.dropped > 0 && html`<span class="is-warning">${formatCount(run.dropped)} steps were not sent</span>`}
    ${silence && html`<span class="is-warning">${silence}</span>`}
  </div>`;
}

function remaining({ state, step, totalSteps, stepsPerSecond }) {
  if (state !== "running" || totalSteps === null || !(stepsPerSecond > 0)) return null;
  return (1000 * Math.max(0, totalSteps - step)) / stepsPerSecond;
}
