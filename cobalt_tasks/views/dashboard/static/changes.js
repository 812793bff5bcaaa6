// What changed, the newest first, with filters.

import { byId, fillRows, setText } from "/static/dom.js";
import * as words from "/static/words.js";

const REFRESH_MILLISECONDS = 15000;
const SHOWN = 100;
const DAY = 86400;

/** Start the list; returns `{changed(key)}`: load it again where the key differs, or after a while. */
export function startChanges(serverNow, open) {
  const form = byId("change-filter");
  let known = null;
  let lastLoad = 0;

  async function load() {
    lastLoad = Date.now();
    const query = new URLSearchParams({ limit: SHOWN });
    const days = Number(form.elements.days.value);
    if (days) query.set("since", Math.max(0, serverNow() - days * DAY));
    if (form.elements.kind.value) query.set("kind", form.elements.kind.value);
    if (form.elements.q.value.trim()) query.set("q", form.elements.q.value.trim());
    const page = await ask(`/api/changes?${query}`);
    if (!page) return;
    const items = page.items ?? [];
    byId("changes-empty").hidden = items.length > 0;
    setText(byId("changes-empty"), page.error ?? (page.next ? "None of the newest changes matches: choose a shorter time or fewer conditions." : "Nothing changed in this time."));
    setText(byId("changes-note"), page.next ? `of the newest ${words.count(SHOWN)}` : items.length ? words.count(items.length) : "");
    fillRows(byId("change-rows"), items.map(row));
  }

  const row = (change) => ({
    key: String(change.id),
    className: change.accepted ? "quiet" : "",
    cells: [
      change.address
        ? { text: change.address, className: "mono address", click: () => open(change.address) }
        : { text: "", className: "address" },
      { text: change.text, className: "name" },
      { text: accepted(change), title: change.accepted?.reason ?? "", className: "name spare" },
      { text: words.moment(change.observed_at), title: `recorded ${words.moment(change.recorded_at)}`, className: "time" },
    ],
  });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    load();
  });
  form.elements.days.addEventListener("change", load);
  form.elements.kind.addEventListener("change", load);

  return {
    changed(key) {
      if (key !== known || Date.now() - lastLoad > REFRESH_MILLISECONDS) load();
      known = key;
    },
  };
}

/** The newest changes of a host, for its timeline; an empty list where they cannot be had. */
export async function timeline(address, limit) {
  const page = await ask(`/api/changes?${new URLSearchParams({ host: address, limit })}`);
  return (page?.items ?? []).map((change) => [words.moment(change.observed_at), change.text, accepted(change)]);
}

const accepted = (change) => (change.accepted ? `accepted by ${change.accepted.author}: ${change.accepted.reason}` : "");

async function ask(url) {
  try {
    const answer = await fetch(url);
    if (answer.ok) return await answer.json();
    if (answer.status !== 422) return null;
    const detail = (await answer.json()).detail;
    return { error: typeof detail === "string" ? detail : "This filter cannot be used." };
  } catch {
    // The feed reports that the server is gone.
    return null;
  }
}
