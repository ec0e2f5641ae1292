/** Copying to the clipboard, and the short notice that it happened. */

const SHOWN_MS = 1600;

/**
 * @param {string} text
 * @param {string} what named in the notice
 */
export async function copyText(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    copyBySelection(text);
  }
  notify(`${what} copied`);
}

/** Works where the clipboard API is not allowed, such as on http:// addresses of other machines. */
function copyBySelection(text) {
  const area = Object.assign(document.createElement("textarea"), { value: text, className: "visually-hidden" });
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

/** @param {string} text shown for a moment, and read aloud */
export function notify(text) {
  const toast = document.getElementById("toast");
  toast.textContent = text;
  toast.classList.add("is-shown");
  clearTimeout(notify.timer);
  notify.timer = setTimeout(() => toast.classList.remove("is-shown"), SHOWN_MS);
}
