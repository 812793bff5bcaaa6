// Addresses: which view one names, and moves between them through the browser's history.

import { VIEWS } from "/static/registry.js";

/** The view of a path, and the host's address where the path names one; undefined where there is no such view. */
export function match(path) {
  for (const view of VIEWS) {
    if (view.path === path) return { view, address: null };
    if (view.path.endsWith("/:address") && path.startsWith(view.path.slice(0, -8))) {
      const address = decoded(path.slice(view.path.length - 8));
      if (address && !address.includes("/")) return { view, address };
    }
  }
  return undefined;
}

/** What the browser's address names now: `{view, address, query, saved}`; `saved` is what `go` kept with the entry. */
export function here() {
  const { view, address } = match(location.pathname) ?? match("/");
  return { view, address, query: new URLSearchParams(location.search), saved: history.state ?? {} };
}

/** The path of a host's page. */
export const hostPath = (address) => `/hosts/${encodeURIComponent(address).replaceAll("%3A", ":")}`;

/** An address of this page: a path, with those of the `values` that are neither null nor empty. */
export function href(path, values = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value !== null && value !== undefined && value !== "") query.set(name, value);
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** Start: `onChange(here())` is called now and whenever the address changes. Returns `go(url, {saved, replace})`. */
export function startRouter(onChange) {
  const go = (url, { saved = {}, replace = false } = {}) => {
    history[replace ? "replaceState" : "pushState"](saved, "", url);
    onChange(here());
  };
  addEventListener("popstate", () => onChange(here()));
  // Links stay links: what opens another tab, or leaves the page, is the browser's.
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || event.defaultPrevented || isForBrowser(event, link)) return;
    event.preventDefault();
    go(link.href);
  });
  onChange(here());
  return go;
}

/** Whether the browser follows a link itself. */
export function isForBrowser(event, link) {
  if (event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return true;
  if (link.target || link.hasAttribute("download")) return true;
  const url = new URL(link.href);
  const isWithin = url.hash && url.pathname === location.pathname && url.search === location.search;
  return url.origin !== location.origin || isWithin || !match(url.pathname);
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}
