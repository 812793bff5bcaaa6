// What changed, the newest first.

import { href, hostPath } from "/static/router.js";
import { term } from "/static/query.js";
import { startTable } from "/static/table.js";
import * as words from "/static/words.js";

const DAY = 86400;
const KINDS = [
  "networks scanned", "host found", "port opened", "port closed", "port reopened", "service changed", "product changed", "version changed",
  "certificate changed", "certificate renewed", "certificate expiring", "name added", "name gone", "location changed", "network changed",
  "locations updated", "recognition updated", "score changed", "new peer country",
];

export const title = () => "Changes";

export function mount(container, state, tools) {
  return startTable(container, state, tools, {
    name: "change",
    title: "Changes",
    about: "Every difference between what was known before and what is known now. A query asks about the port that changed, or else its host.",
    path: "/api/changes",
    pageParameter: () => "before",
    target: "ports",
    example: "net:192.0.2.0/24 port:22",
    order: "id",
    seconds: 15,
    columns,
    filters: [
      { name: "days", label: "Within", options: [["7", "a week"], ["1", "a day"], ["30", "30 days"], ["0", "all times"]] },
      { name: "kind", label: "Kind", options: [["", "all"], ...KINDS.map((kind) => [kind, kind])] },
    ],
    request: ({ days, kind }, now) => ({ since: Number(days) ? Math.max(0, now - Number(days) * DAY) : null, kind: kind || null }),
    exported: ({ days, kind }, now) => ({ table: "changes", since: Number(days) ? Math.max(0, now - Number(days) * DAY) : null, kind: kind || null }),
    key: (change) => String(change.id),
    rowClass: (change) => (change.accepted ? "quiet" : ""),
    none: "Nothing changed in this time.",
    noMatch: "Nothing changed in this time.",
  });
}

/** What a note says of a change that is accepted. */
export const accepted = (change) => (change.accepted ? `accepted by ${change.accepted.author}: ${change.accepted.reason}` : "");

const columns = [
  { id: "address", title: "Host", cell: (change) => (change.address ? { text: change.address, className: "mono address", href: hostPath(change.address) } : { text: "", className: "address" }) },
  { id: "text", title: "What changed", fields: ["kind", "port", "protocol", "old", "new", "details"], cell: (change) => ({ text: change.text, className: "name wide" }) },
  { id: "kind", title: "Kind", fields: [], optional: true, cell: (change) => ({ text: change.kind, className: "address", href: href("/changes", { kind: change.kind }) }) },
  { id: "port", title: "Port", fields: [], optional: true, cell: (change) => (change.protocol ? { text: `${change.port}/${change.protocol}`, className: "mono address", href: href("/hosts", { q: term("port", change.port) }) } : "") },
  { id: "note", title: "Note", fields: [], hint: "Why a change is accepted, and by whom", cell: (change) => ({ text: accepted(change), title: change.accepted?.reason ?? "", className: "name" }) },
  { id: "observed_at", title: "Seen", fields: ["observed_at", "recorded_at"], hint: "When it was seen; the newest recorded first", sort: "id", cell: (change) => ({ text: words.moment(change.observed_at), title: `recorded ${words.moment(change.recorded_at)}`, className: "time" }) },
];
