"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const spoken = document.getElementById("spoken");
  const say = (text) => { spoken.textContent = text; };

  // Storage may be refused where the page is a file.
  const stored = (value) => {
    try {
      if (value) localStorage.setItem("wavetank-theme", value);
      return localStorage.getItem("wavetank-theme");
    } catch { return null; }
  };
  const isDark = () => root.style.colorScheme
    ? root.style.colorScheme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  const toggleTheme = () => {
    root.style.colorScheme = isDark() ? "light" : "dark";
    stored(root.style.colorScheme);
    say(`${root.style.colorScheme} colours`);
  };
  const theme = stored();
  if (theme === "dark" || theme === "light") root.style.colorScheme = theme;

  const keys = document.getElementById("keys");
  const showKeys = () => { if (keys.open) keys.close(); else keys.showModal(); };
  document.getElementById("keys-button").addEventListener("click", showKeys);
  document.getElementById("theme-button").addEventListener("click", toggleTheme);

  for (const button of all("button.copy")) {
    button.addEventListener("click", async () => {
      const code = button.parentElement.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code);
        button.textContent = "Selected";
      }
      say(button.textContent);
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }

  const findings = all("article.finding");
  let here = null;
  const goTo = (finding) => {
    if (!finding) return;
    if (here) here.classList.remove("here");
    here = finding;
    here.classList.add("here");
  };
  const nearest = () => {
    const below = findings.find((each) => each.getBoundingClientRect().bottom > 120);
    return below || findings[findings.length - 1];
  };
  const moveFinding = (by) => {
    const from = here ? findings.indexOf(here) : by > 0 ? -1 : findings.length;
    const next = findings[Math.min(Math.max(from + by, 0), findings.length - 1)];
    if (!next) return;
    location.hash = next.id;
  };
  const follow = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target || !target.matches("article.finding")) return;
    goTo(target);
    target.focus({preventScroll: true});
    target.scrollIntoView();
  };
  addEventListener("hashchange", follow);
  if (location.hash) follow();

  const moveEvent = (by, wanted) => {
    const within = here || nearest();
    if (!within) return;
    goTo(within);
    const rows = all(".rows li", within);
    const now = rows.findIndex((row) => row.classList.contains("now"));
    let place = now < 0 ? (by > 0 ? 0 : rows.length - 1) : now + by;
    while (rows[place] && wanted && !wanted(rows[place])) place += by;
    if (rows[place]) select(rows[place], rows);
  };
  const select = (row, rows) => {
    for (const each of rows) each.classList.remove("now", "by");
    const fold = row.closest("details");
    if (fold) fold.open = true;
    row.classList.add("now");
    row.scrollIntoView({block: "nearest"});
    const first = all(".rows li", row.closest(".timeline"));
    const number = (each) => Number(each.querySelector("b").textContent);
    const by = row.dataset.by && first.find((each) => number(each) === Number(row.dataset.by));
    if (by) by.classList.add("by");
    say(row.textContent.trim());
  };
  for (const timeline of all(".timeline")) {
    timeline.addEventListener("click", (event) => {
      const row = event.target.closest(".rows li");
      if (!row) return;
      const finding = row.closest("article.finding");
      goTo(finding);
      select(row, all(".rows li", finding));
    });
  }

  const unsafe = (row) => row.matches(".lost, .torn, .kept");
  const actions = {
    j: () => moveEvent(1), ArrowDown: () => moveEvent(1),
    k: () => moveEvent(-1), ArrowUp: () => moveEvent(-1),
    l: () => moveEvent(1, unsafe),
    n: () => moveFinding(1), ArrowRight: () => moveFinding(1),
    p: () => moveFinding(-1), ArrowLeft: () => moveFinding(-1),
    t: toggleTheme, "?": showKeys,
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || keys.open) return;
    if (event.target.closest("input, textarea, select")) return;
    const isArrow = event.key.startsWith("Arrow");
    // Arrows scroll: the page until a reader is in a finding, and a wide table that has the focus.
    if (isArrow && (!here || event.target.closest(".scroll"))) return;
    const action = actions[event.key];
    if (!action || !findings.length && !["t", "?"].includes(event.key)) return;
    event.preventDefault();
    action();
  });
})();
