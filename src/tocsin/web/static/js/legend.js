/** The legend of a chart: values under the crosshair, else the last; sorted by them; click isolates. */

import { html, useState } from "./preact.js";
import { seriesColor } from "./colors.js";
import { extremes, lastValue } from "./series.js";
import { formatValue } from "./units.js";

const MOST_LINES = 8;

/**
 * @param {object} props
 * @param {import("./series.js").Line[]} props.lines
 * @param {number[]} props.colors
 * @param {string} props.unit
 * @param {number|null} props.index of the crosshair
 * @param {string} props.moment what the first column shows: now, or the place of the crosshair
 * @param {string|null} props.only name of the isolated line
 * @param {(name: string) => void} props.onIsolate
 */
export function Legend({ lines, colors, unit, index, moment, only, onIsolate }) {
  const [isLong, setLong] = useState(false);
  const rows = lines.map((line, row) => ({ ...line, color: colors[row], shown: shownValue(line, index) }));
  rows.sort((a, b) => rank(b.shown) - rank(a.shown));
  const visible = isLong ? rows : rows.slice(0, MOST_LINES);
  const hidden = rows.length - MOST_LINES;
  return html`<div class="legend">
    <table>
      <thead><tr><th scope="col"><span class="visually-hidden">series</span></th>
        <th scope="col">${moment}</th><th scope="col">min</th><th scope="col">max</th></tr></thead>
      <tbody>${visible.map(
        (row) => html`<${Row} key=${row.name} row=${row} unit=${unit} only=${only} onIsolate=${onIsolate} />`,
      )}</tbody>
    </table>
    ${
      hidden > 0 &&
      html`<button class="link" onClick=${() => setLong(!isLong)}>
      ${isLong ? "show less" : `+${hidden} more`}</button>`
    }
  </div>`;
}

function Row({ row, unit, only, onIsolate }) {
  const [low, high] = extremes(row);
  const isAway = only !== null && only !== row.name;
  return html`<tr class=${isAway ? "is-away" : ""}>
    <th scope="row"><button aria-pressed=${only === row.name ? "true" : "false"} title="Show this one alone: ${row.name}"
      onClick=${() => onIsolate(row.name)}>
      <i class="swatch" style=${{ background: seriesColor(row.color) }}></i><span>${row.name}</span></button></th>
    <td class="now">${formatValue(row.shown, unit)}</td>
    <td>${formatValue(low, unit)}</td><td>${formatValue(high, unit)}</td>
  </tr>`;
}

const shownValue = ({ values }, index) => (index === null ? lastValue(values) : (values[index] ?? null));
const rank = (value) => (value === null || Number.isNaN(value) ? -Infinity : value);
