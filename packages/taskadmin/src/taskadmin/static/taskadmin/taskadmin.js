// What pages do beyond links and forms. Everything works without it, only less comfortably.
"use strict";

(() => {
  const root = document.documentElement;
  const KEY = "taskadmin-theme";

  function remembered() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is switched off
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
        // the choice lasts for this page
      }
    });
  }

  function addMenu(button) {
    const menu = document.getElementById(button.getAttribute("aria-controls"));
    button.hidden = false;
    menu.classList.add("folds");
    button.addEventListener("click", () => {
      const open = button.getAttribute("aria-expanded") !== "true";
      button.setAttribute("aria-expanded", String(open));
      menu.classList.toggle("open", open);
    });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || button.getAttribute("aria-expanded") !== "true") return;
      button.click();
      button.focus();
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

  // Ticked rows: a box for all of them, how many there are, and buttons only when there are any.
  // Looked up anew each time: rows may be in a live part of the page.
  function addSelection(form) {
    const find = (selector) => form.querySelector(selector);

    function update() {
      const all = find("[data-select-all]");
      const matching = find("[data-all-matching]"); // those of other pages, too
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

  // A form that is sent twice in a row, by a double click, is sent once.
  function sendOnce(event) {
    const { target } = event;
    if (event.defaultPrevented || target.method !== "post") return;
    if ("sent" in target.dataset) {
      event.preventDefault();
      return;
    }
    target.dataset.sent = "";
    setTimeout(() => delete target.dataset.sent, 5000); // the answer may never come
  }

  const readersZone = (() => {
    try {
      return new Intl.DateTimeFormat("en", { timeZone: root.dataset.zone }).resolvedOptions().timeZone;
    } catch {
      return undefined; // a name that this browser doesn't know yet, or any more
    }
  })();

  // Times in the reader's zone, the one of the profile or the browser's; UTC stays in the tooltip.
  function localise(element) {
    const moment = new Date(element.dateTime);
    const options = { timeZone: readersZone };
    const text = moment.toLocaleString(root.lang || undefined, {
      ...options,
      dateStyle: "medium",
      timeStyle: "medium",
    });
    element.title = `${text} · ${element.title}`;
    // A clock's time alone, as on the axis of a chart or in a log.
    if ("clock" in element.dataset) {
      const style = element.dataset.clock || "short";
      element.textContent = moment.toLocaleTimeString(root.lang, { ...options, timeStyle: style });
    }
    if ("absolute" in element.dataset) element.textContent = text;
  }

  // Fills in the browser's zone by a button that names it.
  function addOwnZone(form, changed = () => {}) {
    const own = form.querySelector("[data-own-zone]");
    const zone = form.elements.zone;
    const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (!here) return;
    const show = () => (own.hidden = zone.value === here);
    own.textContent = (own.dataset.text || "Use mine: #").replace("#", here);
    own.addEventListener("click", () => {
      zone.value = here;
      show();
      zone.focus();
      changed();
    });
    zone.addEventListener("input", show);
    show();
  }

  // The form of a task: the fields of the chosen job and kind, and the next runs as one types.
  function addTaskForm(form) {
    const preview = form.querySelector("[data-preview]");
    const schedule = form.querySelector("[data-schedule]");
    const zone = form.elements.zone;
    let timer, asked;

    function showKind() {
      const kind = form.elements.kind.value;
      for (const part of form.querySelectorAll("[data-kinds]")) {
        part.hidden = !part.dataset.kinds.split(" ").includes(kind);
      }
      // The common slot and an interval have a zone for their start and end only.
      const bounds = form.elements.starts_at.closest("details");
      form.querySelector("[data-zone]").hidden =
        !["cron", "once"].includes(kind) && !bounds.open;
    }

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
          redirect: "error", // to the log in page
        });
        if (!answer.ok) return;
        preview.innerHTML = await answer.text();
        preview.querySelectorAll("time[datetime]").forEach(localise);
      } catch {
        // another request is under way, or the network is away: the last answer stays
      }
    }

    function later() {
      clearTimeout(timer);
      timer = setTimeout(update, 300);
    }

    // Another job's arguments come into the page without a reload: the focus stays in the list,
    // where people may go on choosing by keyboard, and what they typed elsewhere is kept.
    async function useJob() {
      const button = form.querySelector("[data-use-job]");
      const data = new FormData(form);
      data.set(button.name, button.value);
      const job = data.get("job");
      try {
        const answer = await fetch(form.action, { method: "POST", body: data, redirect: "error" });
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const part = page.querySelector("[data-arguments]");
        if (form.elements.job.value !== job) return; // chosen anew meanwhile
        form.querySelector("[data-arguments]").replaceWith(part);
      } catch {
        button.hidden = false; // by hand, then
      }
    }

    addOwnZone(form, update);
    for (const button of form.querySelectorAll("[data-use-job], [data-preview-button]")) {
      button.hidden = true;
    }
    form.querySelector("[data-job]").addEventListener("change", useJob);
    schedule.addEventListener("input", later);
    schedule.addEventListener("change", () => {
      showKind();
      later();
    });
    form.elements.starts_at.closest("details").addEventListener("toggle", showKind);
    addEventListener("pageshow", showKind); // the browser may restore the kind when going back
    showKind();
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("[data-task-form]").forEach(addTaskForm);
    document.querySelectorAll("[data-zone-form]").forEach((form) => addOwnZone(form));
    document.querySelectorAll("[data-theme-switch]").forEach(addThemeSwitch);
    document.querySelectorAll("[data-menu]").forEach(addMenu);
    document.querySelectorAll("[data-selection]").forEach(addSelection);
    document.querySelectorAll(".ta time[datetime]").forEach(localise);
    document.addEventListener("taskadmin:fresh", (event) =>
      event.target.querySelectorAll("time[datetime]").forEach(localise),
    );
    document.addEventListener("submit", sendOnce);
    addEventListener("pageshow", () => {
      for (const form of document.forms) delete form.dataset.sent; // back from the next page
    });
    document.addEventListener("click", closePopups);
    document.addEventListener("keydown", closePopups);
  });
})();
