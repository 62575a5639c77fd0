// Keeps the [data-live] parts of a page up to date: asks for the same page again and takes its
// parts, until each says data-live-done. Without it, reloading does the same.
"use strict";

(() => {
  const EVERY = 2000; // milliseconds
  const regions = () => [...document.querySelectorAll("[data-live]")];
  let timer;

  // Nothing is moved under somebody's hands: a part with a focused button waits, and so does one
  // of which text is being selected. What only scrolls gets its focus back.
  function isInUse(region) {
    const focused = document.activeElement;
    const selection = getSelection();
    return (
      (region.contains(focused) && !focused.matches("[tabindex]")) ||
      (!selection.isCollapsed && region.contains(selection.anchorNode))
    );
  }

  function take(region, fresh) {
    for (const one of region.querySelectorAll("details[id][open]")) {
      fresh.querySelector(`#${CSS.escape(one.id)}`)?.setAttribute("open", "");
    }
    const scrolled = [...region.querySelectorAll("[tabindex]")].map((one) => ({
      label: one.getAttribute("aria-label"),
      top: one.scrollTop,
      atEnd: one.scrollTop + one.clientHeight >= one.scrollHeight - 8,
      focused: one === document.activeElement,
    }));
    region.replaceWith(fresh);
    for (const one of fresh.querySelectorAll("[tabindex]")) {
      const before = scrolled.find(({ label }) => label === one.getAttribute("aria-label"));
      const follows = "keepEnd" in one.dataset && (!before || before.atEnd);
      one.scrollTop = follows ? one.scrollHeight : (before?.top ?? 0);
      if (before?.focused) one.focus({ preventScroll: true });
    }
    fresh.dispatchEvent(new CustomEvent("taskadmin:fresh", { bubbles: true }));
  }

  async function update() {
    try {
      const answer = await fetch(location.href, { redirect: "error" }); // to the log in page
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const region of regions()) {
        const fresh = page.querySelector(`[data-live="${CSS.escape(region.dataset.live)}"]`);
        if (fresh && !isInUse(region)) take(region, document.adoptNode(fresh));
      }
    } catch {
      // the network or the site is away: the next turn tries again
    }
  }

  const isDone = () => regions().every((region) => "liveDone" in region.dataset);

  async function turn() {
    clearTimeout(timer);
    if (document.hidden || isDone()) return; // seen again, it goes on
    await update();
    clearTimeout(timer);
    timer = setTimeout(turn, EVERY);
  }

  document.addEventListener("visibilitychange", turn);
  timer = setTimeout(turn, EVERY);
  for (const one of document.querySelectorAll("[data-keep-end]")) one.scrollTop = one.scrollHeight;
})();
