/*
 * The chat with JavaScript on: the same page and the same elements, without reloads.
 *
 * The chat's id lives in a variable and nowhere else. Everything that anybody has
 * written reaches the page as text, never as HTML. What is being sent stays in the
 * field until the server has answered, and is sent again with the same key if it did not.
 */

import { leavingWipes, tellParent } from "/static/leave.js";
import { liveTalk } from "/static/live.js";

const RETRY_AFTER_MS = [800, 2500];
const GIVE_UP_MS = 15000;
const POLL_MS = 3000;
const POLL_AT_MOST_MS = 12000;
const TYPING_AFTER_MS = 250;

const { words, lang, said, framed } = JSON.parse(document.getElementById("chat-words").textContent);
const root = document.querySelector("[data-chat]");
const part = (name) => root.querySelector(`[data-${name}]`);
const log = part("log");
const composer = part("composer");
const field = part("field");
const sendButton = part("send");
const typing = part("typing");
const status = part("status");
const problem = part("problem");
const modeNotice = part("mode");

let chat = composer.elements.chat.value;
let mode = modeNotice.dataset.mode;
let sending = false;
let unsent = null;
let pollTimer = 0;
let pollDelay = POLL_MS;
const leaving = new AbortController();

composer.elements.chat.value = "";
leavingWipes(() => chat, () => {
  clearTimeout(pollTimer);
  leaving.abort();
  live.stop();
});

// --- Elements -----------------------------------------------------------------------------

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null && child !== ""));
  return made;
}

/** Put values in the places of a phrase. */
const fill = (pattern, values) => pattern.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");

function phoneIcon() {
  const from = document.getElementById("phone-icon");
  return from ? from.content.cloneNode(true) : "";
}

function badge(text, kind = "") {
  return element("span", { class: `badge${kind}` }, text);
}

function contact(line, urgent) {
  const marks = element("span", { class: "contact-marks" });
  if (line.hours) marks.append(badge(line.hours, " badge-good"));
  if (line.free) marks.append(badge(words.free));
  if (line.hidden_on_bill) marks.append(badge(words.hidden));
  const label = line.spoken ? fill(words.call, { name: line.name, spoken: line.spoken, number: line.number }) : null;
  let number = null;
  if (line.tel) number = element("a", { class: "contact-number", href: `tel:${line.tel}`, "aria-label": label }, phoneIcon(), element("span", { dir: "ltr" }, line.number));
  else if (line.number) number = element("strong", { dir: "ltr" }, line.number);
  return element(
    "li",
    { class: "contact" },
    element("span", { class: "contact-name" }, element("bdi", { lang: "sv" }, line.name)),
    number,
    marks,
    line.note && !urgent ? element("span", { class: "contact-note" }, line.note) : null,
    line.url && !urgent ? outward(line.url, fill(words.website, { name: line.name }), "contact-link") : null,
  );
}

/** Urgent numbers stand without explanations, so that they fit on the smallest screen. */
function contacts(lines, urgent = false) {
  return element("ul", { class: `contacts${urgent ? " contacts-urgent" : ""}` }, ...lines.map((line) => contact(line, urgent)));
}

function outward(url, title, className) {
  const safe = /^(https:\/\/|\/(?!\/))/.test(url) ? url : null;
  return element("a", { class: className, href: safe, target: "_blank", rel: "noopener noreferrer nofollow" }, title);
}

function facts(rows) {
  const list = element("dl", { class: "facts" });
  for (const { label, value } of rows) {
    list.append(element("div", {}, element("dt", {}, label), element("dd", { dir: "auto" }, value)));
  }
  return list;
}

function codeWords(list) {
  return element("ol", { class: "code-words", translate: "no" }, ...list.map((word) => element("li", {}, word)));
}

function cardOf({ kind, card = {} }) {
  const made = [];
  if (card.lines?.length) made.push(contacts(card.lines, kind === "safety_check"));
  if (card.links?.length) {
    const links = card.links.map((link) => outward(link.url, link.title, "button button-secondary"));
    made.push(element("p", { class: "row" }, ...links));
  }
  if (kind === "map" && card.url) made.push(element("p", {}, outward(card.url, words.open_map, "bubble-link")));
  if (card.rows?.length) made.push(facts(card.rows));
  if (kind === "summary" && card.words?.length) {
    made.push(element("p", { class: "soft" }, words.words));
    for (const own of card.words) made.push(element("blockquote", { class: "words", dir: "auto" }, own));
  }
  if (kind === "code") made.push(card.words ? codeWords(card.words) : element("p", { class: "soft" }, words.gone));
  return made;
}

function messageElement(message) {
  const { kind, author, id, choices = [] } = message;
  const spoken = message.card?.lang ?? (author === "visitor" ? undefined : (said ?? undefined));
  const urgent = kind === "emergency";
  const bubble = element("div", { class: `bubble stack-small${urgent ? " emergency" : ""}` });
  if (kind === "map" && message.card?.title) {
    bubble.append(
      element("h2", { class: "bubble-title", lang: spoken, dir: "auto" }, message.card.title),
      element("p", { class: "said", lang: spoken, dir: "auto" }, message.card.text),
    );
  } else if (message.text) {
    bubble.append(element("p", { class: "said", lang: spoken, dir: message.card?.dir ?? "auto" }, message.text));
  }
  if (urgent) bubble.prepend(contacts(message.card?.lines ?? [], true));
  else bubble.append(...cardOf(message));
  const made = element(
    "div",
    { class: `message message-new by-${author} kind-${kind}`, "data-id": id, "data-seq": message.card?.seq, tabindex: "-1" },
    element("p", { class: "message-by" }, message.card?.by ?? words[`by_${author}`] ?? words.live.by_service),
    bubble,
  );
  if (choices.length) {
    const replies = element("div", { class: "replies", role: "group", "aria-label": words.answers, dir: message.card?.dir });
    for (const choice of choices) {
      replies.append(
        element(
          "button",
          {
            class: "button button-secondary reply",
            form: "composer",
            name: "choice",
            value: choice.id,
            lang: choice.lang ?? spoken,
            dir: "auto",
          },
          choice.title,
        ),
      );
    }
    made.append(replies);
  }
  return made;
}

// --- The log ------------------------------------------------------------------------------

function known(message) {
  const byId = [...log.children].find((one) => message.id && one.dataset.id === message.id);
  if (byId || message.author !== "visitor") return byId;
  const same = [...log.children].find(
    (one) => !one.dataset.id && one.matches(".by-visitor") && one.querySelector(".said")?.textContent === message.text,
  );
  if (same) same.dataset.id = message.id;
  return same;
}

/** Put messages where they belong among those already shown; returns the new elements. */
function merge(messages, after = null) {
  const added = [];
  for (const message of messages) {
    let shown = known(message);
    if (!shown) {
      shown = messageElement(message);
      if (after) after.after(shown);
      else log.prepend(shown);
      added.push(shown);
    }
    after = shown;
  }
  closeOldChoices();
  return added;
}

/** Put one message of a talk among those already shown by its number; returns its element. */
function place(message) {
  const shown = known(message);
  if (shown) return shown;
  const made = messageElement(message);
  const after = [...log.children].find((one) => Number(one.dataset.seq) > message.card.seq);
  if (after) after.before(made);
  else log.append(made);
  closeOldChoices();
  return made;
}

function append(messages) {
  return merge(messages, log.lastElementChild);
}

function closeOldChoices() {
  let open = true;
  for (const message of [...log.children].reverse()) {
    if (message.matches(".by-visitor")) open = false;
    // That a code is saved can be said for as long as it is shown, whatever has been written meanwhile.
    const stays = Boolean(message.querySelector(".code-words"));
    for (const reply of message.querySelectorAll(".reply")) reply.disabled = !open && !stays;
  }
}

/** Scroll to the newest; when it is taller than the screen, to where it begins. */
function show(elements) {
  if (!elements.length) return;
  const [first, last] = [elements[0], elements[elements.length - 1]];
  const height = last.getBoundingClientRect().bottom - first.getBoundingClientRect().top;
  const fits = height < window.innerHeight - part("bottom").offsetHeight - 80;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  (fits ? last : first).scrollIntoView({ block: fits ? "end" : "start", behavior: still ? "auto" : "smooth" });
}

function forgetCode(message) {
  for (const list of message.querySelectorAll(".code-words")) {
    list.replaceWith(element("p", { class: "soft" }, words.gone));
  }
}

function begun() {
  for (const start of root.querySelectorAll("[data-start]")) start.hidden = true;
  root.querySelector("h1").classList.add("out-of-sight");
  const label = part("label");
  label.classList.add("out-of-sight");
  label.textContent = label.dataset.later;
  root.classList.add("chat-begun");
}

// --- Talking to the server ----------------------------------------------------------------

class Refused extends Error {
  constructor(code, message, messages) {
    super(message);
    this.code = code;
    this.messages = messages ?? [];
  }
}

function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(18));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** One request, tried again after a network failure. Throws `Refused` for an answer that says no. */
async function call(method, path, body, key) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await callOnce(method, path, body, key);
    } catch (error) {
      if (error instanceof Refused || leaving.signal.aborted || attempt >= RETRY_AFTER_MS.length) throw error;
      await pause(RETRY_AFTER_MS[attempt]);
    }
  }
}

async function callOnce(method, path, body, key) {
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), GIVE_UP_MS);
  const stop = () => patience.abort();
  leaving.signal.addEventListener("abort", stop);
  const headers = { accept: "application/json" };
  if (chat) headers.authorization = `Bearer ${chat}`;
  if (body) headers["content-type"] = "application/json";
  if (key) headers["idempotency-key"] = key;
  try {
    const response = await fetch(path, {
      method,
      headers,
      body: body ? JSON.stringify(body) : undefined,
      cache: "no-store",
      credentials: "omit",
      referrerPolicy: "no-referrer",
      signal: patience.signal,
    });
    const answer = await response.json();
    if (response.ok) return answer;
    throw new Refused(answer.error.code, answer.error.message, answer.messages);
  } finally {
    clearTimeout(timer);
    leaving.signal.removeEventListener("abort", stop);
  }
}

async function start() {
  const who = composer.elements.who?.value;
  const first = await call("POST", "/api/chats", who ? { lang, who } : { lang });
  chat = first.chat;
  begun();
  append(first.messages);
  stands(first);
}

let starting = null;

/** The chat exists after this, or the error says why not. Callers meanwhile share one attempt. */
function started() {
  if (chat) return Promise.resolve();
  starting ??= start().finally(() => {
    starting = null;
  });
  return starting;
}

async function sync() {
  const answer = await call("GET", "/api/chats");
  const added = merge(answer.messages);
  stands(answer);
  return added;
}

/** Where the chat stands by an answer: robot or human, and who writes. */
function stands({ mode: next, who, talk }) {
  setMode(next);
  if (who !== undefined) setWho(who);
  live.stands(talk);
}

/** Who writes, as far as it has been said; asked for lightly once something has been written. */
function setWho(who) {
  const asked = part("who");
  part("who-is").textContent = who ? fill(words.who_known, { who: words.who[who] }) : words.who_unknown;
  asked.hidden = !who && !log.querySelector(".by-visitor");
}

function setMode(next) {
  const was = mode;
  mode = next;
  modeNotice.dataset.mode = mode;
  // A human is told of in the head, in the log and in the room; what the robot cannot do, here.
  modeNotice.hidden = mode !== "limited";
  if (mode === "limited") {
    part("mode-text").textContent = words.limited;
    pollDelay = was === mode ? pollDelay : POLL_MS;
    poll();
  } else {
    clearTimeout(pollTimer);
    if (was === "limited") status.textContent = words.new_answer;
  }
}

function poll() {
  clearTimeout(pollTimer);
  pollTimer = setTimeout(async () => {
    pollDelay = Math.min(pollDelay * 1.3, POLL_AT_MOST_MS);
    try {
      if (!sending) show(await sync());
      else poll();
    } catch (error) {
      if (error instanceof Refused && error.code === "chat_expired") expired(error);
      else if (!leaving.signal.aborted) poll();
    }
  }, pollDelay);
}

// --- Sending ------------------------------------------------------------------------------

function complain(sentence, messages = []) {
  part("problem-text").textContent = sentence;
  problem.querySelector(".contacts")?.remove();
  problem.hidden = false;
  if (messages.length) show(append(messages));
}

function expired(error) {
  chat = "";
  unsent = null;
  clearTimeout(pollTimer);
  live.stands(null);
  log.replaceChildren();
  modeNotice.hidden = true;
  complain(error.message, error.messages);
}

function busy(now) {
  sending = now;
  field.readOnly = now;
  sendButton.setAttribute("aria-disabled", String(now));
  sendButton.textContent = now ? words.sending : words.send;
  root.classList.toggle("chat-sending", now);
  if (now) status.textContent = words.sending;
  else if (status.textContent === words.sending) status.textContent = "";
}

async function send(body, shown, from) {
  const same = unsent && JSON.stringify(unsent.body) === JSON.stringify(body);
  unsent = same ? unsent : { body, key: newKey() };
  busy(true);
  const slow = setTimeout(() => {
    if (mode === "human" || mode === "waiting") return;
    typing.hidden = false;
    status.textContent = words.writing;
    typing.scrollIntoView({ block: "end" });
  }, TYPING_AFTER_MS);
  const before = mode;
  try {
    await started();
    const answer = await call("POST", "/api/chats/messages", body, unsent.key);
    unsent = null;
    problem.hidden = true;
    if (from) forgetCode(from);
    if (body.text !== undefined) {
      field.value = "";
      grow();
    }
    typing.hidden = true;
    // What went to a human has an id and a number of its own, and may have come back on the stream already.
    const own = answer.messages.find((one) => one.author === "visitor");
    const mine = own ? place(own) : messageElement({ author: "visitor", kind: "text", text: shown, choices: [], card: {} });
    if (!own) log.append(mine);
    const answers = own
      ? merge(answer.messages.filter((one) => one !== own), mine)
      : append(answer.messages.filter((one) => one.author !== "visitor"));
    closeOldChoices();
    stands(answer);
    show([mine, ...answers]);
    if (mode !== before && (before === "limited" || mode !== "limited")) show(await sync());
    live.reveal();
    return answers;
  } catch (error) {
    if (leaving.signal.aborted) return [];
    if (error instanceof Refused && error.code === "chat_expired") expired(error);
    else if (error instanceof Refused) complain(error.message, error.messages);
    else complain([chat ? words.not_sent : words.not_started, ...(mode === "human" || mode === "waiting" ? [words.live.again] : [])].join(" "));
    return [];
  } finally {
    clearTimeout(slow);
    typing.hidden = true;
    busy(false);
  }
}

/** Contact is back: what could not be sent to the human goes now, with the key that it had. */
function sendAgain() {
  if (!sending && unsent?.body.text !== undefined && unsent.body.text === field.value) sendText();
}

async function sendText() {
  const text = field.value;
  if (!text.trim()) {
    complain(words.empty);
    field.focus();
    return;
  }
  await send({ text }, text);
  field.focus({ preventScroll: true });
}

async function choose(button) {
  part("who").open = false;
  begun();
  const answers = await send({ choice: button.value }, button.textContent.trim(), button.closest(".message"));
  // The pressed button is closed now; keep a keyboard's place at the answer.
  if (answers.length) answers[0].focus({ preventScroll: true });
}

function grow() {
  if (CSS.supports("field-sizing", "content")) return;
  field.style.height = "auto";
  field.style.height = `${Math.min(field.scrollHeight + 4, window.innerHeight * 0.4)}px`;
}

composer.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (sending) return;
  const button = event.submitter;
  if (button?.name === "choice") await choose(button);
  else if (button?.name === "refresh") await sync().then(show, (error) => complain(error instanceof Refused ? error.message : words.not_sent));
  else if (button?.name === "begin" && !field.value.trim()) await begin().then(() => field.focus({ preventScroll: true }));
  else await sendText();
});

async function begin() {
  try {
    await started();
  } catch (error) {
    if (!leaving.signal.aborted) complain(error instanceof Refused ? error.message : words.not_started);
    return;
  }
  const station = composer.elements.station;
  if (!station) return;
  // Somebody came from the map with a question about a station: asked once, as if they had chosen it here.
  station.remove();
  await send({ choice: `station:${station.value}` }, station.dataset.title);
}

field.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  composer.requestSubmit(sendButton);
});
field.addEventListener("input", grow);
field.addEventListener("input", () => {
  if (field.value.trim()) live.writing();
});

// The page looks for answers by itself.
part("refresh").hidden = true;

if (framed) {
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") tellParent("close");
  });
}

// A focused button or link must never hide behind the writing field.
new ResizeObserver(([{ target }]) => {
  document.documentElement.style.scrollPaddingBottom = `${target.offsetHeight + 12}px`;
}).observe(part("bottom"));

const live = liveTalk({
  root,
  words,
  element,
  fill,
  place,
  show,
  stands,
  sync: () => sync().then(show, () => {}),
  sendAgain,
  chat: () => chat,
});

if (chat) {
  begun();
  setMode(mode);
  live.stands(JSON.parse(document.getElementById("chat-talk").textContent).talk);
} else {
  begin();
}
