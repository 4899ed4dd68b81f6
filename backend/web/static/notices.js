/*
 * Notices in the browser on any staff page, for who has turned them on. One open page does it for all
 * of them, so that nothing is shown twice. Says only the one word that the server has put in the page.
 *
 * Asks for nothing by itself: the browser's question comes when somebody presses the button on the
 * day's page, and can be taken back there or in the browser.
 */

import { follow } from "./follow.js";

const KEY = "koll-notices";
const QUIET_MS = 30_000;
const told = document.querySelector('meta[name="notices"]');
let last = 0;

if (told && wanted()) tell();

/** Whether notices can be shown at all, and whether they are wanted here. */
export function possible() {
  return "Notification" in window && "locks" in navigator;
}

export function wanted() {
  return possible() && Notification.permission === "granted" && localStorage.getItem(KEY) === "on";
}

/** Turn notices on; resolves to whether the browser lets us. */
export async function turnOn() {
  const answer = await Notification.requestPermission();
  if (answer !== "granted") return false;
  localStorage.setItem(KEY, "on");
  tell();
  return true;
}

export function turnOff() {
  localStorage.removeItem(KEY);
}

function tell() {
  navigator.locks.request(KEY, { ifAvailable: false }, () => {
    follow(told.dataset.stream, { news: show, resync: show }, (lost) => {
      told.dataset.following = lost ? "no" : "yes";
    });
    return new Promise(() => {}); // until the page is gone, and another open one takes over
  });
}

function show() {
  if (!wanted() || document.hasFocus() || Date.now() - last < QUIET_MS) return;
  last = Date.now();
  const notice = new Notification(told.content, { tag: KEY });
  notice.addEventListener("click", () => {
    focus();
    notice.close();
  });
}
