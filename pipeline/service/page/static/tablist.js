// Tabs as a keyboard knows them: one of them takes the focus, arrows go on to the next.

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

/** Shows which tab is chosen. */
export function markChosen(tabs, chosen) {
  for (const tab of tabs) {
    tab.setAttribute("aria-selected", String(tab === chosen));
    tab.setAttribute("tabindex", tab === chosen ? "0" : "-1");
  }
}

/** Calls `choose` with the tab that is clicked, or gone to with the arrows. */
export function connectTabs(tabs, choose) {
  for (const tab of tabs) {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", (event) => {
      const at = tabs.indexOf(tab);
      const next = { Home: tabs[0], End: tabs.at(-1) }[event.key] ?? tabs[(at + (STEPS[event.key] ?? 0) + tabs.length) % tabs.length];
      if (next === tab) return;
      choose(next);
      next.focus();
      event.preventDefault();
    });
  }
}
