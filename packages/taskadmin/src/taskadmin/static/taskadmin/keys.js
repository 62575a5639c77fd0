// Single keys, and the palette on Ctrl+K. Nothing fires while somebody types, or with another
// modifier; single keys can be switched off.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const help = document.querySelector("[data-keys]");
  if (!help) return;
  const palette = document.querySelector("[data-palette]");
  const field = palette.querySelector("input");
  const list = palette.querySelector("ul");
  const KEY = "taskadmin-keys";
  const RUN = /^#?\d{1,18}$/;
  let prefix = null, // "g", until the next key
    asked = 0; // searches for tasks

  function areOn() {
    try {
      return localStorage.getItem(KEY) !== "off";
    } catch {
      return true; // storage is unavailable
    }
  }

  const on = help.querySelector("[data-keys-on]");
  on.checked = areOn();
  on.addEventListener("change", () => localStorage.setItem(KEY, on.checked ? "on" : "off"));

  // Rows

  const rows = () => [...document.querySelectorAll("main tbody tr:has(a)")];
  const current = () => document.activeElement.closest?.("main tbody tr");

  function move(step) {
    const all = rows();
    const place = all.indexOf(current());
    const row = all[place < 0 ? (step > 0 ? 0 : all.length - 1) : place + step];
    row?.querySelector("a.name, a").focus();
    row?.scrollIntoView({ block: "nearest" });
  }

  // The row's own link or button, else the page's.
  function press(selector) {
    (current()?.querySelector(selector) ?? document.querySelector(`.head ${selector}`))?.click();
  }

  const ACTIONS = {
    "/": () => document.querySelector("main input[type=search]")?.focus(),
    "?": () => help.showModal(),
    j: () => move(1),
    k: () => move(-1),
    x: () => current()?.querySelector("input[name=rowid]")?.click(),
    e: () => press("a[href*='tasks/edit/']"),
    r: () => press("button[value=run_now]"),
  };

  function isTyping(target) {
    return target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");
  }

  document.addEventListener("keydown", (event) => {
    const isPalette = event.key === "k" && (event.ctrlKey || event.metaKey) && !event.altKey;
    if (isPalette && !event.shiftKey) {
      event.preventDefault();
      open();
      return;
    }
    const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.isComposing;
    if (!isPlain || !areOn() || isTyping(event.target) || document.querySelector("dialog[open]")) {
      return;
    }
    const page = prefix === "g" && help.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
    const action = page ? () => page.click() : prefix === null && ACTIONS[event.key];
    prefix = event.key === "g" && prefix === null ? "g" : null;
    if (!action) return;
    event.preventDefault();
    action();
  });

  // Palette

  // Pages of the menu, and links and buttons of this page's head.
  function entries() {
    const found = document.querySelectorAll("#menu a, .user-menu .popup a, .head :is(a.btn, button.btn)");
    return [...found]
      .filter((one) => !one.hidden && !one.disabled)
      .map((one) => ({ label: one.innerText.trim() || one.textContent.trim(), run: () => one.click() }));
  }

  function leadsTo(label, url) {
    return { label, run: () => (location.href = url) };
  }

  async function tasksLike(text) {
    const url = `${palette.dataset.tasks}?${new URLSearchParams({ search: `"${text.replaceAll('"', "")}"` })}`;
    const answer = await fetch(url, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) return [];
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    return [...page.querySelectorAll("main tbody a.name")]
      .slice(0, 8)
      .map((link) => leadsTo(link.textContent.trim(), link.getAttribute("href")));
  }

  function show(found) {
    list.replaceChildren(
      ...found.map(({ label, run }, place) => {
        const item = document.createElement("li");
        item.id = `palette-${place}`;
        item.role = "option";
        item.textContent = label;
        item.addEventListener("click", () => {
          palette.close();
          run();
        });
        return item;
      }),
    );
    palette.querySelector("[data-nothing]").hidden = found.length > 0;
    choose(0);
  }

  function choose(place) {
    const items = [...list.children];
    items.forEach((item, number) => (item.ariaSelected = String(number === place)));
    items[place]?.scrollIntoView({ block: "nearest" });
    if (items[place]) field.setAttribute("aria-activedescendant", items[place].id);
    else field.removeAttribute("aria-activedescendant");
  }

  const chosen = () => [...list.children].findIndex((item) => item.ariaSelected === "true");

  async function update() {
    const text = field.value.trim();
    const number = (asked += 1);
    const found = entries().filter(({ label }) => label.toLowerCase().includes(text.toLowerCase()));
    if (RUN.test(text)) {
      const id = text.replace("#", "");
      const label = palette.dataset.runLabel.replace("#", id);
      found.unshift(leadsTo(label, `${palette.dataset.runs}details/?id=${id}`));
    }
    show(found);
    if (text.length < 2) return;
    const tasks = await tasksLike(text).catch(() => []);
    if (number === asked && palette.open) show([...found, ...tasks]);
  }

  function open() {
    if (palette.open) return;
    help.close();
    field.value = "";
    palette.showModal();
    update();
  }

  let pause;
  field.addEventListener("input", () => {
    clearTimeout(pause);
    pause = setTimeout(update, 120); // milliseconds
  });
  field.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      choose(Math.min(Math.max(chosen() + step, 0), list.children.length - 1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      list.children[chosen()]?.click();
    }
  });
  palette.addEventListener("click", (event) => {
    if (event.target === palette) palette.close(); // beside it
  });
});
