/*
 * The map comes alive: a station opens beside the picture, arrow keys wander from station to station,
 * and the picture can be made bigger and moved. Without this file stations are links and the strip is
 * the map. Nothing is put in the browser's history: it shows that somebody saw the map, not what of it.
 */

import { wake } from "./station.js";

const root = document.querySelector("[data-map-page]");
const map = root.querySelector("[data-map]");
const frame = root.querySelector("[data-frame]");
const svg = root.querySelector("[data-svg]");
const panel = root.querySelector("[data-panel]");
const inside = root.querySelector("[data-panel-inside]");
const still = matchMedia("(prefers-reduced-motion: reduce)");
const narrow = matchMedia("(max-width: 61.99rem)");
const DRAG_PX = 6;
const BIGGEST = 5;
const STEP = 1.4;

const shown = new Map();
let open = null;
let from = null;

const stopIn = (where, slug) => where.querySelector(`[data-stop="${CSS.escape(slug)}"]`);
/** An SVG's link has an address that is no string. */
const address = (link) => link.getAttribute("href");
const full = () => map.classList.contains("way-full");
/** Whether the list is what is seen: on a phone, and where the picture opens from a button. */
const asList = () => !full() && (narrow.matches || "folded" in root.dataset);

// --- Stations -----------------------------------------------------------------------------

/** The station's own page, of which its article is shown here; once fetched it stays for as long as this page does. */
async function station(link) {
  const slug = link.dataset.stop ?? link.dataset.go;
  if (!shown.has(slug)) {
    const response = await fetch(address(link), { cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer" });
    if (!response.ok) throw new Error(String(response.status));
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    shown.set(slug, page.querySelector("[data-station]"));
  }
  return document.importNode(shown.get(slug), true);
}

/** Headings one step down: on this page the station stands under the map's own heading. */
function lower(article) {
  for (const heading of article.querySelectorAll("h1, h2")) {
    const lowered = document.createElement(heading.localName === "h1" ? "h2" : "h3");
    for (const { name, value } of heading.attributes) lowered.setAttribute(name, value);
    lowered.append(...heading.childNodes);
    heading.replaceWith(lowered);
  }
}

async function show(link, slug) {
  let article;
  try {
    article = await station(link);
  } catch {
    // The network or the server has something against it; the page itself may still come.
    location.assign(address(link));
    return;
  }
  lower(article);
  const before = open;
  open = slug;
  inside.replaceChildren(article);
  panel.hidden = false;
  mark(before, slug);
  wake(article);
  panel.scrollTop = 0;
  article.querySelector("h2").focus({ preventScroll: true });
}

function mark(before, slug) {
  for (const lit of root.querySelectorAll(".lit")) lit.classList.remove("lit");
  for (const current of root.querySelectorAll("[data-stop][aria-current]")) current.removeAttribute("aria-current");
  for (const link of root.querySelectorAll(`[data-stop="${CSS.escape(slug)}"]`)) link.setAttribute("aria-current", "true");
  const station = stopIn(svg, slug);
  for (const edge of svg.querySelectorAll(`[data-edge^="${station.dataset.id} "]`)) edge.classList.add("lit");
  const middle = svg.getBoundingClientRect();
  const box = station.getBoundingClientRect();
  panel.classList.toggle("way-panel-left", box.left + box.width / 2 > middle.left + middle.width / 2);
  const visible = asList() ? stopIn(root.querySelector("#list"), slug) : station;
  visible?.scrollIntoView({ block: narrow.matches ? "start" : "nearest", inline: "center", behavior: still.matches ? "auto" : "smooth" });
  if (before) walk(before, slug);
}

/** A light goes along the line from one station to the next. */
function walk(before, slug) {
  const one = stopIn(svg, before).dataset.id;
  const other = stopIn(svg, slug).dataset.id;
  const forward = svg.querySelector(`.line[data-edge="${one} ${other}"]`);
  const path = forward ?? svg.querySelector(`.line[data-edge="${other} ${one}"]`);
  if (!path || still.matches) return;
  const light = document.createElementNS(svg.namespaceURI, "circle");
  light.setAttribute("class", "lantern");
  light.setAttribute("r", "9");
  path.after(light);
  const length = path.getTotalLength();
  const start = performance.now();
  const duration = Math.min(1200, 300 + length * 1.5);
  const step = (now) => {
    const part = Math.min(1, (now - start) / duration);
    const eased = part * part * (3 - 2 * part);
    const { x, y } = path.getPointAtLength(length * (forward ? eased : 1 - eased));
    light.setAttribute("cx", x);
    light.setAttribute("cy", y);
    if (part < 1) requestAnimationFrame(step);
    else light.remove();
  };
  requestAnimationFrame(step);
}

function close() {
  if (panel.hidden) return;
  const slug = open;
  panel.hidden = true;
  inside.replaceChildren();
  open = null;
  for (const lit of root.querySelectorAll(".lit")) lit.classList.remove("lit");
  for (const current of root.querySelectorAll("[data-stop][aria-current]")) current.removeAttribute("aria-current");
  const back = from?.isConnected && from.dataset.stop === slug ? from : stopIn(asList() ? root.querySelector("#list") : svg, slug);
  // The list of one's own way has not every station.
  (back ?? from ?? opener).focus({ preventScroll: true });
}

root.addEventListener("click", (event) => {
  const link = event.target.closest("[data-stop], [data-go]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  if (link.dataset.stop) from = link;
  show(link, link.dataset.stop ?? link.dataset.go);
});
root.querySelector("[data-panel-close]").addEventListener("click", close);

// --- Wandering by keyboard ----------------------------------------------------------------

const WAYS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };

/**
 * Tab stops once at the picture, and the arrows go on from there: whoever has no mouse need not pass every station
 * to reach the list, which has the same ones. They stay links with names, and not one image with a description,
 * since somebody may see the picture and hear it too; an image may hold nothing that can have the focus.
 */
function rove(link) {
  for (const other of svg.querySelectorAll("[data-stop]")) other.setAttribute("tabindex", other === link ? "0" : "-1");
}
// Not on the drawing: an SVG that listens to focus is given the focus itself.
frame.addEventListener("focusin", (event) => {
  const link = event.target.closest("[data-stop]");
  if (link) rove(link);
});
rove(svg.querySelector(".stop-here") ?? svg.querySelector("[data-stop]"));

function place(link) {
  const ring = link.querySelector(".stop-ring");
  return [ring.cx.baseVal.value, ring.cy.baseVal.value];
}

/** The nearest station in that direction; what lies aside counts double, so that one keeps to the way. */
function nearest(link, [dx, dy]) {
  const [x, y] = place(link);
  let best = null;
  let least = Infinity;
  for (const other of svg.querySelectorAll("[data-stop]")) {
    const [ox, oy] = place(other);
    const along = (ox - x) * dx + (oy - y) * dy;
    const aside = Math.abs((ox - x) * dy) + Math.abs((oy - y) * dx);
    if (along > 0 && aside <= along * 2 && along + 2 * aside < least) [best, least] = [other, along + 2 * aside];
  }
  return best;
}

svg.addEventListener("keydown", (event) => {
  const link = event.target.closest("[data-stop]");
  if (!link || event.altKey || event.ctrlKey || event.metaKey) return;
  const all = [...svg.querySelectorAll("[data-stop]")];
  const goal = { Home: all[0], End: all.at(-1) }[event.key] ?? (WAYS[event.key] && nearest(link, WAYS[event.key]));
  if (!goal && !WAYS[event.key]) return;
  event.preventDefault();
  if (!goal) return;
  goal.focus({ preventScroll: true });
  goal.scrollIntoView({ block: "nearest", inline: "nearest" });
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.defaultPrevented && !document.querySelector(":popover-open")) {
    if (!panel.hidden) close();
    else if (full()) leaveFull();
  }
});

// --- Bigger and smaller -------------------------------------------------------------------

let size = 1;

/** Make the picture `next` times as wide as its frame; the point at (x, y) of the frame stays where it is. */
function zoom(next, x = frame.clientWidth / 2, y = frame.clientHeight / 2) {
  const to = Math.max(1, Math.min(BIGGEST, next));
  const ratio = to / size;
  const [left, top] = [frame.scrollLeft + x, frame.scrollTop + y];
  size = to;
  svg.style.width = `${to * 100}%`;
  map.classList.toggle("way-big", to > 1);
  frame.scrollLeft = left * ratio - x;
  frame.scrollTop = top * ratio - y;
  map.querySelector("[data-smaller]").setAttribute("aria-disabled", String(to <= 1));
  map.querySelector("[data-bigger]").setAttribute("aria-disabled", String(to >= BIGGEST));
}

/** Towards the station that is open or was last on, else towards the middle of what is seen. */
function towards(next) {
  const station = svg.querySelector("[data-stop][aria-current]");
  if (!station) return zoom(next);
  const [box, around] = [station.getBoundingClientRect(), frame.getBoundingClientRect()];
  return zoom(next, box.left + box.width / 2 - around.left, box.top + box.height / 2 - around.top);
}

map.querySelector("[data-bigger]").addEventListener("click", () => towards(size * STEP));
map.querySelector("[data-smaller]").addEventListener("click", () => towards(size / STEP));
map.querySelector("[data-whole]").addEventListener("click", () => zoom(1));
map.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || !/^[+\-0]$/.test(event.key)) return;
  event.preventDefault();
  towards({ "+": size * STEP, "-": size / STEP, 0: 1 }[event.key]);
});
frame.addEventListener(
  "wheel",
  (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    const { left, top } = frame.getBoundingClientRect();
    zoom(size * Math.exp(-event.deltaY / 300), event.clientX - left, event.clientY - top);
  },
  { passive: false },
);

// --- Fingers and mouse --------------------------------------------------------------------

const fingers = new Map();
let dragged = false;

const spread = () => {
  const [one, other] = [...fingers.values()];
  return Math.hypot(one.x - other.x, one.y - other.y);
};

frame.addEventListener("pointerdown", (event) => {
  if (event.button || (size === 1 && !full())) return;
  if (!fingers.size) dragged = false;
  fingers.set(event.pointerId, { x: event.clientX, y: event.clientY, travelled: 0 });
});
frame.addEventListener("pointermove", (event) => {
  const finger = fingers.get(event.pointerId);
  if (!finger) return;
  const [dx, dy] = [event.clientX - finger.x, event.clientY - finger.y];
  if (fingers.size === 2) {
    const was = spread();
    Object.assign(finger, { x: event.clientX, y: event.clientY });
    const [one, other] = [...fingers.values()];
    const { left, top } = frame.getBoundingClientRect();
    dragged = true;
    zoom((size * spread()) / was, (one.x + other.x) / 2 - left, (one.y + other.y) / 2 - top);
    return;
  }
  finger.travelled += Math.hypot(dx, dy);
  if (!dragged && finger.travelled < DRAG_PX) return;
  if (!dragged) {
    dragged = true;
    // A finger is held by what it came down on, as long as it is down; a mouse that leaves the frame is not.
    if (event.pointerType === "mouse") frame.setPointerCapture(event.pointerId);
  }
  Object.assign(finger, { x: event.clientX, y: event.clientY });
  frame.scrollLeft -= dx;
  frame.scrollTop -= dy;
});
for (const end of ["pointerup", "pointercancel"]) {
  frame.addEventListener(end, (event) => {
    fingers.delete(event.pointerId);
    // The click that ends a drag comes before this; a later press is one again.
    if (!fingers.size) setTimeout(() => (dragged = false));
  });
}
frame.addEventListener("dragstart", (event) => event.preventDefault());
frame.addEventListener(
  "click",
  (event) => {
    // Without a pointer (a key, a screen reader) nothing can have been dragged.
    if (!dragged || !event.detail) return;
    // The picture was moved, nothing was pressed.
    event.preventDefault();
    event.stopPropagation();
  },
  true,
);

// --- The whole screen, on a phone -----------------------------------------------------------

const opener = root.querySelector("[data-open-picture]");
const closer = map.querySelector("[data-close-picture]");

/** What lies beside the picture in the page's main part; the way out of the page stays open. */
function* beside() {
  for (let inner = map; inner.localName !== "main"; inner = inner.parentElement) {
    for (const other of inner.parentElement.children) if (other !== inner && other !== panel) yield other;
  }
}

function goFull() {
  map.classList.add("way-full");
  document.documentElement.classList.add("way-locked");
  for (const other of beside()) other.inert = true;
  // Wide enough to be read: from where one is, else from the beginning of the way.
  zoom(Math.max(1, 900 / frame.clientWidth), 0, 0);
  const here = svg.querySelector(".stop-here");
  const [box, around] = [(here ?? svg.querySelector("[data-stop]")).getBoundingClientRect(), frame.getBoundingClientRect()];
  if (here) frame.scrollLeft += box.left + box.width / 2 - around.left - frame.clientWidth / 2;
  frame.scrollTop += box.top - around.top - frame.clientHeight / 3;
  closer.focus();
}

function leaveFull() {
  map.classList.remove("way-full");
  document.documentElement.classList.remove("way-locked");
  for (const other of beside()) other.inert = false;
  zoom(1);
  opener.focus();
}

opener.hidden = false;
opener.addEventListener("click", goFull);
closer.addEventListener("click", leaveFull);
narrow.addEventListener("change", () => {
  if (full()) leaveFull();
});
map.querySelector("[data-tools]").hidden = false;
zoom(1);
