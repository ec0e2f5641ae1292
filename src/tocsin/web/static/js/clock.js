/** The page's clock: the moment that all charts show, moved on by auto refresh. */

import { useCallback, useEffect, useState } from "./preact.js";
import { isBusy } from "./api.js";
import { parseDuration } from "./time.js";

/** The refresh interval when the URL names none. */
export const DEFAULT_REFRESH = "5s";

/**
 * @param {string} refresh interval such as 5s, or off
 * @returns {[number, () => void]} the moment (ms) to show, and a function that moves it to now
 */
export function useClock(refresh) {
  const [now, setNow] = useState(Date.now);
  const renew = useCallback(() => setNow(Date.now()), []);
  useEffect(() => {
    const intervalMs = parseDuration(refresh);
    const onTick = () => document.hidden || isBusy() || renew();
    const timer = intervalMs && setInterval(onTick, intervalMs);
    const onVisible = () => intervalMs && onTick();
    document.addEventListener("visibilitychange", onVisible);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", onVisible);
    };
  }, [refresh]);
  return [now, renew];
}
