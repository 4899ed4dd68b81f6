/*
 * Leaving in an instant: the button, or Shift three times within five seconds of each other.
 *
 * The page is covered and emptied before anything else happens, so a slow network
 * shows nothing; then the chat is wiped on the server, and this page is replaced by a
 * neutral one, so that Back does not return to it. After GOV.UK's "Exit this page".
 */

const PRESSES = 3;
const WINDOW_MS = 5000;

const form = document.querySelector("form[data-leave]");
const framed = window.parent !== window;
const channel = "BroadcastChannel" in window ? new BroadcastChannel("koll") : null;
const listed = (form?.dataset.parents ?? "").split(" ").filter(Boolean);

let chatOf = () => form?.elements.chat.value ?? "";
let stopWork = () => {};
let gone = false;

/** Say where the chat's id is kept, and how to stop what is on its way. */
export function leavingWipes(getChat, stop) {
  chatOf = getChat;
  stopWork = stop;
}

/** Tell the page around the frame one of: "close", "leave". Only pages that may frame us hear it. */
export function tellParent(word) {
  if (!framed) return;
  const actual = location.ancestorOrigins?.[0];
  const origins = actual ? [actual].filter(mayFrame) : listed.map(asOrigin).filter((one) => !one.includes("*"));
  for (const origin of origins) window.parent.postMessage({ koll: word }, origin);
}

function asOrigin(source) {
  return source === "'self'" ? location.origin : source;
}

function mayFrame(origin) {
  return listed.map(asOrigin).some((source) => {
    const pattern = source.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replace("*", "[^/:]+");
    return new RegExp(`^${pattern}$`).test(origin);
  });
}

function cover() {
  document.documentElement.classList.add("left");
  document.title = form.dataset.title;
  const note = document.createElement("div");
  note.className = "leaving-note";
  note.setAttribute("role", "alert");
  document.body.replaceChildren(note);
  note.textContent = form.dataset.leaving;
}

function wipe(chat) {
  if (!chat) return;
  const body = new URLSearchParams({ chat });
  if (!navigator.sendBeacon("/lamna", body)) {
    fetch("/lamna", { method: "POST", body, keepalive: true, credentials: "omit" }).catch(() => {});
  }
}

function go() {
  const exit = form.dataset.exit;
  if (framed) {
    try {
      window.top.location.replace(exit);
      return;
    } catch {
      // The page around us may be the only one that can leave; it has been told.
    }
  }
  location.replace(exit);
}

function leave({ tellOthers = true, fromParent = false } = {}) {
  if (gone) return;
  gone = true;
  const chat = chatOf();
  cover();
  stopWork();
  wipe(chat);
  if (tellOthers) channel?.postMessage("leave");
  if (fromParent) return;
  tellParent("leave");
  go();
}

function watchShift() {
  const status = form.querySelector("[role=status]");
  const lights = form.querySelector(".leave-lights");
  let presses = 0;
  let wasModifier = false;
  let timer = 0;

  function reset() {
    clearTimeout(timer);
    timer = 0;
    presses = 0;
    delete lights.dataset.lit;
  }

  function expire() {
    reset();
    status.textContent = form.dataset.expired;
    setTimeout(() => {
      if (presses === 0) status.textContent = "";
    }, WINDOW_MS);
  }

  document.addEventListener("keyup", (event) => {
    if (event.key === "Shift" && !wasModifier) {
      presses += 1;
      if (presses >= PRESSES) {
        reset();
        leave();
        return;
      }
      lights.dataset.lit = presses;
      status.textContent = presses === 1 ? form.dataset.two : form.dataset.one;
      clearTimeout(timer);
      timer = setTimeout(expire, WINDOW_MS);
    } else if (timer) {
      reset();
      status.textContent = "";
    }
    wasModifier = event.shiftKey;
  });
}

if (form) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    leave();
  });
  watchShift();
  channel?.addEventListener("message", () => leave({ tellOthers: false }));
  window.addEventListener("message", (event) => {
    if (framed && event.source === window.parent && mayFrame(event.origin) && event.data?.koll === "leave") {
      leave({ fromParent: true });
    }
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted && gone) go();
  });
}
