/*
 * The page of one concern: says when a colleague writes an answer or something has changed, and lets
 * colleagues know that an answer is being written here. Nothing that is typed leaves the page before it is sent.
 */

import { follow } from "./follow.js";

const EVERY_MS = 20_000;
const page = document.querySelector("[data-concern]");
let told = 0;

if (page) {
  const id = page.dataset.concern;
  follow(
    page.dataset.live,
    {
      changed: (which) => which === id && changed(),
      writing: (which) => which === id && look(),
      resync: look,
    },
    () => {},
  );
  document.querySelector("#answer")?.addEventListener("input", tell);
  const wrong = document.querySelector(".error-summary");
  if (wrong) wrong.focus();
}

function changed() {
  const note = document.querySelector("[data-changed]");
  note.querySelector("a").href = location.pathname + location.search;
  note.hidden = false;
}

async function look() {
  const answer = await fetch(page.dataset.writes, { cache: "no-store", redirect: "error" }).catch(() => null);
  if (answer?.status === 404) changed();
  if (!answer?.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-writing]");
  document.querySelector("[data-writing]").textContent = fresh.textContent;
}

function tell() {
  if (Date.now() - told < EVERY_MS) return;
  told = Date.now();
  fetch(page.dataset.writes, { method: "POST", redirect: "manual" }).catch(() => {});
}
