/*
 * The chat on a municipality's own page: <script src="https://.../embed.js" async></script>
 *
 * Until somebody presses the button nothing is loaded and nothing is stored. The chat
 * itself runs in a frame of its own origin; the page around it learns two words and
 * nothing more: "close" and "leave".
 */
(() => {
  "use strict";

  const settings = /*SETTINGS*/ {};
  const origin = new URL(document.currentScript.src).origin;
  const PRESSES = 3;
  const WINDOW_MS = 5000;
  const NARROW = "(max-width: 40rem), (max-height: 30rem)";

  if (document.querySelector("[data-koll-chat]")) return;

  const css = `
    :host { all: initial; }
    * { box-sizing: border-box; }
    [hidden] { display: none !important; }
    .open, .close {
      font: 600 17px/1.25 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
      display: inline-flex; align-items: center; gap: 10px; cursor: pointer;
    }
    .open {
      position: fixed; right: max(16px, env(safe-area-inset-right)); bottom: max(16px, env(safe-area-inset-bottom));
      z-index: 2147483000; min-height: 56px; padding: 8px 22px 8px 12px; max-width: calc(100vw - 32px);
      background: #1d5b52; color: #fffcf5; border: 2px solid #fffcf5; border-radius: 999px;
      box-shadow: 0 2px 14px rgb(0 0 0 / 0.28);
    }
    .open:hover { background: #123f39; }
    .open svg { width: 36px; height: 36px; flex: none; border-radius: 50%; }
    :focus-visible { outline: 3px solid #21302d; outline-offset: 2px; box-shadow: 0 0 0 7px #f3c65b; }
    .panel {
      position: fixed; right: max(16px, env(safe-area-inset-right)); bottom: max(16px, env(safe-area-inset-bottom));
      z-index: 2147483001; display: flex; flex-direction: column; overflow: hidden;
      width: min(432px, calc(100vw - 32px)); height: min(720px, calc(100vh - 32px)); height: min(720px, calc(100dvh - 32px));
      background: #f4eee1; color: #21302d; border: 1px solid #797361; border-radius: 18px 20px 16px 20px;
      box-shadow: 0 8px 40px rgb(0 0 0 / 0.3);
    }
    .bar { display: flex; align-items: center; justify-content: space-between; gap: 12px; padding: 4px 6px 4px 16px;
      background: #1d5b52; color: #fffcf5; font: 600 17px/1.25 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
    .close { min-height: 44px; padding: 6px 16px; background: transparent; color: inherit; border: 2px solid transparent; border-radius: 12px; }
    .close:hover { border-color: currentColor; }
    .bar :focus-visible { outline-color: #fffcf5; box-shadow: none; }
    iframe { flex: 1; width: 100%; border: 0; background: #f4eee1; }
    .cover { position: fixed; inset: 0; z-index: 2147483647; background: Canvas; }
    @media (prefers-color-scheme: dark) {
      .panel, iframe { background: #131d1f; }
      .open { border-color: #0d1517; background: #93d2c1; color: #0b231e; }
      .open:hover { background: #b8e6d9; }
      .bar { background: #1d292b; color: #f2eadb; }
      :focus-visible { outline-color: #fff4d6; box-shadow: 0 0 0 7px #16211f; }
    }
    @media ${NARROW} {
      .panel { inset: 0; width: 100%; height: 100%; border: 0; border-radius: 0; }
    }
    @media print { .open, .panel { display: none; } }
  `;

  const host = document.createElement("div");
  host.setAttribute("data-koll-chat", "");
  const shadow = host.attachShadow({ mode: "open" });
  try {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    shadow.adoptedStyleSheets = [sheet];
  } catch {
    const style = document.createElement("style");
    style.textContent = css;
    shadow.append(style);
  }

  const make = (tag, attributes, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };

  function mark() {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 40 40");
    svg.setAttribute("aria-hidden", "true");
    const shapes = [
      ["rect", { width: 40, height: 40, fill: "#e3ebe2" }],
      ["circle", { cx: 28, cy: 12, r: 5, fill: "#f3c65b" }],
      ["path", { d: "M0 24c8-7 15-6 22-2s12 3 18-1v19H0z", fill: "#8fb09b" }],
      ["path", { d: "M0 31c9-5 18-4 25-1 6 2 11 2 15 0v10H0z", fill: "#4f8474" }],
      ["path", { d: "M14 39c1-5 9-5 8-9s-7-3-5-7", fill: "none", stroke: "#f4e6c3", "stroke-width": 2.6, "stroke-linecap": "round" }],
    ];
    for (const [name, attributes] of shapes) {
      const shape = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
      svg.append(shape);
    }
    return svg;
  }

  const openButton = make("button", { class: "open", type: "button", "aria-expanded": "false" }, mark(), settings.open);
  const closeButton = make("button", { class: "close", type: "button" }, settings.close);
  const bar = make("div", { class: "bar" }, make("span", {}, settings.name), closeButton);
  const edge = make("span", { tabindex: "0" });
  const panel = make("div", { class: "panel", role: "dialog", "aria-label": settings.title, hidden: "" }, bar, edge);
  shadow.append(openButton, panel);

  let frame = null;
  let left = false;
  let scrolling = "";

  const narrow = () => matchMedia(NARROW).matches;

  function open() {
    if (!frame) {
      frame = make("iframe", {
        title: settings.title,
        src: origin + settings.frame,
        referrerpolicy: "no-referrer",
        allow: "",
        sandbox:
          "allow-scripts allow-forms allow-same-origin allow-popups allow-popups-to-escape-sandbox " +
          "allow-top-navigation-by-user-activation",
      });
      panel.insertBefore(frame, edge);
      watchShift();
    }
    panel.hidden = false;
    openButton.hidden = true;
    openButton.setAttribute("aria-expanded", "true");
    if (narrow()) {
      panel.setAttribute("aria-modal", "true");
      scrolling = document.documentElement.style.overflow;
      document.documentElement.style.overflow = "hidden";
    }
    frame.focus();
  }

  function close() {
    if (panel.hidden) return;
    panel.hidden = true;
    openButton.hidden = false;
    openButton.setAttribute("aria-expanded", "false");
    if (panel.hasAttribute("aria-modal")) {
      panel.removeAttribute("aria-modal");
      document.documentElement.style.overflow = scrolling;
    }
    openButton.focus();
  }

  function leave(chatKnows) {
    if (left) return;
    left = true;
    document.title = settings.exitTitle;
    shadow.append(make("div", { class: "cover" }));
    if (chatKnows) {
      location.replace(settings.exit);
    } else {
      // The chat wipes itself before this page is gone.
      frame?.contentWindow.postMessage({ koll: "leave" }, origin);
      setTimeout(() => location.replace(settings.exit), 80);
    }
  }

  function watchShift() {
    let presses = 0;
    let wasModifier = false;
    let timer = 0;
    document.addEventListener("keyup", (event) => {
      if (event.key === "Shift" && !wasModifier) {
        presses += 1;
        clearTimeout(timer);
        timer = setTimeout(() => (presses = 0), WINDOW_MS);
        if (presses >= PRESSES) leave(false);
      } else {
        presses = 0;
      }
      wasModifier = event.shiftKey;
    });
  }

  openButton.addEventListener("click", open);
  closeButton.addEventListener("click", close);
  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    // Full-screen the chat is all there is, so Tab goes round in it.
    if (event.key === "Tab" && event.shiftKey && narrow() && event.target === closeButton) {
      event.preventDefault();
      frame.focus();
    }
  });
  edge.addEventListener("focus", () => {
    if (narrow()) closeButton.focus();
    else edge.blur();
  });
  window.addEventListener("message", (event) => {
    if (!frame || event.source !== frame.contentWindow || event.origin !== origin) return;
    if (event.data?.koll === "close") close();
    else if (event.data?.koll === "leave") leave(true);
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted && left) location.replace(settings.exit);
  });

  const attach = () => document.body.append(host);
  if (document.body) attach();
  else document.addEventListener("DOMContentLoaded", attach);
})();
