/*
 * A story on a staff page that stays open: listens to what happens to it. When the right to read is taken
 * back everything goes at once; when a part is, the part goes; when there is more, it says so. It never
 * reads the story again by itself: every opening is written down, and should be somebody's own.
 *
 * If listening fails nothing is lost but the immediacy: the next request asks for the right anew.
 */

for (const story of document.querySelectorAll("[data-story]")) listen(story);

function listen(story) {
  const source = new EventSource(story.dataset.story);
  source.addEventListener("closed", () => {
    source.close();
    take(story, () => true);
    ask(story);
  });
  source.addEventListener("withdrawn", (event) => drop(story, (part) => event.data.split(" ").includes(part)));
  source.addEventListener("asked", () => ask(story));
  // Somebody has said "Visa inte för ..." about something.
  source.addEventListener("changed", () => ask(story));
  source.addEventListener("resync", () => ask(story));
  source.addEventListener("more", () => tell(story, "more"));
  source.addEventListener("readers", () => tell(story, "more"));
  source.addEventListener("error", () => {
    // The browser tries again by itself unless it was refused; refused means that it may not be read any more.
    if (source.readyState === EventSource.CLOSED) ask(story);
  });
}

/** Nothing of it may be read any more. What somebody was writing beside it stays when they are only logged out. */
function empty(story, status) {
  if (status === 401) {
    const gone = story.querySelector("template[data-story-gone]").content.cloneNode(true);
    take(story, () => true);
    story.prepend(gone);
    story.dataset.gone = "";
    return;
  }
  const gone = story.querySelector("template[data-story-gone]").content.cloneNode(true);
  story.replaceChildren(gone);
  story.dataset.gone = "";
}

/** Take away the parts that are named; says whether there were any. */
function take(story, named) {
  const parts = [...story.querySelectorAll("[data-part]")].filter((part) => named(part.dataset.part));
  for (const part of parts) part.remove();
  return parts.length > 0;
}

function drop(story, named) {
  if (take(story, named)) tell(story, "withdrawn");
}

/** Ask which parts may be read now, and take away the others. */
async function ask(story) {
  if ("gone" in story.dataset) return;
  try {
    const answer = await fetch(story.dataset.parts, { cache: "no-store", redirect: "error", credentials: "same-origin" });
    if (answer.status === 401 || answer.status === 404) return empty(story, answer.status);
    if (!answer.ok) return;
    const may = new Set((await answer.text()).split(" "));
    drop(story, (part) => !may.has(part));
  } catch {
    // No answer: the next request asks.
  }
}

function tell(story, what) {
  const note = story.querySelector(`[data-story-${what}]`);
  if (note) note.hidden = false;
}
