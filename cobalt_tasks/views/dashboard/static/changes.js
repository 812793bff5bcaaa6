// What changed, the newest first, with filters.

import { ask, startList } from "/static/list.js";
import * as words from "/static/words.js";

const SHOWN = 100;
const DAY = 86400;

/** Start the list; returns `{changed(key)}`: see `startList`. */
export function startChanges(serverNow, open) {
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

  return startList({
    name: "change",
    path: "/api/changes",
    seconds: 15,
    shown: SHOWN,
    filter: ({ days, kind }, query) => {
      if (Number(days.value)) query.set("since", Math.max(0, serverNow() - Number(days.value) * DAY));
      if (kind.value) query.set("kind", kind.value);
    },
    rows: (items) => items.map(row),
    empty: (page) => (page.next ? "None of the newest changes matches: choose a shorter time or fewer conditions." : "Nothing changed in this time."),
    more: `of the newest ${words.count(SHOWN)}`,
  });
}

/** The newest changes of a host, for its timeline; an empty list where they cannot be had. */
export async function timeline(address, limit) {
  const page = await ask(`/api/changes?${new URLSearchParams({ host: address, limit })}`);
  return (page?.items ?? []).map((change) => [words.moment(change.observed_at), change.text, accepted(change)]);
}

const accepted = (change) => (change.accepted ? `accepted by ${change.accepted.author}: ${change.accepted.reason}` : "");
