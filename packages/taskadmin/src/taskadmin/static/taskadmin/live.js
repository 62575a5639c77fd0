// Updates the [data-live] parts of a page: requests the same page and takes over its parts, until
// each has data-live-done. Without this script, reloading does the same. The button
// data-live-switch stops and starts it.
"use strict";

(() => {
  const root = document.documentElement;
  const KEY = "taskadmin-live";
  const EVERY = 5000; // milliseconds, unless a part has data-live-every
  const LONGEST = 60000; // milliseconds between two tries while the site is unavailable
  const TIMEOUT = 20000; // milliseconds
  const ROW = ":is(tbody tr, .lines > li)";
  const canHover = matchMedia("(hover: hover)"); // a finger leaves no pointer behind
  const regions = () => [...document.querySelectorAll("[data-live]")];
  const isDone = () => regions().every((region) => "liveDone" in region.dataset);
  let timer,
    ended = false,
    failures = 0,
    patience = 0, // milliseconds that the site asks to wait
    busy = false, // too many requests
    held = null; // number of new rows in parts that are in use; null if all parts are up to date

  function isSwitchedOff() {
    try {
      return localStorage.getItem(KEY) === "off";
    } catch {
      return root.dataset.live === "off"; // storage is unavailable: only for this page
    }
  }

  // A part isn't replaced while the user works in it: while it has a focused field or button, ticked
  // boxes, an open menu, selected text or a row under the pointer. Scrollable elements get their
  // focus back.
  function isInUse(region) {
    const focused = document.activeElement;
    const selection = getSelection();
    return (
      (region.contains(focused) && !focused.matches("[tabindex]")) ||
      region.querySelector("input[name=rowid]:checked, [data-all-matching]:checked") !== null ||
      region.querySelector(".row-menu[open]") !== null ||
      (canHover.matches && region.querySelector(`${ROW}:hover`) !== null) ||
      (!selection.isCollapsed && region.contains(selection.anchorNode))
    );
  }

  // A row is known by its first link.
  function countNew(region, fresh) {
    const links = (part) =>
      [...part.querySelectorAll(ROW)].map((row) => row.querySelector("a")?.getAttribute("href"));
    const known = new Set(links(region));
    return links(fresh).filter((link) => !known.has(link)).length;
  }

  function take(region, fresh) {
    if (region.isEqualNode(fresh)) return;
    for (const one of region.querySelectorAll("details[id][open]")) {
      fresh.querySelector(`#${CSS.escape(one.id)}`)?.setAttribute("open", "");
    }
    const scrolled = [...region.querySelectorAll("[tabindex]")].map((one) => ({
      label: one.getAttribute("aria-label"),
      top: one.scrollTop,
      left: one.scrollLeft,
      atEnd: one.scrollTop + one.clientHeight >= one.scrollHeight - 8,
      focused: one === document.activeElement,
    }));
    const { scrollLeft } = region;
    region.replaceWith(fresh);
    fresh.scrollLeft = scrollLeft;
    for (const one of fresh.querySelectorAll("[tabindex]")) {
      const before = scrolled.find(({ label }) => label === one.getAttribute("aria-label"));
      const follows = "keepEnd" in one.dataset && (!before || before.atEnd);
      one.scrollTop = follows ? one.scrollHeight : (before?.top ?? 0);
      one.scrollLeft = before?.left ?? 0;
      if (before?.focused) one.focus({ preventScroll: true });
    }
    fresh.dispatchEvent(new CustomEvent("taskadmin:fresh", { bubbles: true }));
  }

  async function update() {
    patience = 0;
    busy = false;
    try {
      const answer = await fetch(location.href, {
        headers: { "Taskadmin-Live": "1" }, // 401 instead of the log in page
        signal: AbortSignal.timeout(TIMEOUT),
      });
      // Read before an error ends it: an unread answer keeps its connection.
      const text = await answer.text();
      if ([401, 403, 404, 410].includes(answer.status)) end(answer.status);
      patience = 1000 * (Number(answer.headers.get("Retry-After")) || 0);
      busy = answer.headers.get("Taskadmin-Live") === "later";
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(text, "text/html");
      held = null;
      for (const region of regions()) {
        const fresh = page.querySelector(`[data-live="${CSS.escape(region.dataset.live)}"]`);
        if (!fresh) continue;
        if (isInUse(region)) held += countNew(region, fresh);
        else take(region, document.adoptNode(fresh));
      }
      failures = 0;
    } catch {
      failures += 1; // the network or the site is unavailable: try again later
    }
    show();
  }

  // No later request can succeed: tell the user, and keep the contents.
  function end(status) {
    ended = true;
    const texts = document.querySelector("[data-live-switch]")?.dataset;
    if (!texts) return;
    const messages = document.createElement("div");
    messages.className = "messages";
    messages.setAttribute("role", "alert");
    const message = messages.appendChild(document.createElement("p"));
    message.className = "message bad";
    const link = document.createElement("a");
    link.href = location.href;
    link.textContent = texts.reload;
    const said = { 401: texts.loggedOut, 403: texts.refused }[status] ?? texts.gone;
    message.append(said, " ", link);
    document.querySelector(".ta main, .ta.embedded").prepend(messages);
  }

  function show() {
    for (const button of document.querySelectorAll("[data-live-switch]")) {
      const off = isSwitchedOff();
      button.hidden = ended || isDone();
      button.setAttribute("aria-pressed", String(!off));
      const late = busy ? button.dataset.busy : button.dataset.away;
      const holds = held !== null && !off && !failures;
      button.classList.toggle("away", failures > 0 && !off);
      button.classList.toggle("holds", holds);
      const current = holds ? button.dataset.held : button.dataset.on;
      button.querySelector("[data-text]").textContent = off ? button.dataset.off : failures ? late : current;
      button.querySelector("[data-new]").textContent =
        holds && held ? button.dataset.new.replace("#", held) : "";
    }
    dateBeat();
  }

  // Parts that aren't updated any more show absolute times.
  function dateBeat() {
    const beat = document.querySelector("[data-live=beat]");
    if (!beat) return;
    const stays = ended || isDone() || isSwitchedOff() || failures > 0;
    const when = stays ? ` (${beat.dataset.at})` : "";
    beat.querySelector(".beat-text").textContent = beat.title + when;
  }

  function later() {
    clearTimeout(timer);
    const every = Number(document.querySelector("[data-live-every]")?.dataset.liveEvery) || EVERY;
    const longest = Math.max(LONGEST, every);
    const wait = Math.min(Math.max(every * 2 ** failures, patience), longest);
    // Randomised, so that clients refused together don't return together.
    timer = setTimeout(turn, failures ? wait * (1 + Math.random() / 2) : wait);
  }

  async function turn() {
    clearTimeout(timer);
    if (document.hidden || ended || isDone() || isSwitchedOff()) return; // continues once the page is visible
    await update();
    if (!ended) later();
  }

  for (const button of document.querySelectorAll("[data-live-switch]")) {
    button.addEventListener("click", () => {
      const value = isSwitchedOff() ? "on" : "off";
      root.dataset.live = value;
      try {
        localStorage.setItem(KEY, value);
      } catch {
        // only for this page
      }
      show();
      turn();
    });
  }
  document.addEventListener("visibilitychange", turn);
  // Catches up as soon as the pointer has left the rows.
  document.addEventListener("pointerover", () => {
    if (held === null || regions().some(isInUse)) return;
    held = null;
    turn();
  });
  show();
  later();
  for (const one of document.querySelectorAll("[data-keep-end]")) one.scrollTop = one.scrollHeight;
})();
