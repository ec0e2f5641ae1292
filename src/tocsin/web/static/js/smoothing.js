/**
 * Exponential moving average with bias correction: s = w·s + (1 − w)·x, shown as s / (1 − wⁿ).
 * Gaps stay gaps; NaN and infinity are shown as they are and do not spoil what follows.
 * @param {(number|null)[]} values
 * @param {number} weight 0 (off) to below 1
 * @returns {(number|null)[]}
 */
export function smooth(values, weight) {
  let [sum, correction] = [0, 1];
  return values.map((value) => {
    if (value === null || !Number.isFinite(value)) return value;
    sum = weight * sum + (1 - weight) * value;
    correction *= weight;
    return sum / (1 - correction);
  });
}
