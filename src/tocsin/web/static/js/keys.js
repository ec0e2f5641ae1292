/** Keyboard: single letters, `g` and a letter for pages, Ctrl-K or ⌘K for the palette. */

import { useLayoutEffect } from "./preact.js";

const GO_MS = 1500;
const TYPING = "input:not([type=range]), textarea, select, [contenteditable]";

/**
 * @param {Record<string, () => void>} bindings by key; those of pages are written "g o"
 */
export function useKeys(bindings) {
  // Before the first picture is painted, so that no key is lost that is pressed as soon as it is there.
  useLayoutEffect(() => {
    let goUntil = 0;
    const onKey = (event) => {
      const isPaletteKey = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k";
      if (isPaletteKey) return run(event, bindings["/"]);
      if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.(TYPING)) return undefined;
      if (document.querySelector("dialog[open]")) return undefined;
      const key = event.timeStamp < goUntil ? `g ${event.key}` : event.key;
      goUntil = key === "g" ? event.timeStamp + GO_MS : 0;
      return run(event, bindings[key]);
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [bindings]);
}

function run(event, action) {
  if (!action) return;
  event.preventDefault();
  action();
}
