/*
 * The inbox renews itself when something changes in the unit, and is worked by keys: j and k or the
 * arrows between rows, Enter opens, x chooses, t takes what is chosen. Keys can be switched off, and
 * never act while somebody types. Words come from the server; here are none.
 */

import { follow } from "./follow.js";

const KEYS_OFF = "koll-keys";
const live = document.querySelector("[data-live]");
let renewing = false;
let again = false;

if (live) follow(live.dataset.live, { changed: renew, resync: renew, writing: () => {} }, (lost) => {
  document.querySelector("[data-inbox-lost]").hidden = !lost;
});
document.addEventListener("keydown", pressed);
document.addEventListener("change", chosen);
const keys = document.querySelector("[data-keys]");
if (keys) {
  keys.hidden = false;
  keys.querySelector("[data-keys-switch]").addEventListener("click", () => {
    keep(recall() === "off" ? "on" : "off");
    showSwitch();
  });
  showSwitch();
}
dress();

function rows() {
  return [...document.querySelectorAll("[data-row]")];
}

/** Fetch the list anew; the row with the focus keeps it, and what was chosen stays chosen. */
async function renew() {
  if (renewing) {
    again = true;
    return;
  }
  renewing = true;
  try {
    const answer = await fetch(live.dataset.part, { cache: "no-store", redirect: "error" });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-inbox]");
    const here = document.activeElement?.closest("[data-row]");
    const before = rows().map((row) => row.dataset.row);
    const place = before.indexOf(here?.dataset.row);
    const picked = new Set([...document.querySelectorAll("[data-pick]:checked")].map((box) => box.value));
    const onBox = document.activeElement?.matches?.("[data-pick]");
    const unfolded = new Set([...live.querySelectorAll("[data-fold][open]")].map((one) => one.dataset.fold));
    const several = live.querySelector("#several")?.checked;
    live.replaceChildren(document.importNode(fresh, true));
    for (const one of live.querySelectorAll("[data-fold]")) one.open = unfolded.has(one.dataset.fold);
    if (several && live.querySelector("#several")) live.querySelector("#several").checked = true;
    for (const box of document.querySelectorAll("[data-pick]")) box.checked = picked.has(box.value);
    dress();
    if (place >= 0) {
      // The same row if it is there, else the one that took its place.
      const row = rows().find((one) => one.dataset.row === before[place]) ?? rows()[Math.min(place, rows().length - 1)];
      unfold(row);
      (onBox && row?.querySelector("[data-pick]") ? row.querySelector("[data-pick]") : opener(row))?.focus({ preventScroll: true });
    }
    if (before.join() !== rows().map((row) => row.dataset.row).join()) tell();
  } finally {
    renewing = false;
    if (again) {
      again = false;
      renew();
    }
  }
}

function tell() {
  const news = document.querySelector("[data-news]");
  news.textContent = "";
  setTimeout(() => (news.textContent = news.dataset.text), 100);
}

/** What is there only with script: the box that chooses all. */
function dress() {
  const all = document.querySelector("[data-all]");
  if (all) all.hidden = false;
  showAll();
}

function chosen(event) {
  const all = event.target.closest("[data-all]");
  if (all) for (const box of document.querySelectorAll("[data-pick]")) box.checked = event.target.checked;
  showAll();
}

function showAll() {
  const all = document.querySelector("[data-all] input");
  if (!all) return;
  const boxes = [...document.querySelectorAll("[data-pick]")];
  const count = boxes.filter((box) => box.checked).length;
  all.checked = boxes.length > 0 && count === boxes.length;
  all.indeterminate = count > 0 && count < boxes.length;
}

function opener(row) {
  return row?.querySelector("[data-open]");
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || recall() === "off") return;
  const target = event.target;
  if (target.matches("input:not([type=checkbox]), textarea, select, [contenteditable]")) return;
  const all = rows();
  const place = all.indexOf(target.closest("[data-row]"));
  const act = {
    j: () => go(all, place + 1),
    ArrowDown: () => go(all, place + 1),
    k: () => go(all, place < 0 ? 0 : place - 1),
    ArrowUp: () => go(all, place < 0 ? 0 : place - 1),
    x: () => all[place]?.querySelector("[data-pick]")?.click(),
    t: () => document.querySelector("[data-pick]:checked") && document.querySelector("#take").requestSubmit(),
    "/": search,
    "?": () => keys && (keys.open = !keys.open),
  }[event.key];
  if (!act || (event.key.startsWith("Arrow") && place < 0)) return;
  event.preventDefault();
  act();
}

function go(all, place) {
  const next = opener(all[Math.max(0, Math.min(place, all.length - 1))]);
  unfold(next);
  next?.focus();
  next?.closest("[data-row]").scrollIntoView({ block: "nearest" });
}

/** Whoever walks into what is folded, unfolds it. */
function unfold(one) {
  const fold = one?.closest("[data-fold]");
  if (fold) fold.open = true;
}

function search() {
  const tools = document.querySelector("[data-tools]");
  if (tools) tools.open = true;
  document.querySelector("#search")?.focus();
}

function showSwitch() {
  const button = keys.querySelector("[data-keys-switch]");
  button.textContent = recall() === "off" ? button.dataset.on : button.dataset.off;
}

// A browser may refuse to remember; then the keys are on.
function recall() {
  try {
    return localStorage.getItem(KEYS_OFF);
  } catch {
    return null;
  }
}

function keep(value) {
  try {
    localStorage.setItem(KEYS_OFF, value);
  } catch {
    // See above.
  }
}
