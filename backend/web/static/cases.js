/*
 * A page about cases that stays open: told by the server that something has changed, it fetches itself
 * and puts the new part in. While somebody writes or has something unfolded it only says that there is
 * something new. When the case is no longer theirs to read, it is gone from the page at once.
 *
 * Works in the same way without it, after a reload.
 */

const part = document.querySelector("[data-live]");
const news = document.querySelector("[data-news]");
const WAIT_MS = 300;
let timer = 0;

if (part && "EventSource" in window) follow();

function follow() {
  const source = new EventSource(part.dataset.live);
  source.addEventListener("changed", soon);
  source.addEventListener("resync", soon);
  source.addEventListener("closed", () => {
    source.close();
    gone();
  });
  addEventListener("pagehide", () => source.close());
}

function soon() {
  clearTimeout(timer);
  timer = setTimeout(renew, WAIT_MS);
}

async function renew() {
  if (busy()) {
    if (news) news.hidden = false;
    return;
  }
  const answer = await fetch(location.pathname + location.search, { cache: "no-store", credentials: "same-origin", headers: { "x-by-page": "1" } }).catch(() => null);
  if (!answer) return;
  if (answer.status === 404) return gone();
  if (!answer.ok || answer.redirected) return location.reload();
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-live]");
  if (fresh && !busy()) part.replaceChildren(...fresh.childNodes);
  else if (news) news.hidden = false;
}

function busy() {
  const inside = part.contains(document.activeElement) && document.activeElement !== part;
  const written = [...part.querySelectorAll("textarea, input:not([type=hidden])")].some((field) => field.value !== field.defaultValue);
  return inside || written || part.querySelector("details[open]") !== null;
}

function gone() {
  const words = document.querySelector("[data-closed]");
  const main = document.querySelector("main");
  if (words) main.replaceChildren(words.content.cloneNode(true));
  else location.replace(part.dataset.gone);
}
