// Enhances links and forms. Everything works without it, only less comfortably.
"use strict";

(() => {
  const root = document.documentElement;
  const KEY = "taskadmin-theme";

  function remembered() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is unavailable
    }
  }

  function isDark() {
    return root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
  }

  const theme = remembered();
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;

  function addThemeSwitch(button) {
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      try {
        localStorage.setItem(KEY, root.dataset.theme);
      } catch {
        // only for this page
      }
    });
  }

  function closePopups(event) {
    for (const popup of document.querySelectorAll("details:is(.user-menu, .row-menu)[open]")) {
      if (event.type === "keydown" ? event.key === "Escape" : !popup.contains(event.target)) {
        popup.open = false;
        if (event.type === "keydown") popup.querySelector("summary").focus();
      }
    }
  }

  // Tabs that don't fit scroll sideways.
  function showCurrentTab(tabs) {
    const current = tabs.querySelector("[aria-current]")?.getBoundingClientRect();
    if (!current) return;
    const { left, width } = tabs.getBoundingClientRect();
    tabs.scrollLeft += current.left - left - (width - current.width) / 2;
  }

  // Ticked rows: a checkbox for all, their number, and buttons only while some are ticked.
  // Queried each time, because a live part may have replaced the rows.
  function addSelection(form) {
    const find = (selector) => form.querySelector(selector);

    function update() {
      const all = find("[data-select-all]");
      const matching = find("[data-all-matching]"); // also those of other pages
      const text = find("[data-selected]");
      if (!all || !matching || !text) return; // no rows
      const boxes = [...form.querySelectorAll("input[name=rowid]")];
      const ticked = boxes.filter((box) => box.checked).length;
      const { none, some, noun } = form.dataset;
      all.hidden = false;
      all.checked = ticked > 0 && ticked === boxes.length;
      all.indeterminate = ticked > 0 && ticked < boxes.length;
      text.textContent = ticked
        ? (some || "# selected:").replace("#", ticked)
        : none || `Select ${noun} to act on them.`;
      text.hidden = matching.checked;
      for (const box of [all, ...boxes]) box.disabled = matching.checked;
      for (const button of form.querySelectorAll(".selection button")) {
        button.hidden = !ticked && !matching.checked;
      }
    }

    form.addEventListener("change", (event) => {
      if (event.target.matches("[data-select-all]")) {
        for (const box of form.querySelectorAll("input[name=rowid]")) {
          box.checked = event.target.checked;
        }
      }
      update();
    });
    form.addEventListener("taskadmin:fresh", update);
    addEventListener("pageshow", update); // the browser may restore ticks when going back
    update();
  }

  // Submits a form only once on a double click.
  function sendOnce(event) {
    const { target } = event;
    if (event.defaultPrevented || target.method !== "post") return;
    if ("sent" in target.dataset) {
      event.preventDefault();
      return;
    }
    keepTyped(target);
    target.dataset.sent = "";
    setTimeout(() => delete target.dataset.sent, 5000); // the response may never come
  }

  const UNSENT = "taskadmin-unsent";
  const thisPage = () => location.pathname + location.search;
  const nameOfUser = () => document.querySelector(".ta[data-user]")?.dataset.user;

  // What the user typed, in case the session has ended: never passwords and secrets.
  function typedIn(form) {
    const others = "[type=hidden], [type=password], [type=file], [type=submit], [data-secret], button";
    return [...form.elements].filter((one) => one.name && !one.matches(others));
  }

  function keepTyped(form) {
    const user = nameOfUser();
    if (!user) return; // the log in page: keeps what was typed before it
    const values = typedIn(form).map((one) => [one.name, one.value, one.checked ?? null]);
    const number = [...document.forms].indexOf(form);
    try {
      sessionStorage.setItem(UNSENT, JSON.stringify({ page: thisPage(), user, number, values }));
    } catch {
      // storage is unavailable or full: the user types it again
    }
  }

  // Fills the form in again on the page that says that it wasn't sent, for the same user only.
  function restoreTyped() {
    const user = nameOfUser();
    if (!user) return;
    let kept = null;
    try {
      kept = JSON.parse(sessionStorage.getItem(UNSENT));
      sessionStorage.removeItem(UNSENT);
    } catch {
      // storage is unavailable
    }
    const form = document.forms[kept?.number];
    if (!form || !document.querySelector("[data-unsent]")) return;
    if (kept.page !== thisPage() || kept.user !== user) return;
    const fill = () => {
      for (const one of typedIn(form)) {
        const isBox = ["checkbox", "radio"].includes(one.type);
        const found = kept.values.find(
          ([name, value]) => name === one.name && (!isBox || value === one.value),
        );
        if (found && isBox) one.checked = found[2];
        else if (found) one.value = found[1];
      }
    };
    const job = form.querySelector("[data-job]");
    const jobBefore = job?.value;
    fill();
    form.addEventListener("taskadmin:fresh", fill, { once: true }); // another job's arguments
    // For the arguments and for the preview.
    for (const one of [job?.value !== jobBefore && job, form.elements.cron]) {
      if (one) one.dispatchEvent(new Event("change", { bubbles: true }));
    }
  }

  // Tells the server the browser's time zone, in which it writes times. The first page has them in
  // UTC and is loaded again, unless that would lose a message.
  function tellZone() {
    const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const cookie = `taskadmin_zone=${here}`;
    const isKnown = () => document.cookie.split("; ").includes(cookie);
    if (!here || isKnown()) return;
    const secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie = `${cookie}; path=/; max-age=31536000; samesite=lax${secure}`;
    const shown = document.querySelector(".ta[data-may-reload] :is(time, .chart)");
    if (shown && isKnown() && !document.querySelector(".messages")) location.reload();
  }

  // A button that fills in the browser's time zone.
  function addOwnZone(form, changed = () => {}) {
    const own = form.querySelector("[data-own-zone]");
    const zone = form.elements.zone;
    const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (!here) return;
    const show = () => (own.hidden = zone.value === here);
    own.textContent = own.dataset.text.replace("#", here);
    own.addEventListener("click", () => {
      zone.value = here;
      show();
      zone.focus();
      changed();
    });
    zone.addEventListener("input", show);
    show();
  }

  // The task form: fields of the selected job and kind, and a preview while the user types.
  function addTaskForm(form) {
    const preview = form.querySelector("[data-preview]");
    const schedule = form.querySelector("[data-schedule]");
    const zone = form.elements.zone;
    let timer, asked;

    async function update() {
      const query = new URLSearchParams();
      for (const field of schedule.querySelectorAll("input, select")) {
        if (field.name && (field.type !== "radio" || field.checked)) {
          query.append(field.name, field.value);
        }
      }
      const url = form.dataset.previewUrl;
      asked?.abort();
      asked = new AbortController();
      try {
        const answer = await fetch(`${url}${url.includes("?") ? "&" : "?"}${query}`, {
          signal: asked.signal,
          redirect: "error", // the log in page
        });
        // Read before an error returns: an unread answer keeps its connection.
        const text = await answer.text();
        if (!answer.ok) return;
        preview.innerHTML = text;
      } catch {
        // a newer request is running, or the network is down: keep the last response
      }
    }

    function later() {
      clearTimeout(timer);
      timer = setTimeout(update, 300);
    }

    // Loads another job's arguments without a reload: the focus stays in the list, for selecting
    // by keyboard, and other input is kept.
    async function useJob() {
      const button = form.querySelector("[data-use-job]");
      const data = new FormData(form);
      data.set(button.name, button.value);
      const job = data.get("job");
      try {
        const answer = await fetch(form.action, { method: "POST", body: data, redirect: "error" });
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const part = page.querySelector("[data-arguments]");
        if (form.elements.job.value !== job) return; // selected another one meanwhile
        form.querySelector("[data-arguments]").replaceWith(part);
        part.dispatchEvent(new CustomEvent("taskadmin:fresh", { bubbles: true }));
      } catch {
        button.hidden = false; // let the user do it
      }
    }

    addOwnZone(form, update);
    for (const button of form.querySelectorAll("[data-use-job], [data-preview-button]")) {
      button.hidden = true;
    }
    form.querySelector("[data-job]").addEventListener("change", useJob);
    schedule.addEventListener("input", later);
    schedule.addEventListener("change", later);
  }

  const tip = document.createElement("div");
  tip.className = "tip";
  tip.ariaHidden = "true"; // screen readers have the link's label

  function showTip(event) {
    const spot = event.target.closest?.(".chart a");
    if (!spot) return tip.remove();
    tip.textContent = spot.getAttribute("aria-label");
    document.querySelector(".ta").append(tip);
    const box = spot.getBoundingClientRect();
    const half = tip.offsetWidth / 2 + 4;
    const middle = Math.min(Math.max(box.left + box.width / 2, half), innerWidth - half);
    tip.style.left = `${middle}px`;
    tip.style.top = `${Math.max(box.top, tip.offsetHeight + 4)}px`;
  }

  // The first touch of a place shows its tip, the second one follows the link.
  function touchSpot(event) {
    const spot = event.target.closest?.(".chart a");
    if (!spot || event.pointerType !== "touch" || tip.dataset.of === spot.href) return;
    event.preventDefault();
    showTip(event);
    tip.dataset.of = spot.href;
  }

  function walkSpots(event) {
    const step = { ArrowLeft: "previousElementSibling", ArrowRight: "nextElementSibling" }[event.key];
    const next = step && event.target.closest?.(".chart a")?.[step];
    if (!next) return;
    event.preventDefault();
    next.focus();
  }

  document.addEventListener("DOMContentLoaded", () => {
    tellZone();
    document.querySelectorAll("[data-task-form]").forEach(addTaskForm);
    document.querySelectorAll("[data-zone-form]").forEach((form) => addOwnZone(form));
    document.querySelectorAll("[data-theme-switch]").forEach(addThemeSwitch);
    document.querySelectorAll(".ta .tabs").forEach(showCurrentTab);
    document.querySelectorAll("[data-selection]").forEach(addSelection);
    restoreTyped();
    document.querySelector("[aria-invalid=true]")?.focus(); // the first error of a form
    for (const name of ["pointerover", "focusin"]) document.addEventListener(name, showTip);
    document.addEventListener("scroll", () => tip.remove());
    document.addEventListener("click", touchSpot);
    document.addEventListener("keydown", walkSpots);
    document.addEventListener("submit", sendOnce);
    addEventListener("pageshow", () => {
      for (const form of document.forms) delete form.dataset.sent; // navigated back
    });
    document.addEventListener("click", closePopups);
    document.addEventListener("keydown", closePopups);
  });
})();
