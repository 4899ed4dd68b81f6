/*
 * The banner about free times on a page that stays open: asks the server every twenty seconds and puts in what
 * has changed. The banner is in the page from the start, so all of this can fail and nothing is lost.
 */

const EVERY_MS = 20_000;
const LONGEST_MS = 120_000;

const banner = document.querySelector("[data-capacity]");
let failures = 0;

if (banner) plan();

function plan() {
  setTimeout(ask, Math.min(EVERY_MS * 2 ** failures, LONGEST_MS));
}

async function ask() {
  try {
    const answer = await fetch(banner.dataset.poll, { cache: "no-store", redirect: "error", credentials: "same-origin" });
    if (answer.status === 401 || answer.status === 404) return;
    if (!answer.ok) throw new Error(String(answer.status));
    show(new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-capacity-said]"));
    failures = 0;
  } catch {
    failures += 1;
  }
  plan();
}

/** Only what is new is put in, and never while somebody stands on a button of it. */
function show(fresh) {
  const said = banner.querySelector("[data-capacity-said]");
  if (said.contains(document.activeElement) || text(said) === text(fresh)) return;
  said.replaceChildren(...[...fresh.childNodes].map((node) => document.importNode(node, true)));
}

function text(node) {
  return node.textContent.replace(/\s+/g, " ").trim();
}
