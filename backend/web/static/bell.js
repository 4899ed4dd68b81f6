/*
 * Somebody waits for a talk: told at once on every staff page of whoever holds talks.
 *
 * All pages of a browser share one stream: the one that holds the lock listens and tells the others, and
 * when it is closed the next takes over. A browser opens only a few connections to one address. Nothing
 * that is told says who waits.
 */

import { chime, markTitle } from "/static/chime.js";

const NAME = "koll-bell";
const SOUND = "koll-alarm-sound";
/* One choice for all that sounds in the staff app: alarms.js keeps it under the same name. */
const AGAIN_MS = 15_000;

const bell = document.querySelector("[data-bell]");
const counts = document.querySelectorAll("[data-bell-count]");
const others = "BroadcastChannel" in window ? new BroadcastChannel(NAME) : null;
let waiting = Number(bell?.dataset.waiting ?? 0);

if (bell) {
  markTitle("bell", waiting > 0);
  others?.addEventListener("message", ({ data }) => show(data));
  if (navigator.locks) navigator.locks.request(NAME, () => new Promise(listen));
  else listen();
}

function listen() {
  const stream = new EventSource(bell.dataset.stream);
  stream.addEventListener("line", ({ data }) => {
    const told = JSON.parse(data);
    if (told.waiting > waiting && bellSounds()) {
      if (chime([523, 659])) bell.dataset.sounded = String(Number(bell.dataset.sounded ?? 0) + 1);
    }
    others?.postMessage(told);
    show(told);
  });
  // Logged out: the stream says so and ends, and there is nothing to come back to.
  stream.addEventListener("closed", () => stream.close());
  stream.addEventListener("error", () => {
    if (stream.readyState !== EventSource.CLOSED) return;
    setTimeout(listen, AGAIN_MS);
  });
}

function show(told) {
  if (told.waiting > waiting) bell.textContent = told.waiting === 1 ? bell.dataset.one : bell.dataset.many.replace("{count}", told.waiting);
  else if (told.waiting === 0) bell.textContent = "";
  waiting = told.waiting;
  for (const count of counts) {
    count.textContent = String(waiting);
    count.hidden = waiting === 0;
  }
  markTitle("bell", waiting > 0);
  document.dispatchEvent(new CustomEvent("koll-bell"));
}

/** Whether this browser sounds when somebody waits: only where it has been asked for. */
export function bellSounds() {
  try {
    return localStorage.getItem(SOUND) === "on";
  } catch {
    return false;
  }
}

export function setBellSound(on) {
  try {
    localStorage.setItem(SOUND, on ? "on" : "off");
  } catch {
    // A browser that may not remember is silent.
  }
  if (on) chime([523, 659]);
}
