/** A modal dialog of the browser, which keeps the focus inside and closes on Esc. */

import { html, useLayoutEffect, useRef } from "./preact.js";

/**
 * @param {object} props
 * @param {string} props.label
 * @param {string} props.className
 * @param {boolean} [props.isForm] a click beside it closes nothing, so that nothing typed is lost
 * @param {() => void} props.onClose
 */
export function Dialog({ label, className, isForm = false, onClose, children }) {
  const dialog = useRef(null);
  useLayoutEffect(() => {
    const before = document.activeElement;
    dialog.current.showModal();
    return () => before?.focus?.();
  }, []);
  const onClick = (event) => !isForm && event.target === dialog.current && onClose();
  return html`<dialog ref=${dialog} class=${className} aria-label=${label} onClose=${onClose} onClick=${onClick}>
    <div class="dialog-body">${children}</div></dialog>`;
}
