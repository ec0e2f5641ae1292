// The theme, applied before the first paint so that nothing flashes: light, dark, or what the system says.
// The choice is kept in the browser, because it belongs to the reader and not to the link.
window.tocsinTheme = (() => {
  const KEY = "tocsin-theme";
  const ORDER = ["auto", "light", "dark"];
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  let choice = "auto";

  const apply = () => {
    root.dataset.theme = choice === "auto" ? (system.matches ? "dark" : "light") : choice;
    dispatchEvent(new Event("tocsin:theme"));
  };

  const next = () => {
    choice = ORDER[(ORDER.indexOf(choice) + 1) % ORDER.length];
    apply();
    try {
      localStorage.setItem(KEY, choice);
    } catch {
      // Storage is blocked: the choice holds until the page is closed.
    }
  };

  try {
    const kept = localStorage.getItem(KEY);
    if (ORDER.includes(kept)) choice = kept;
  } catch {
    // Storage is blocked: the system's theme applies.
  }
  apply();
  system.addEventListener("change", apply);
  return { choice: () => choice, next };
})();
