/*
 * The therapist's live page: the list and one talk, kept fresh by server-sent events.
 *
 * Every piece comes rendered from the server, so there are no words here. What is being written stays
 * in the field until the server has it, and is sent again with the same key if it did not get there.
 */

import { bellSounds, setBellSound } from "/static/bell.js";

const TYPING_EVERY_MS = 3000;
const TYPING_SHOWN_MS = 6000;
const NEAR_END = 120;

const list = document.querySelector("[data-talk-list]");
const talk = document.querySelector("[data-talk]");

// --- The list -------------------------------------------------------------------------------

let listing = false;
let listAgain = false;

if (list) {
  offerSound();
  document.addEventListener("koll-bell", freshList);
}

async function freshList() {
  if (listing) {
    listAgain = true;
    return;
  }
  listing = true;
  try {
    const current = document.querySelector("[data-desk]").dataset.current;
    const answer = await fetch(`${list.dataset.url}?oppet=${current}`, { cache: "no-store", redirect: "error" });
    if (answer.ok) replaceKept(list, await answer.text());
  } catch {
    // The next event brings it.
  } finally {
    listing = false;
    if (listAgain) {
      listAgain = false;
      freshList();
    }
  }
}

/** Put new pieces in place of old ones without throwing anybody off the link or field that they stand on. */
function replaceKept(place, html) {
  const key = place.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  place.replaceChildren(...parsed(html));
  if (key) place.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

function parsed(html) {
  return [...new DOMParser().parseFromString(html, "text/html").body.childNodes].map((one) => document.importNode(one, true));
}

/** Where there is no banner of alerts with a button for sound, one for the bell alone. */
function offerSound() {
  const place = document.querySelector("[data-bell-sound]");
  if (!place || !("AudioContext" in window)) return;
  const button = place.querySelector("button");
  const say = () => { button.textContent = bellSounds() ? button.dataset.off : button.dataset.on; };
  place.hidden = false;
  say();
  button.addEventListener("click", () => {
    setBellSound(!bellSounds());
    say();
  });
}

// --- The talk -------------------------------------------------------------------------------

if (talk) follow();

function follow() {
  const log = talk.querySelector("[data-log]");
  const end = log.querySelector("[data-end]");
  const typing = talk.querySelector("[data-typing]");
  const lost = talk.querySelector("[data-lost]");
  const write = talk.querySelector("[data-write]");
  let seq = Number(talk.dataset.seq);
  let seen = 0;
  let read = 0;
  let typingTimer = 0;
  let unsent = null;

  const path = (name) => `${talk.dataset.path}/${name}`;

  function nearEnd() {
    const box = scrolls(log) ? log : document.scrollingElement;
    return box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END;
  }

  function toEnd() {
    end.scrollIntoView({ block: "nearest" });
    if (scrolls(log)) log.scrollTop = log.scrollHeight;
    else window.scrollTo({ top: document.scrollingElement.scrollHeight });
  }

  function add(html) {
    const follows = nearEnd();
    for (const piece of parsed(html)) {
      if (!(piece instanceof Element) || log.querySelector(`[data-id="${CSS.escape(piece.dataset.id)}"]`)) continue;
      const number = Number(piece.dataset.seq);
      const after = [...log.querySelectorAll("[data-seq]")].find((one) => Number(one.dataset.seq) > number);
      (after ?? end).before(piece);
      seq = Math.max(seq, number);
      if (piece.matches(".line-visitor")) stopTyping();
    }
    if (follows) toEnd();
    showRead();
    tellSeen();
  }

  /** "Read" stands under the last of one's own messages that the other has had on the screen. */
  function showRead() {
    log.querySelector(".line-read")?.remove();
    const mine = [...log.querySelectorAll(".line-staff")].filter((one) => Number(one.dataset.seq) <= read).pop();
    if (!mine) return;
    const mark = document.createElement("p");
    mark.className = "line-read small";
    mark.textContent = talk.dataset.seen;
    mine.append(mark);
  }

  function tellSeen() {
    if (document.hidden || seq <= seen) return;
    seen = seq;
    fetch(path(`sett/${seq}`), { method: "POST" }).catch(() => {});
  }

  function stopTyping() {
    clearTimeout(typingTimer);
    typing.hidden = true;
  }

  async function freshState() {
    const answer = await fetch(talk.dataset.state, { cache: "no-store", redirect: "error" }).catch(() => null);
    if (!answer?.ok) return;
    for (const piece of parsed(await answer.text())) {
      if (!(piece instanceof Element)) continue;
      const old = talk.querySelector(`[data-part="${piece.dataset.part}"]`);
      if (!old || busyIn(old)) continue;
      old.replaceWith(piece);
    }
    // A talk that has ended or begun again has another form: the page is loaded anew, and what was written stays.
    const active = Boolean(talk.querySelector(".talk-ways"));
    if (active !== Boolean(write)) location.reload();
  }

  const stream = new EventSource(`${talk.dataset.stream}?efter=${seq}`);
  stream.addEventListener("open", () => {
    lost.hidden = true;
    talk.dataset.connected = "yes";
  });
  stream.addEventListener("message", ({ data }) => add(data));
  stream.addEventListener("state", freshState);
  stream.addEventListener("here", ({ data }) => {
    const place = talk.querySelector("[data-here]");
    if (place) place.textContent = data ? place.dataset.yes : place.dataset.no;
    if (!data) stopTyping();
  });
  stream.addEventListener("typing", () => {
    const follows = nearEnd();
    typing.hidden = false;
    if (follows) toEnd();
    clearTimeout(typingTimer);
    typingTimer = setTimeout(stopTyping, TYPING_SHOWN_MS);
  });
  stream.addEventListener("read", ({ data }) => {
    read = Number(data);
    showRead();
  });
  // It is somebody else's now, or one is logged out: the server knows where to go.
  stream.addEventListener("closed", () => {
    stream.close();
    location.assign("/personal/samtal");
  });
  stream.addEventListener("error", () => {
    lost.hidden = false;
    if (stream.readyState === EventSource.CLOSED) location.reload();
  });
  window.addEventListener("online", () => { if (stream.readyState === EventSource.CLOSED) location.reload(); });
  document.addEventListener("visibilitychange", tellSeen);
  tellSeen();
  toEnd();

  // One question at a time: opening one of the ways closes the other, and Escape closes both.
  talk.addEventListener("toggle", ({ target }) => {
    if (!target.open || !target.matches("[data-deed]")) return;
    for (const other of talk.querySelectorAll("[data-deed][open]")) if (other !== target) other.open = false;
    target.querySelector("select, textarea")?.focus({ preventScroll: true });
  }, true);
  talk.addEventListener("keydown", (event) => {
    const open = event.key === "Escape" && event.target.closest("details[open]");
    if (!open) return;
    open.open = false;
    open.querySelector("summary").focus();
  });

  if (!write) return;
  const field = write.elements.text;
  const problem = write.querySelector("[data-problem]");
  const button = write.querySelector("[data-send]");
  let told = 0;

  field.addEventListener("input", () => {
    const now = Date.now();
    if (!field.value.trim() || now - told < TYPING_EVERY_MS) return;
    told = now;
    fetch(path("skriver"), { method: "POST" }).catch(() => {});
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    write.requestSubmit(button);
  });
  write.addEventListener("click", (event) => {
    const canned = event.target.closest("[data-canned]");
    if (!canned) return;
    event.preventDefault();
    const before = field.value.trimEnd();
    field.value = before ? `${before} ${canned.dataset.canned}` : canned.dataset.canned;
    write.querySelector(".canned").open = false;
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
  });
  write.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.getAttribute("aria-disabled") === "true") return;
    const text = field.value;
    unsent = unsent?.text === text ? unsent : { text, key: newKey() };
    button.setAttribute("aria-disabled", "true");
    try {
      const answer = await fetch(write.action, { method: "POST", body: new URLSearchParams(unsent), headers: { "x-piece": "1" }, redirect: "error" });
      if (!answer.ok) throw new Refused(await answer.text(), answer.status);
      unsent = null;
      told = 0;
      if (field.value === text) field.value = "";
      problem.hidden = true;
      add(await answer.text());
      toEnd();
    } catch (error) {
      const kind = error instanceof Refused && error.status < 500;
      problem.querySelector("p").textContent = kind ? error.message : talk.dataset.notSent;
      problem.hidden = false;
    } finally {
      button.removeAttribute("aria-disabled");
      field.focus({ preventScroll: true });
    }
  });
}

class Refused extends Error {
  constructor(sentence, status) {
    super(sentence);
    this.status = status;
  }
}

function scrolls(box) {
  return getComputedStyle(box).overflowY === "auto";
}

/** Somebody is choosing or writing in it: it is not taken away from under them. */
function busyIn(piece) {
  return piece.contains(document.activeElement) || Boolean(piece.querySelector("[data-deed][open]"));
}

function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(18));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
