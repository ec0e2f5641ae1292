/** The little that pages need to know about PromQL: placeholders, legends, metric names. */

const QUOTED = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`/g;
const LABEL_LISTS = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g;
const NAMES = /[a-zA-Z_:][\w:]*(?![\w:])(?!\s*\()/g;
const KEYWORDS = new Set(["and", "or", "unless", "bool", "offset", "by", "without", "inf", "nan"]);

/** @param {string} value @returns {string} the value for a place between double quotes */
export const quote = (value) => value.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n");

/**
 * Fill the placeholders `$name` of an expression; values are escaped for double quotes.
 * @param {string} expr
 * @param {Record<string, string>} values
 * @returns {string}
 */
export function substitute(expr, values) {
  return expr.replace(/\$(\w+)/g, (placeholder, name) => (name in values ? quote(values[name]) : placeholder));
}

/**
 * Name a series by a template such as `{{device}} read`; without one by its labels.
 * @param {string} template
 * @param {Record<string, string>} labels
 * @returns {string}
 */
export function legendText(template, labels) {
  if (template) return template.replace(/{{\s*(\w+)\s*}}/g, (_, name) => labels[name] ?? "").trim();
  const parts = Object.entries(labels).filter(([name]) => name !== "__name__");
  const inside = parts.map(([name, value]) => `${name}="${value}"`).join(", ");
  return labels.__name__ ? labels.__name__ + (inside && `{${inside}}`) : inside;
}

/**
 * The metrics that an expression names outside braces.
 * @param {string} expr
 * @returns {Set<string>}
 */
export function metricsIn(expr) {
  const bare = expr
    .replace(QUOTED, "")
    .replace(/{[^}]*}|\[[^\]]*\]/g, " ")
    .replace(LABEL_LISTS, " ");
  return new Set((bare.match(NAMES) ?? []).filter((name) => !KEYWORDS.has(name.toLowerCase())));
}
