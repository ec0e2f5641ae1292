/** How the store is shown: a strip that says whether all is well, its figures, its tiers. */

import { html } from "./preact.js";
import { Icon } from "./icons.js";
import { formatDuration, formatMoment } from "./time.js";
import { formatCount, formatDays, formatValue } from "./units.js";

const DAY_S = 86_400;

const daysText = (seconds) => (seconds === null ? "for ever" : formatDays(seconds / DAY_S));

/** @param {{verdict: import("./store.js").Verdict}} props */
export function StoreStrip({ verdict: { level, word, sentences } }) {
  return html`<div class="strip" role="status" aria-label="Status of the storage">
    <span class="state is-${level}"><${Icon} name=${level} /> ${word}</span>
    <span class="saying">${sentences.map((sentence) => html`<span key=${sentence}>${sentence}</span> `)}</span>
  </div>`;
}

/**
 * The figures of the embedded store.
 * @param {{usage: object, now: number}} props
 */
export function Figures({ usage, now }) {
  const encryption = { true: " · encrypted", false: " · not encrypted" }[usage.encrypted] ?? "";
  return html`<dl class="figures">${figuresOf(usage, now).map(
    ([name, value, note, title]) => html`<div key=${name} data-figure=${name} title=${title}>
      <dt>${name}</dt><dd class="value">${value}</dd><dd class="muted">${note}</dd></div>`,
  )}</dl>
  <p class="path muted"><code>${usage.path}</code>${encryption}</p>`;
}

function figuresOf(usage, now) {
  const { samples, samplesPerDay, series, oldest, retentionSeconds } = usage;
  const { fileBytes, blockBytes = 0, bytesPerSample, bytesPerDay, predictedBytes, diskFreeBytes } = usage;
  const bytes = (value) => formatValue(value, "bytes");
  return [
    ["Samples", formatValue(samples, "number"), rateText(samplesPerDay), formatCount(samples)],
    ["Series", formatValue(series, "number"), "", formatCount(series)],
    ["On disk", bytes(fileBytes + blockBytes), bytesPerSample === null ? "" : `${bytes(bytesPerSample)} a sample`],
    ["Growth a day", bytes(bytesPerDay), bytesPerDay === null ? LATER : `levels off at ${bytes(predictedBytes)}`],
    ["Free on the disk", bytes(diskFreeBytes), fullText(usage)],
    ["Kept", daysText(retentionSeconds), oldest === null ? "" : `oldest ${formatDuration(now - oldest * 1000)} ago`],
  ];
}

const LATER = "known after an hour";
const rateText = (perDay) => (perDay === null ? "" : `${formatValue(perDay, "number")} a day`);

function fullText({ bytesPerDay, daysUntilFull }) {
  if (bytesPerDay === null) return "";
  return daysUntilFull === null ? "enough for what is kept" : `full in ${formatDays(daysUntilFull)}`;
}

/** Columns of the table: heading, and what a tier shows there. */
const COLUMNS = [
  ["Resolution", ({ resolutionSeconds: s }) => (s ? formatDuration(s * 1000) : "every sample")],
  ["Kept", ({ retentionSeconds }) => daysText(retentionSeconds)],
  ["Rows", ({ samples }) => formatValue(samples, "number")],
  ["Blocks", ({ blocks }) => formatValue(blocks, "number")],
  ["Size of blocks", ({ bytes }) => formatValue(bytes, "bytes")],
  ["Levels off at", ({ predictedBytes }) => formatValue(predictedBytes, "bytes")],
  ["Oldest", ({ oldest }, now) => html`<${Ago} second=${oldest} now=${now} />`],
  ["Newest", ({ newest }, now) => html`<${Ago} second=${newest} now=${now} />`],
];

/**
 * What each tier holds. The roles stay when a narrow screen shows rows as cards.
 * @param {{tiers: object[], now: number}} props
 */
export function Tiers({ tiers, now }) {
  const headings = ["Tier", ...COLUMNS.map(([heading]) => heading)];
  return html`<section class="group" aria-label="Tiers"><h2>Tiers</h2>
    <table class="tiers" role="table">
      <thead role="rowgroup"><tr role="row">${headings.map(
        (heading) => html`<th key=${heading} scope="col" role="columnheader">${heading}</th>`,
      )}</tr></thead>
      <tbody role="rowgroup">${tiers.map((tier) => html`<${Tier} key=${tier.name} tier=${tier} now=${now} />`)}</tbody>
    </table></section>`;
}

function Tier({ tier, now }) {
  return html`<tr role="row" data-tier=${tier.name}><th scope="row" role="rowheader">${tier.name}</th>${COLUMNS.map(
    ([heading, show]) => html`<td key=${heading} role="cell" data-heading=${heading}>${show(tier, now)}</td>`,
  )}</tr>`;
}

function Ago({ second, now }) {
  if (second === null) return "–";
  const ms = second * 1000;
  return html`<time datetime=${new Date(ms).toISOString()} title=${formatMoment(ms)}>
    ${formatDuration(Math.max(0, now - ms))} ago</time>`;
}
