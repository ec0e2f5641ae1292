/** Colours of series: eight of Okabe and Ito, the same name the same colour on every panel. */

const COUNT = 8;
const known = new Map();

/** @param {string} name of a CSS custom property @returns {string} */
export const cssColor = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/**
 * Colour numbers for the series of one panel. A name keeps the colour it got first; two names of a
 * panel share one only when there are more than eight.
 * @param {string[]} names
 * @returns {number[]}
 */
export function colorNumbers(names) {
  const taken = new Set(names.map((name) => known.get(name)).filter((number) => number !== undefined));
  const used = new Set();
  return names.map((name, index) => {
    let number = known.get(name);
    if (number === undefined || used.has(number)) {
      number = firstFree(taken) ?? index % COUNT;
      if (!known.has(name)) known.set(name, number);
    }
    taken.add(number);
    used.add(number);
    return number;
  });
}

function firstFree(taken) {
  for (let number = 0; number < COUNT; number += 1) if (!taken.has(number)) return number;
  return undefined;
}

/** @param {number} number @returns {string} the CSS colour in the theme that applies */
export const seriesColor = (number) => cssColor(`--series-${number + 1}`);

/** @param {string} color #rrggbb @param {number} alpha 0 to 1 @returns {string} */
export function withAlpha(color, alpha) {
  return (
    color +
    Math.round(alpha * 255)
      .toString(16)
      .padStart(2, "0")
  );
}
