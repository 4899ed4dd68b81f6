/*
 * The week as something to take hold of: draw a time, move one, stretch one, by pointer or by keys.
 *
 * Whatever is done ends in the same form as without script, filled in and shown before it is sent, so that
 * nothing is changed by a slip of the hand. Words come from the page; here are none.
 */

const STEP = 15;
const DAY = 24 * 60;
const EDGE_PX = 7;
const SLACK_PX = 4;

const calendar = document.querySelector("[data-calendar]");
const dialog = document.querySelector("[data-dialog]");
const wide = matchMedia("(min-width: 47rem)");

if (calendar && dialog?.showModal) start();

function start() {
  const earliest = Number(calendar.dataset.earliest);
  const latest = Number(calendar.dataset.latest);
  const form = dialog.querySelector("form");
  let drag = null;

  for (const block of calendar.querySelectorAll("[data-movable]")) {
    // The list keeps its items; what is in one is what is taken hold of.
    const handle = handleOf(block);
    handle.tabIndex = 0;
    handle.setAttribute("role", "button");
    handle.setAttribute("aria-describedby", "cal-keys");
    handle.addEventListener("keydown", keys);
    handle.addEventListener("blur", () => block.dataset.moved === "" && !dialog.open && revert(block));
  }
  calendar.addEventListener("pointerdown", grasp);
  calendar.addEventListener("pointermove", hint);
  dialog.querySelector("[data-cancel]").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", undo);
  form.addEventListener("change", fit);

  // --- By pointer -----------------------------------------------------------------------

  function grasp(event) {
    const list = event.target.closest("[data-blocks]");
    const day = event.target.closest("[data-day]");
    if (!list || event.button !== 0 || event.pointerType === "touch" || !wide.matches) return;
    if (day.classList.contains("cal-past") || event.target.closest("a")) return;
    const block = event.target.closest("[data-movable]");
    const grip = block ? gripOf(block, event) : "draw";
    event.preventDefault();
    const at = minuteAt(list, event.clientY);
    drag = { list, day, block: grip === "draw" ? null : block, grip, at, y: event.clientY, moving: false };
    if (block) handleOf(block).focus({ preventScroll: true });
    calendar.setPointerCapture(event.pointerId);
    calendar.addEventListener("pointermove", pull);
    calendar.addEventListener("pointerup", drop, { once: true });
    calendar.addEventListener("pointercancel", cancel, { once: true });
  }

  /** The edges of everything stretch it. Working hours are drawn in; what was put there by hand is moved. */
  function gripOf(block, event) {
    const box = block.getBoundingClientRect();
    const edge = Math.min(EDGE_PX, box.height / 4);
    if (box.bottom - event.clientY <= edge) return "end";
    if (event.clientY - box.top <= edge) return "start";
    return block.dataset.kind === "work" ? "draw" : "move";
  }

  function hint(event) {
    if (drag) return;
    const block = event.target.closest?.("[data-movable]");
    if (!block) return;
    const grip = gripOf(block, event);
    block.style.cursor = grip === "move" ? "grab" : grip === "draw" ? "crosshair" : "ns-resize";
  }

  function pull(event) {
    if (!drag.moving && Math.abs(event.clientY - drag.y) < SLACK_PX && drag.grip !== "move") return;
    if (!drag.moving) begin();
    const now = minuteAt(drag.list, event.clientY);
    if (drag.grip === "draw") {
      const [from, to] = now < drag.at ? [now, drag.at] : [drag.at, now];
      place(drag.block, from, Math.max(to, from + STEP));
    } else {
      const { from, to } = drag;
      const by = now - drag.at;
      if (drag.grip === "start") place(drag.block, clamp(from + by, 0, to - STEP), to);
      else if (drag.grip === "end") place(drag.block, from, clamp(to + by, from + STEP, DAY));
      else {
        over(event);
        const moved = clamp(from + by, 0, DAY - (to - from));
        place(drag.block, moved, moved + to - from);
      }
    }
  }

  function begin() {
    drag.moving = true;
    if (drag.grip === "draw") {
      drag.block = document.createElement("li");
      drag.block.className = "block cal-drawn";
      drag.block.append(Object.assign(document.createElement("span"), { className: "block-said" }));
      drag.block.firstChild.append(document.createElement("b"));
      drag.list.append(drag.block);
    } else {
      drag.from = minutes(drag.block.dataset.start);
      drag.to = minutes(drag.block.dataset.end);
    }
    drag.block.classList.add("cal-moving");
  }

  /** What was put in by hand can be carried to another day that is shown. */
  function over(event) {
    const day = document.elementsFromPoint(event.clientX, event.clientY).map((each) => each.closest("[data-day]")).find(Boolean);
    if (!day || day === drag.day || day.classList.contains("cal-past")) return;
    drag.day = day;
    day.querySelector("[data-blocks]").append(drag.block);
  }

  function drop() {
    calendar.removeEventListener("pointermove", pull);
    calendar.removeEventListener("pointercancel", cancel);
    const done = drag;
    drag = null;
    if (!done.moving && !done.block) return;
    done.block.classList.remove("cal-moving");
    show(done.block, done.day);
  }

  function cancel() {
    calendar.removeEventListener("pointermove", pull);
    calendar.removeEventListener("pointerup", drop);
    if (drag.moving) revert(drag.block);
    drag = null;
  }

  function minuteAt(list, y) {
    const box = list.getBoundingClientRect();
    const minute = earliest * 60 + ((y - box.top) / box.height) * (latest - earliest) * 60;
    return clamp(Math.round(minute / STEP) * STEP, 0, DAY);
  }

  // --- By keys --------------------------------------------------------------------------

  function keys(event) {
    const block = event.currentTarget.closest(".block");
    const by = { ArrowUp: -STEP, ArrowDown: STEP }[event.key];
    if (by && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      const from = minutes(block.dataset.nowStart ?? block.dataset.start);
      const to = minutes(block.dataset.nowEnd ?? block.dataset.end);
      if (event.shiftKey) place(block, from, clamp(to + by, from + STEP, DAY));
      else if (from + by >= 0 && to + by <= DAY) place(block, from + by, to + by);
      tell(block);
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      show(block, block.closest("[data-day]"));
    } else if (event.key === "Escape" && block.dataset.moved === "") {
      revert(block);
      tell(block);
    }
  }

  function tell(block) {
    document.querySelector("[data-said]").textContent = block.textContent.trim();
  }

  // --- The form -------------------------------------------------------------------------

  /** The form with what was done; nothing is sent before its button. */
  function show(block, day) {
    const start = block.dataset.nowStart ?? block.dataset.start;
    const end = block.dataset.nowEnd ?? block.dataset.end;
    const kind = block.dataset.kind;
    const what = { work: "instead", extra: "part", gone: "absence" }[kind] ?? (within(day, start, end) ? "absence" : "extra");
    dialog.shown = block;
    form.elements.day.value = day.dataset.day;
    form.elements.id.value = kind === "work" || !kind ? "" : block.dataset.id;
    form.elements.start.value = start;
    form.elements.end.value = end;
    form.querySelector("[data-heading]").textContent = day.querySelector("h2").textContent.replace(/\s+/g, " ").trim();
    form.querySelector(`[value="${what}"]`).checked = true;
    form.querySelector("[data-whats]").hidden = Boolean(kind) && kind !== "work";
    form.querySelector('[data-for="extra"]').hidden = kind === "work";
    form.querySelector("[data-rest]").replaceChildren(...rest(block, day));
    fit();
    dialog.showModal();
    form.querySelector(".button").focus();
  }

  /** Other hours on a day are all of the day's hours: those that were not touched go along. */
  function rest(block, day) {
    const others = [...day.querySelectorAll('[data-kind="work"]')].filter((each) => each !== block);
    return others.flatMap((each, place) =>
      [["start", each.dataset.start], ["end", each.dataset.end]].map(([name, value]) =>
        Object.assign(document.createElement("input"), { type: "hidden", name: `${name}${place + 2}`, value }),
      ),
    );
  }

  function fit() {
    const what = form.elements.what.value;
    form.querySelector("[data-kind-field]").hidden = what !== "absence" || form.elements.id.value !== "";
    for (const input of form.querySelectorAll("[data-rest] input")) {
      input.disabled = what !== "instead" || !dialog.shown?.dataset.kind;
    }
  }

  function within(day, start, end) {
    return [...day.querySelectorAll('[data-kind="work"], [data-kind="extra"]')].some(
      (each) => minutes(each.dataset.start) < minutes(end) && minutes(start) < minutes(each.dataset.end),
    );
  }

  function undo() {
    const block = dialog.shown;
    dialog.shown = null;
    if (block) revert(block);
    if (block?.isConnected) handleOf(block)?.focus({ preventScroll: true });
  }

  // --- Where a block is -----------------------------------------------------------------

  function place(block, from, to) {
    block.dataset.moved ??= "";
    block.home ??= block.parentElement;
    block.dataset.nowStart = clock(from);
    block.dataset.nowEnd = clock(to);
    for (const [name, value] of [["--h", Math.floor(from / 60)], ["--m", from % 60], ["--u", Math.floor(to / 60)], ["--n", to % 60]]) {
      block.style.setProperty(name, value);
    }
    block.querySelector("b").textContent = `${clock(from)}–${clock(to)}`.replaceAll(":", ".");
  }

  function revert(block) {
    if (!block.dataset.start) return block.remove();
    if (block.dataset.moved === undefined) return;
    place(block, minutes(block.dataset.start), minutes(block.dataset.end));
    for (const name of ["--h", "--m", "--u", "--n"]) block.style.removeProperty(name);
    if (block.home !== block.parentElement) block.home.append(block);
    delete block.dataset.moved;
    delete block.dataset.nowStart;
    delete block.dataset.nowEnd;
  }
}

function handleOf(block) {
  return block.querySelector(".block-said");
}

function clamp(value, least, most) {
  return Math.min(Math.max(value, least), most);
}

function minutes(text) {
  const [hour, minute] = text.split(":");
  return Number(hour) * 60 + Number(minute);
}

function clock(minute) {
  return `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
}
