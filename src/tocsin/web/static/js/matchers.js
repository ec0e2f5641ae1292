/** Matchers over labels, as Alertmanager writes them: severity="critical", instance=~"gpu.*". */

/**
 * @typedef {object} Matcher
 * @property {string} name of the label
 * @property {string} value
 * @property {boolean} isEqual
 * @property {boolean} isRegex
 */

const OPERATORS = [
  { text: "=", isEqual: true, isRegex: false },
  { text: "!=", isEqual: false, isRegex: false },
  { text: "=~", isEqual: true, isRegex: true },
  { text: "!~", isEqual: false, isRegex: true },
];
const WRITTEN = /^([^\s=!~"{},]+)(=~|!~|!=|=)(?:"((?:[^"\\]|\\.)*)"|(.*))$/s;

/** The operators by how they are written, and what each says. */
export const OPERATOR_WORDS = { "=": "is", "!=": "is not", "=~": "matches", "!~": "does not match" };

/** @param {Matcher} matcher @returns {string} = != =~ !~ */
export const operatorOf = ({ isEqual, isRegex }) =>
  OPERATORS.find((each) => each.isEqual === isEqual && each.isRegex === isRegex).text;

/** @param {string} operator @returns {{isEqual: boolean, isRegex: boolean}} */
export function operatorFlags(operator) {
  const { isEqual, isRegex } = OPERATORS.find(({ text }) => text === operator);
  return { isEqual, isRegex };
}

/** @param {Matcher} matcher @returns {string} severity="critical" */
export const matcherText = (matcher) => `${nameText(matcher.name)}${operatorOf(matcher)}${quoted(matcher.value)}`;

const quoted = (text) => `"${text.replace(/["\\]/g, "\\$&").replace(/\n/g, "\\n")}"`;
const nameText = (name) => (/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) ? name : quoted(name));

/**
 * Read one matcher as people write it; quotes may be left out.
 * @param {string} text
 * @returns {Matcher|null} null when it is none
 */
export function parseMatcher(text) {
  const match = WRITTEN.exec(text);
  if (!match) return null;
  const [, name, operator, inQuotes, bare] = match;
  return { name, ...operatorFlags(operator), value: inQuotes === undefined ? bare : unquoted(inQuotes) };
}

const unquoted = (text) => text.replace(/\\(.)/gs, (_, character) => (character === "n" ? "\n" : character));

/** @param {Record<string, string>} labels @returns {Matcher[]} one for each label */
export const matchersOf = (labels) =>
  Object.entries(labels).map(([name, value]) => ({ name, value, isEqual: true, isRegex: false }));

/**
 * A function that says whether labels satisfy a matcher; a regular expression must match the whole value, and
 * one that this browser cannot read matches nothing.
 * @param {Matcher} matcher
 * @returns {(labels: Record<string, string>) => boolean}
 */
export function predicateOf({ name, value, isEqual, isRegex }) {
  if (!isRegex) return (labels) => ((labels[name] ?? "") === value) === isEqual;
  try {
    const pattern = new RegExp(`^(?:${value})$`, "s");
    return (labels) => pattern.test(labels[name] ?? "") === isEqual;
  } catch {
    return () => false;
  }
}

/** @param {Record<string, string>} labels @returns {string} {alertname="X", job="node"} */
export function labelsText(labels) {
  const parts = matchersOf(labels).map(matcherText).sort();
  return `{${parts.join(", ")}}`;
}
