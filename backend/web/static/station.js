/*
 * A station's texts come alive: difficult words explain themselves where they stand, a text is read
 * aloud by a voice that lives on the device, and a "yes" to "did you understand?" gets an answer.
 * Without this file all of it is links and folded text.
 */

import { leavingWipes } from "./leave.js";

const speech = "speechSynthesis" in window ? window.speechSynthesis : null;
let speaking = null;

// --- Difficult words ----------------------------------------------------------------------

const bubble = document.createElement("div");
bubble.className = "word-bubble";
bubble.tabIndex = -1;
bubble.setAttribute("role", "note");
let asked = null;

function explain(link, root) {
  const entry = root.querySelector(`#${CSS.escape(`ord-${link.dataset.word}`)}`);
  if (!entry || !bubble.showPopover) return false;
  bubble.popover = "auto";
  bubble.lang = link.closest("[lang]")?.lang ?? "";
  const [word, meaning] = ["strong", "p"].map((name) => document.createElement(name));
  word.textContent = entry.querySelector("dt").textContent;
  meaning.textContent = entry.querySelector("dd").textContent;
  bubble.replaceChildren(word, meaning);
  root.append(bubble);
  bubble.showPopover();
  asked = link;
  place(link);
  bubble.focus({ preventScroll: true });
  return true;
}

function place(link) {
  const word = link.getBoundingClientRect();
  const { width, height } = bubble.getBoundingClientRect();
  const left = Math.max(8, Math.min(word.left, document.documentElement.clientWidth - width - 8));
  const below = word.bottom + 8;
  const top = below + height > window.innerHeight ? Math.max(8, word.top - height - 8) : below;
  bubble.style.left = `${left}px`;
  bubble.style.top = `${top}px`;
}

/** The page moves under the bubble, which keeps to its word until that is out of sight. */
function follow() {
  if (!asked) return;
  const { top, bottom } = asked.getBoundingClientRect();
  if (bottom < 0 || top > window.innerHeight) bubble.hidePopover();
  else place(asked);
}

bubble.addEventListener("toggle", (event) => {
  if (event.newState !== "closed" || !asked) return;
  const nowhere = !document.activeElement || document.activeElement === document.body;
  if (nowhere || bubble.contains(document.activeElement)) asked.focus({ preventScroll: true });
  asked = null;
});
document.addEventListener("scroll", follow, { capture: true, passive: true });

// --- Reading aloud ------------------------------------------------------------------------

/** Voices of the language that speak on the device itself: what is read must not be sent anywhere. */
function voiceFor(lang) {
  const mine = (voice) => voice.localService && voice.lang.replace("_", "-").toLowerCase().split("-")[0] === lang;
  return speech?.getVoices().find(mine);
}

const languageOf = (element) => (element.closest("[lang]")?.lang || "sv").split("-")[0];

function stopReading() {
  speech?.cancel();
  settle();
}

function settle() {
  if (!speaking) return;
  speaking.textContent = speaking.dataset.start;
  speaking.setAttribute("aria-pressed", "false");
  speaking = null;
}

function read(button) {
  const again = speaking === button;
  stopReading();
  if (again) return;
  const parts = [...button.closest("[data-read]").querySelectorAll("h2, h3, p, li")];
  const said = new SpeechSynthesisUtterance(parts.map((part) => part.textContent.trim()).join(". ").replace(/([.?!])\./g, "$1"));
  said.lang = languageOf(button);
  said.voice = voiceFor(said.lang);
  said.rate = 0.92;
  said.onend = said.onerror = () => {
    if (speaking === button) settle();
  };
  speaking = button;
  button.textContent = button.dataset.stopWords;
  button.setAttribute("aria-pressed", "true");
  speech.speak(said);
}

function offerReading(root) {
  for (const button of root.querySelectorAll("[data-listen]")) {
    button.dataset.start ??= button.textContent;
    button.hidden = !voiceFor(languageOf(button));
  }
}

// --- Everything of one station ------------------------------------------------------------

/** Bring the texts under `root` to life; called again for every station that is put on the page. */
export function wake(root) {
  stopReading();
  offerReading(root);
  for (const link of root.querySelectorAll("[data-word]")) {
    link.addEventListener("click", (event) => {
      if (explain(link, root)) event.preventDefault();
    });
  }
  for (const button of root.querySelectorAll("[data-listen]")) button.addEventListener("click", () => read(button));
  const question = root.querySelector("[data-understood]");
  const yes = question?.querySelector("[data-yes]");
  if (!yes) return;
  yes.hidden = false;
  yes.addEventListener("click", () => {
    const thanks = question.querySelector("[data-thanks]");
    question.querySelector("[data-answers]").hidden = true;
    thanks.tabIndex = -1;
    thanks.textContent = thanks.dataset.text;
    // The pressed button is gone; a keyboard goes on from the answer.
    thanks.focus({ preventScroll: true });
  });
}

speech?.addEventListener?.("voiceschanged", () => offerReading(document));
window.addEventListener("pagehide", stopReading);
leavingWipes(() => "", stopReading);

const page = document.querySelector("[data-station]");
if (page) wake(page);
