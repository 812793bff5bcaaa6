// Reports a script or a style that did not arrive. No module: it must run even where a module is missing.

addEventListener("error", ({ target }) => {
  const file = target?.src || target?.href;
  if (!file) return;
  const report = () => {
    const trouble = document.getElementById("trouble");
    trouble.textContent = "A part of this page did not arrive, so it does not work. Load the page again; if that does not help, see whether Cobalt's server still runs.";
    trouble.hidden = false;
    document.getElementById("loading")?.remove();
  };
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", report);
  else report();
}, true);
