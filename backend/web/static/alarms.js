/*
 * Alerts on a staff page that stays open: asks the server every ten seconds, puts in what is new,
 * never moves the focus, marks the page's title without words, and sounds only for who has asked for it.
 *
 * The banner is in the page from the start, so all of this can fail and nothing is lost. Words come
 * from the server; here are none.
 */

import { chime, markTitle } from "/static/chime.js";

const EVERY_MS = 10_000;
const HIDDEN_MS = 30_000;
const LONGEST_MS = 60_000;
const REGION_MS = 150;
const LISTS = ["urgent", "others", "settled", "more"];
const SOUND = "koll-alarm-sound";
const KNOWN = "koll-alarm-known";

const banner = document.querySelector("[data-alarms]");
let failures = 0;
let timer = 0;
let asking = false;
let ended = false;

if (banner) start();

function start() {
  banner.querySelector("[data-sound]").hidden = !("AudioContext" in window);
  showSound();
  banner.querySelector("[data-sound] button").addEventListener("click", toggleSound);
  banner.addEventListener("submit", see);
  banner.addEventListener("focusout", () => setTimeout(sweep));
  document.addEventListener("visibilitychange", () => document.hidden || ask());
  noticed();
  plan();
}

function plan() {
  clearTimeout(timer);
  if (ended) return;
  const calm = document.hidden ? HIDDEN_MS : EVERY_MS;
  timer = setTimeout(ask, Math.min(calm * 2 ** failures, LONGEST_MS));
}

async function ask() {
  if (asking || ended) return;
  asking = true;
  try {
    const answer = await fetch(banner.dataset.poll, { cache: "no-store", redirect: "error", credentials: "same-origin" });
    if (answer.status === 401 || answer.status === 404) return end();
    if (!answer.ok) throw new Error(String(answer.status));
    show(new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-alarms]"));
    failures = 0;
  } catch {
    failures += 1;
  } finally {
    asking = false;
    banner.querySelector("[data-lost]").hidden = ended || failures < 2;
    plan();
  }
}

/** Nobody is logged in any more: say that this page no longer rings, and ask no more. */
function end() {
  ended = true;
  clearTimeout(timer);
  banner.querySelector("[data-ended]").hidden = false;
}

function show(fresh) {
  banner.dataset.count = fresh.dataset.count;
  const opening = LISTS.filter((name) => listed(banner, name).hidden && listed(fresh, name).querySelector("[data-key]"));
  for (const name of opening) listed(banner, name).hidden = false;
  // A region must be there for a moment before what comes into it is read out.
  setTimeout(
    () => {
      for (const name of LISTS) merge(listed(banner, name), listed(fresh, name));
      noticed();
    },
    opening.length ? REGION_MS : 0,
  );
}

function listed(where, name) {
  return where.querySelector(`[data-list="${name}"]`);
}

/** Make one list like the fresh one; what is the same stays the same element, so that it is not read out again. */
function merge(old, fresh) {
  const wanted = [...fresh.querySelectorAll("[data-key]")];
  const keys = new Set(wanted.map((one) => one.dataset.key));
  for (const one of old.querySelectorAll("[data-key]")) {
    if (keys.has(one.dataset.key)) continue;
    // Whoever stands on its button is not thrown off it: it goes when they leave.
    if (one.contains(document.activeElement)) one.dataset.gone = "";
    else one.remove();
  }
  old.hidden = wanted.length === 0 && !old.querySelector("[data-gone]");
  let after = null;
  for (const one of wanted) {
    let here = [...old.querySelectorAll("[data-key]")].find((each) => each.dataset.key === one.dataset.key);
    if (!here) {
      here = document.importNode(one, true);
      for (const field of here.querySelectorAll("[name=back]")) field.value = location.pathname;
      if (after) after.after(here);
      else old.prepend(here);
    }
    after = here;
  }
}

/** Take away what waited for the focus to leave it. */
function sweep() {
  for (const one of banner.querySelectorAll("[data-gone]")) {
    if (one.contains(document.activeElement)) continue;
    const list = one.parentElement;
    one.remove();
    list.hidden = !list.querySelector("[data-key]");
  }
}

/** Mark the title while something rings, and sound once for what this tab has not seen before. */
function noticed() {
  markTitle("alarms", Number(banner.dataset.count) > 0);
  const keys = ["urgent", "others"].flatMap((name) =>
    [...listed(banner, name).querySelectorAll("[data-key]:not([data-gone])")].map((one) => one.dataset.key),
  );
  const known = new Set((recall(sessionStorage, KNOWN) ?? "").split(" "));
  if (keys.some((key) => !known.has(key)) && soundOn()) sound();
  keep(sessionStorage, KNOWN, keys.join(" "));
}

/** The button, without leaving the page: a half-written answer stays. Without script the form is sent as usual. */
async function see(event) {
  const form = event.target.closest("[data-seen]");
  if (!form) return;
  event.preventDefault();
  const button = form.querySelector("button");
  button.setAttribute("aria-disabled", "true");
  try {
    const body = new URLSearchParams(new FormData(form));
    const answer = await fetch(form.action, { method: "POST", body, redirect: "manual", credentials: "same-origin" });
    if (answer.status >= 500) throw new Error(String(answer.status));
    banner.focus({ preventScroll: true });
    sweep();
    await ask();
  } catch {
    form.submit();
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

function sound() {
  if (chime([660, 880])) banner.dataset.sounded = String(Number(banner.dataset.sounded ?? 0) + 1);
}

function soundOn() {
  return recall(localStorage, SOUND) === "on";
}

function showSound() {
  const button = banner.querySelector("[data-sound] button");
  button.textContent = soundOn() ? button.dataset.off : button.dataset.on;
}

function toggleSound() {
  keep(localStorage, SOUND, soundOn() ? "off" : "on");
  showSound();
  if (soundOn()) sound();
}

// A browser may refuse to remember; then the sound is off, and everything is new once.
function recall(store, name) {
  try {
    return store.getItem(name);
  } catch {
    return null;
  }
}

function keep(store, name, value) {
  try {
    store.setItem(name, value);
  } catch {
    // See above.
  }
}
