// Light, dark, or as the system says. A classic script, before the first paint, so that no page
// flashes in the wrong colours. `auto` follows the system while it changes.
(() => {
  const choices = ['auto', 'dark', 'light'];
  const system = matchMedia('(prefers-color-scheme: light)');
  let kept = null;
  try {
    kept = localStorage.getItem('theme');
  } catch {
    // A browser that keeps nothing: the choice lasts as long as the page.
  }
  let choice = choices.includes(kept) ? kept : 'auto';
  const apply = () => {
    const root = document.documentElement;
    root.dataset.theme = choice === 'auto' ? (system.matches ? 'light' : 'dark') : choice;
    root.dataset.choice = choice;
    dispatchEvent(new Event('theme'));
  };
  system.addEventListener('change', apply);
  globalThis.nextTheme = () => {
    choice = choices[(choices.indexOf(choice) + 1) % choices.length];
    try {
      localStorage.setItem('theme', choice);
    } catch {
      // As above.
    }
    apply();
  };
  apply();
})();
