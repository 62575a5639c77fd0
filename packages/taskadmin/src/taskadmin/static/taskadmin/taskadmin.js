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
    for (const popup of document.querySelectorAll("details.user-menu[open]")) {
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
    const text = form.querySelector("[data-selected]");
    const buttons = form.querySelectorAll(".selection button");

    function update() {
      const ticked = boxes.filter((box) => box.checked).length;
      all.checked = ticked === boxes.length;
      all.indeterminate = ticked > 0 && ticked < boxes.length;
      text.textContent = ticked ? `${ticked} selected:` : "Select tasks to act on them.";
      for (const button of buttons) button.hidden = !ticked;
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

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("[data-theme-switch]").forEach(addThemeSwitch);
    document.querySelectorAll("[data-menu]").forEach(addMenu);
    document.querySelectorAll("[data-selection]").forEach(addSelection);
    document.querySelectorAll(".ta time[datetime]").forEach(localise);
    document.addEventListener("click", closePopups);
    document.addEventListener("keydown", closePopups);
  });
})();
