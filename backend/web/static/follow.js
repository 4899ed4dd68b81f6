/* Listen to what happens, on one stream; comes back by itself, and says when it has been away for long. */

const LOST_MS = 8_000;

/** Call `on[name](data)` for each event; `lost(true)` when nothing can be heard, `lost(false)` when it can again. */
export function follow(address, on, lost) {
  const source = new EventSource(address);
  let timer = 0;
  let away = false;
  source.addEventListener("open", () => {
    clearTimeout(timer);
    timer = 0;
    lost(false);
    // What happened while nobody listened is seen by looking again.
    if (away) on.resync();
    away = false;
  });
  source.addEventListener("error", () => {
    away = true;
    if (!timer) timer = setTimeout(() => lost(true), LOST_MS);
  });
  source.addEventListener("closed", () => {
    source.close();
    lost(true);
  });
  for (const [name, act] of Object.entries(on)) source.addEventListener(name, (event) => act(event.data));
  addEventListener("pagehide", () => source.close());
}
