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
  function addSelection(form) {
    const all = form.querySelector("[data-select-all]");
    const boxes = [...form.querySelectorAll("input[name=rowid]")];
    const matching = form.querySelector("[data-all-matching]"); // those of other pages, too
    const text = form.querySelector("[data-selected]");
    const buttons = form.querySelectorAll(".selection button");

    function update() {
      const ticked = boxes.filter((box) => box.checked).length;
      all.checked = ticked === boxes.length;
      all.indeterminate = ticked > 0 && ticked < boxes.length;
      text.textContent = ticked
        ? `${ticked} selected:`
        : `Select ${form.dataset.noun} to act on them.`;
      text.hidden = matching.checked;
      for (const box of [all, ...boxes]) box.disabled = matching.checked;
      for (const button of buttons) button.hidden = !ticked && !matching.checked;
    }

    all.hidden = false;
    all.addEventListener("change", () => {
      for (const box of boxes) box.checked = all.checked;
      update();
    });
    form.addEventListener("change", update);
    addEventListener("pageshow", update); // the browser may restore ticks when going back
    update();
  }

  // Times in the reader's zone; UTC stays in the tooltip.
  function localise(element) {
    const moment = new Date(element.dateTime);
    element.title = `${moment.toLocaleString(root.lang || undefined, {
      dateStyle: "medium",
      timeStyle: "medium",
    })} · ${element.title}`;
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

    const own = form.querySelector("[data-own-zone]");
    const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (here) {
      own.textContent = `Use mine: ${here}`;
      const showOwn = () => (own.hidden = zone.value === here);
      own.addEventListener("click", () => {
        zone.value = here;
        showOwn();
        zone.focus();
        update();
      });
      zone.addEventListener("input", showOwn);
      showOwn();
    }
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
    document.querySelectorAll("[data-theme-switch]").forEach(addThemeSwitch);
    document.querySelectorAll("[data-menu]").forEach(addMenu);
    document.querySelectorAll("[data-selection]").forEach(addSelection);
    document.querySelectorAll(".ta time[datetime]").forEach(localise);
    document.addEventListener("taskadmin:fresh", (event) =>
      event.target.querySelectorAll("time[datetime]").forEach(localise),
    );
    document.addEventListener("click", closePopups);
    document.addEventListener("keydown", closePopups);
  });
})();
