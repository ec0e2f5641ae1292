/** A button with a menu below it: arrow keys move, Enter chooses, Esc closes. */

import { html, useEffect, useRef, useState } from "./preact.js";
import { Icon } from "./icons.js";

/**
 * @param {object} props
 * @param {string} props.id of the button
 * @param {string} props.label what the button does
 * @param {string} props.text what it shows
 * @param {string} [props.icon]
 * @param {{value: string, text: string}[]} props.choices
 * @param {string} props.chosen
 * @param {(value: string) => void} props.onChoose
 * @param {(close: () => void) => unknown} [props.extra] further content of the menu
 */
export function Menu({ id, label, text, icon, choices, chosen, onChoose, extra }) {
  const [isOpen, setOpen] = useState(false);
  const root = useRef(null);
  const button = useRef(null);
  const close = () => {
    setOpen(false);
    button.current.focus();
  };
  useEffect(() => {
    if (!isOpen) return undefined;
    const items = [...root.current.querySelectorAll('[role="menuitemradio"]')];
    (items.find((item) => item.getAttribute("aria-checked") === "true") ?? items[0])?.focus();
    const onOutside = (event) => root.current.contains(event.target) || setOpen(false);
    addEventListener("pointerdown", onOutside);
    return () => removeEventListener("pointerdown", onOutside);
  }, [isOpen]);
  const choose = (value) => {
    close();
    onChoose(value);
  };
  return html`<div class="menu" ref=${root} onKeyDown=${(event) => isOpen && onKey(event, root.current, close)}>
    <button id=${id} ref=${button} aria-haspopup="menu" aria-expanded=${String(isOpen)} aria-label="${label}: ${text}"
      title=${label} onClick=${() => setOpen(!isOpen)}>
      ${icon && html`<${Icon} name=${icon} />`}<span class="menu-text">${text}</span><${Icon} name="down" /></button>
    ${
      isOpen &&
      html`<div class="menu-body">
      <div role="menu" aria-label=${label}>${choices.map(
        (choice) => html`<button role="menuitemradio" key=${choice.value}
        aria-checked=${String(choice.value === chosen)} onClick=${() => choose(choice.value)}>${choice.text}</button>`,
      )}</div>
      ${extra?.(close)}
    </div>`
    }
  </div>`;
}

const MOVES = { ArrowDown: 1, ArrowUp: -1 };

function onKey(event, root, close) {
  if (event.key === "Escape") {
    event.stopPropagation();
    close();
    return;
  }
  const items = [...root.querySelectorAll('[role="menuitemradio"]')];
  const index = items.indexOf(document.activeElement);
  if (!(event.key in MOVES) || index < 0) return;
  event.preventDefault();
  items[(index + MOVES[event.key] + items.length) % items.length].focus();
}
