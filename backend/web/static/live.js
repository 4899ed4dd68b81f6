/*
 * A talk with a human in the visitor's window: the waiting room, and what happens on the other side as it happens.
 *
 * The stream is read with fetch, since EventSource cannot send the chat's id in a header and it
 * belongs in no address. A stream that is cut off, or silent for too long, is opened again with the mark
 * of the last message, so that none is lost and none comes twice.
 */

const SILENT_MS = 40_000;
const AGAIN_MS = [500, 1000, 2000, 4000, 8000, 15_000];
const LOST_AFTER = 2;
const TYPING_EVERY_MS = 3000;
const TYPING_SHOWN_MS = 6000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export function liveTalk({ root, words, element, fill, place, show, stands: tell, sync, sendAgain, chat }) {
  const part = (name) => root.querySelector(`[data-${name}]`);
  const head = document.querySelector("[data-writes]");
  const room = part("room");
  const typing = part("human-typing");
  const lost = part("lost");
  const human = part("human");
  const field = part("field");
  const log = part("log");
  let talk = null;
  let mark = "";
  let connection = null;
  let roomTimer = 0;
  let typingTimer = 0;
  let typingTold = 0;
  let seen = 0;

  /** What an answer or an event says of the talk; null when only the robot is here. */
  function stands(next) {
    const before = talk;
    talk = next ?? null;
    const open = talk?.state === "open";
    head.textContent = talk?.short || words.robot;
    field.placeholder = open ? fill(words.live.field, { name: talk.name }) : talk?.state === "waiting" ? words.live.field_waiting : words.field;
    if (human) {
      human.hidden = Boolean(talk) && !open && talk.opens_in === 0;
      human.value = open ? "human:leave" : "human:now";
      human.textContent = open ? words.live.end : words.live.ask;
    }
    showRoom(open);
    showRead();
    if (!open) stopTyping();
    clearTimeout(roomTimer);
    if (talk?.mark && talk.mark.split(".")[0] !== mark.split(".")[0]) mark = talk.mark;
    if (!talk) disconnect();
    else if (talk.opens_in > 0) {
      disconnect();
      roomTimer = setTimeout(sync, Math.min(talk.opens_in * 1000, LONGEST_TIMER_MS));
    } else if (!connection) connect();
    else if (stateOf(before) !== stateOf(talk)) {
      // What there is to listen to has changed: in the line, in the talk.
      disconnect();
      connect();
    }
  }

  function showRoom(open) {
    room.hidden = !talk || talk.opens_in > 0 || (open && !talk.text);
    if (room.hidden) return;
    setText(part("room-title"), talk.title);
    const said = part("room-text");
    // Read out only what is new: a line that is the same stays the same element.
    const lines = talk.text.split("\n").filter(Boolean);
    lines.forEach((line, place) => {
      if (!said.children[place]) said.append(element("p", {}, line));
      else setText(said.children[place], line);
    });
    while (said.children.length > lines.length) said.lastElementChild.remove();
    const choices = part("room-choices");
    const wanted = open ? [] : talk.choices;
    if (wanted.map((one) => one.id).join() !== [...choices.children].map((one) => one.value).join()) {
      choices.replaceChildren(
        ...wanted.map((one) => element("button", { class: "button button-secondary", form: "composer", name: "choice", value: one.id }, one.title)),
      );
    }
  }

  /** While somebody waits, the room is what they have come for: keep it in sight. */
  function reveal() {
    if (!room.hidden && talk?.state !== "open") room.scrollIntoView({ block: "nearest" });
  }

  function setText(place, text) {
    if (place.textContent !== text) place.textContent = text;
  }

  /** Under the last of one's own messages that the human has had in front of them. */
  function showRead() {
    log.querySelector(".message-read")?.remove();
    if (talk?.state !== "open") return;
    const mine = [...log.querySelectorAll(".by-visitor[data-seq]")].filter((one) => Number(one.dataset.seq) <= talk.seen).pop();
    mine?.append(element("p", { class: "message-read" }, fill(words.live.seen, { name: talk.name })));
  }

  // --- Signals that nobody stores -------------------------------------------------------------

  function signal(path, body) {
    if (!chat() || talk?.state !== "open") return;
    const headers = { authorization: `Bearer ${chat()}`, "content-type": "application/json" };
    fetch(path, { method: "POST", headers, body: JSON.stringify(body), credentials: "omit", referrerPolicy: "no-referrer" }).catch(() => {});
  }

  function writing() {
    const now = Date.now();
    if (talk?.state !== "open" || now - typingTold < TYPING_EVERY_MS) return;
    typingTold = now;
    signal("/api/chats/typing", {});
  }

  function tellSeen() {
    const newest = Math.max(0, ...[...log.querySelectorAll(".by-staff[data-seq]")].map((one) => Number(one.dataset.seq)));
    if (document.hidden || newest <= seen) return;
    seen = newest;
    signal("/api/chats/seen", { seq: newest });
  }

  function stopTyping() {
    clearTimeout(typingTimer);
    typing.hidden = true;
  }

  // --- The stream -----------------------------------------------------------------------------

  function connect() {
    connection = new AbortController();
    listen(connection.signal);
  }

  function disconnect() {
    connection?.abort();
    connection = null;
    delete root.dataset.connected;
    lost.hidden = true;
  }

  async function listen(signalled) {
    for (let failures = 0; !signalled.aborted; ) {
      try {
        const gone = await once(signalled, () => {
          if (failures) sendAgain();
          failures = 0;
          root.dataset.connected = "yes";
          lost.hidden = true;
        });
        if (signalled.aborted) return;
        if (gone) {
          disconnect();
          sync();
          return;
        }
      } catch {
        if (signalled.aborted) return;
      }
      failures += 1;
      delete root.dataset.connected;
      lost.hidden = navigator.onLine && failures < LOST_AFTER;
      await pause(AGAIN_MS[Math.min(failures, AGAIN_MS.length) - 1], signalled);
    }
  }

  /** One connection to its end. True when there is nothing more to come: the chat is gone, or the talk is. */
  async function once(signalled, opened) {
    const cut = new AbortController();
    const stop = () => cut.abort();
    signalled.addEventListener("abort", stop);
    // A connection that the browser knows to be dead may look alive for minutes.
    window.addEventListener("offline", stop);
    let silent = setTimeout(stop, SILENT_MS);
    try {
      const headers = { authorization: `Bearer ${chat()}`, accept: "text/event-stream" };
      if (mark) headers["last-event-id"] = mark;
      const answer = await fetch("/api/chats/stream", { headers, cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer", signal: cut.signal });
      if (answer.status === 404) return true;
      if (!answer.ok) throw new Error(String(answer.status));
      opened();
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return false;
        clearTimeout(silent);
        silent = setTimeout(stop, SILENT_MS);
        const frames = (rest + value).split("\n\n");
        rest = frames.pop();
        for (const frame of frames) {
          if (signalled.aborted) return false;
          const event = parse(frame);
          if (event.name === "closed") return true;
          hear(event);
        }
      }
    } finally {
      clearTimeout(silent);
      signalled.removeEventListener("abort", stop);
      window.removeEventListener("offline", stop);
    }
  }

  function parse(frame) {
    const event = { name: "", data: [], id: "" };
    for (const line of frame.split("\n")) {
      const [, name, value] = /^(\w+): ?(.*)$/s.exec(line) ?? [];
      if (name === "event") event.name = value;
      else if (name === "data") event.data.push(value);
      else if (name === "id") event.id = value;
    }
    return { ...event, data: event.data.join("\n") };
  }

  function hear({ name, data, id }) {
    if (name === "message") {
      if (id) mark = id;
      const message = JSON.parse(data);
      const known = message.id && log.querySelector(`[data-id="${CSS.escape(message.id)}"]`);
      const made = place(message);
      if (message.author === "staff") stopTyping();
      if (!known) show([made]);
      reveal();
      showRead();
      tellSeen();
    } else if (name === "state") {
      const told = JSON.parse(data);
      const over = !told.talk && talk;
      tell(told);
      if (over) sync();
    } else if (name === "typing") {
      typing.firstElementChild.textContent = fill(words.live.writing, { name: talk?.name ?? "" });
      typing.hidden = false;
      clearTimeout(typingTimer);
      typingTimer = setTimeout(stopTyping, TYPING_SHOWN_MS);
    }
  }

  document.addEventListener("visibilitychange", tellSeen);

  return { stands, writing, reveal, stop: disconnect };
}

const stateOf = (talk) => `${talk?.state} ${talk?.name}`;

/** Wait, but no longer than until the network is back or the work is called off. */
function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    for (const [place, name] of [[window, "online"], [signal, "abort"]]) {
      place.addEventListener(name, () => { clearTimeout(timer); resolve(); }, { once: true });
    }
  });
}
