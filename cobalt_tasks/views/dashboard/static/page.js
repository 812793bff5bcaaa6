// The shell: the navigation, the live feed, and the view that the address names.

import { byId, dress, make, setText } from "/static/dom.js";
import { follow } from "/static/feed.js";
import { VIEWS } from "/static/registry.js";
import { startRouter } from "/static/router.js";
import * as words from "/static/words.js";

const container = byId("view");

let clockOffset = 0;
let latest = null;
let receivedAt = 0;
let goneSince = null;
let shown = null;
let visits = 0;
let go = null;

/** What every view may use. */
const tools = {
  /** The server's time in epoch seconds: this machine's clock may be wrong. */
  serverNow: () => Date.now() / 1000 + clockOffset,
  /** The newest document of the live feed; null before the first. */
  latest: () => latest,
  /** Go to another address of the page: see `startRouter`. */
  go: (...where) => go(...where),
};

for (const view of VIEWS.filter((each) => each.label)) {
  const link = make("a", "", view.label);
  link.href = view.path;
  byId("views").append(link);
}
go = startRouter(open);
follow(received, troubled);
setInterval(tick, 1000);

async function open(state) {
  const visit = ++visits;
  mark(state.view);
  if (shown?.path === state.view.path && shown.address === state.address && shown.parts.change) {
    shown.parts.change(state);
    return;
  }
  let module;
  try {
    module = await state.view.load();
  } catch {
    if (visit === visits) showMissing(state);
    return;
  }
  if (visit !== visits) return;
  const isFirst = shown === null;
  shown?.parts.unmount?.();
  container.replaceChildren();
  document.title = `${module.title(state)} · Cobalt`;
  shown = { path: state.view.path, address: state.address, parts: {} };
  shown.parts = module.mount(container, state, tools) ?? {};
  if (latest) shown.parts.show?.(latest);
  if (isFirst) return;
  scrollTo(0, 0);
  container.focus({ preventScroll: true });
}

/** Report in place of a view that its script did not arrive; the address stays, so that to load it again is enough. */
function showMissing(state) {
  shown?.parts.unmount?.();
  shown = { path: null, address: null, parts: {} };
  const words = "The script of this view did not arrive: Cobalt's server does not answer, or something on the way keeps it. Load the page again.";
  container.replaceChildren(make("h1", "", state.view.label ?? state.address), make("p", "trouble missing", words));
}

/** Mark the current view in the navigation. */
function mark(view) {
  for (const link of byId("views").children) {
    const path = link.getAttribute("href");
    if (path === view.path) link.setAttribute("aria-current", "page");
    else if (path === view.under) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

function received(data, how) {
  latest = data;
  receivedAt = Date.now();
  goneSince = null;
  clockOffset = data.timestamp - Date.now() / 1000;
  byId("trouble").hidden = true;
  document.body.classList.remove("old");
  setText(byId("link"), how);
  showHealth(data.system_health);
  shown?.parts.show?.(data);
  tick();
}

function troubled(trouble) {
  goneSince ??= new Date();
  const since = `(since ${words.time(goneSince)}).`;
  const rest = latest
    ? `What you see is of ${words.time(new Date(receivedAt))} and no longer kept up to date.`
    : "Nothing can be shown until it does.";
  setText(byId("trouble"), `${trouble.replace(/\.?$/, "")} ${since} ${rest}`);
  byId("trouble").hidden = false;
  setText(byId("overall"), "health unknown");
  dress(byId("overall"), "badge bad");
  document.body.classList.toggle("old", latest !== null);
  setText(byId("link"), "");
  if (!latest) shown?.parts.fail?.(trouble);
}

function tick() {
  if (latest) {
    const grown = (Date.now() - receivedAt) / 1000;
    const age = words.age(latest.metrics.buffer_age === null ? null : latest.metrics.buffer_age + grown);
    setText(byId("age"), age.text);
    dress(byId("age"), `badge ${age.level}`);
  }
  const now = tools.serverNow();
  for (const cell of document.querySelectorAll("[data-since]")) {
    setText(cell, words.length(now - Number(cell.dataset.since)));
  }
}

function showHealth(system) {
  const level = system.overall > 0.9 && system.reasons.length === 0 ? "good" : system.overall > 0.5 ? "fair" : "bad";
  setText(byId("overall"), `health ${words.share(system.overall)}`);
  dress(byId("overall"), `badge ${level}`);
}
