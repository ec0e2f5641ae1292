/** The two menus of time: which range is shown, and how often it is renewed. */

import { html } from "./preact.js";
import { DEFAULT_REFRESH } from "./clock.js";
import { Menu } from "./menu.js";
import {
  RANGES,
  REFRESHES,
  describeRange,
  describeRelative,
  formatDuration,
  parseDuration,
  toInputValue,
} from "./time.js";
import { change } from "./url.js";

/**
 * @param {object} props
 * @param {Record<string, string>} props.params of the URL
 * @param {string} props.fallback the range without parameters, or a sentence such as "whole run"
 * @param {import("./time.js").Range} props.range what is shown now
 */
export function TimePicker({ params, fallback, range }) {
  const isNamed = parseDuration(fallback) === null;
  const isDefault = !params.range && !params.from;
  const choices = RANGES.map((value) => ({ value, text: describeRelative(value) }));
  if (isNamed) choices.unshift({ value: fallback, text: fallback });
  const text = isNamed && isDefault ? fallback : describeRange(params, fallback);
  const onChoose = (value) =>
    change({ range: value === fallback ? null : value, from: null, to: null }, { push: true });
  return html`<${Menu} id="time-range" label="Time range" text=${text} choices=${choices}
    chosen=${params.from ? "" : (params.range ?? fallback)} onChoose=${onChoose}
    extra=${(close) => html`<${Absolute} range=${range} close=${close} />`} />`;
}

function Absolute({ range, close }) {
  const onSubmit = (event) => {
    event.preventDefault();
    const [from, to] = ["from", "to"].map((name) => new Date(event.target.elements[name].value).getTime());
    if (!(from < to)) {
      event.target.elements.to.setCustomValidity("The end must lie after the start.");
      event.target.reportValidity();
      return;
    }
    close();
    change({ from: String(from), to: String(to), range: null }, { push: true });
  };
  const clear = (event) => event.currentTarget.elements.to.setCustomValidity("");
  return html`<form class="absolute" onSubmit=${onSubmit} onInput=${clear}>
    <label>from <input type="datetime-local" name="from" step="1" required value=${toInputValue(range.startMs)} /></label>
    <label>to <input type="datetime-local" name="to" step="1" required value=${toInputValue(range.endMs)} /></label>
    <button>Show</button>
  </form>`;
}

const refreshText = (value) => (value === "off" ? "off" : formatDuration(parseDuration(value)));

/**
 * @param {object} props
 * @param {string} props.refresh
 */
export function RefreshPicker({ refresh }) {
  const choices = REFRESHES.map((value) => ({ value, text: value === "off" ? "off" : `every ${refreshText(value)}` }));
  const onChoose = (value) => change({ refresh: value === DEFAULT_REFRESH ? null : value });
  return html`<${Menu} id="refresh-every" label="Auto refresh" text=${refreshText(refresh)} icon="refresh"
    choices=${choices} chosen=${refresh} onChoose=${onChoose} />`;
}
