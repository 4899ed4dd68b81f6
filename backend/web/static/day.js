/* The day's page: says when something is new, and holds the switch for notices in the browser. */

import { follow } from "./follow.js";
import { possible, turnOff, turnOn, wanted } from "./notices.js";

const page = document.querySelector("[data-news]");
const switches = document.querySelector("[data-notices]");

if (page && "EventSource" in window) {
  const fresh = page.querySelector("[data-new]");
  const say = () => (fresh.hidden = false);
  follow(page.dataset.news, { talks: say, resync: say }, (lost) => {
    page.dataset.following = lost ? "no" : "yes";
  });
}

if (switches && possible()) {
  switches.hidden = false;
  const [on, off] = ["[data-turn-on]", "[data-turn-off]"].map((which) => switches.querySelector(which));
  const refused = switches.querySelector("[data-refused]");
  const look = () => {
    on.hidden = wanted();
    off.hidden = !wanted();
  };
  on.addEventListener("click", async () => {
    refused.hidden = await turnOn();
    look();
  });
  off.addEventListener("click", () => {
    turnOff();
    look();
  });
  look();
}
