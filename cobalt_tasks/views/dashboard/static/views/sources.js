// Sources: every one with its counts; and what was refused, with the reasons.

import { make } from "/static/dom.js";
import { href } from "/static/router.js";
import { startTable } from "/static/table.js";
import * as words from "/static/words.js";

export const title = (state) => (state.query.has("rejects") ? "Refused lines" : "Sources");

export function mount(container, first, tools) {
  let chosen;
  let table;

  function start(state) {
    chosen = state.query.get("rejects");
    container.replaceChildren();
    table = chosen === null ? allSources(container, state, tools) : refused(container, state, tools);
  }

  start(first);
  return {
    show: (data) => table.show(data),
    change(next) {
      if (next.query.get("rejects") === chosen) table.change(next);
      else start(next);
    },
  };
}

function allSources(container, state, tools) {
  const number = (id, heading, hint) => ({
    id, title: heading, hint, className: "number",
    cell: (source) => ({ text: words.count(source[id]), className: source[id] ? "number" : "number zero" }),
  });
  return startTable(container, state, tools, {
    name: "source",
    title: "Sources",
    about: "Files, pipes and captures that were read, the newest first: read = accepted + duplicates + rejected + ignored.",
    path: "/api/sources",
    pageParameter: () => "before",
    order: "id",
    exported: () => ({ table: "sources" }),
    seconds: 10,
    columns: [
      { id: "name", title: "Source", sort: "id", cell: (source) => ({ text: source.generation > 1 ? `${source.name} (generation ${source.generation})` : source.name, title: source.name, className: "name wide" }) },
      { id: "format", title: "Format", cell: (source) => ({ text: source.format ?? "", className: "address" }) },
      number("read", "Read", "Records that were read"),
      number("accepted", "Accepted", "Records that were stored"),
      number("duplicates", "Duplicates", "Records that were known already"),
      {
        id: "rejected", title: "Rejected", hint: "Records that cannot be used: the link has their reasons", className: "number",
        cell: (source) => (source.rejected ? { text: words.count(source.rejected), className: "number state-failed", href: href("/sources", { rejects: source.id }) } : { text: "0", className: "number zero" }),
      },
      number("ignored", "Ignored", "Records that are of no use here, such as comments"),
      { id: "created_at", title: "First read", optional: true, cell: (source) => ({ text: words.moment(source.created_at), className: "time" }) },
      {
        id: "updated_at", title: "Last read", hint: "How long ago something came from it",
        cell: (source) => ({ text: words.length(tools.serverNow() - source.updated_at), since: source.updated_at, title: words.moment(source.updated_at), className: "time" }),
      },
    ],
    key: (source) => String(source.id),
    total: (status) => status.ledger.sources,
    extras: () => [Object.assign(make("a", "", "All refused lines"), { href: href("/sources", { rejects: "all" }) })],
    none: "Nothing was read yet. Pipe a capture into cobalt ingest capture -.",
    noMatch: "Nothing was read yet. Pipe a capture into cobalt ingest capture -.",
  });
}

function refused(container, state, tools) {
  const source = state.query.get("rejects");
  const only = /^\d+$/.test(source) ? source : null;
  const back = Object.assign(make("a", "", "‹ All sources"), { href: "/sources" });
  container.append(make("p", "back", back));
  return startTable(container, state, tools, {
    name: "reject",
    title: "Refused lines",
    about: "Lines and records that cannot be used, the newest first. cobalt rejects list has them as files do, cobalt rejects retry reads them again.",
    path: "/api/rejects",
    pageParameter: () => "before",
    order: "id",
    seconds: 15,
    request: () => ({ source: only }),
    exported: () => ({ table: "rejects", source: only }),
    columns: [
      {
        id: "arrived_at", title: "When", sort: "id", hint: "How long ago it was read",
        cell: (reject) => ({ text: words.length(tools.serverNow() - reject.arrived_at), since: reject.arrived_at, title: words.moment(reject.arrived_at), className: "time" }),
      },
      { id: "source", title: "Source", cell: (reject) => ({ text: reject.source ?? "", className: "name", href: href("/sources", { rejects: reject.source_id }) }) },
      { id: "position", title: "Position", hint: "Where it starts in the source, in bytes", className: "number", cell: (reject) => ({ text: words.count(reject.position), className: "number" }) },
      { id: "reason", title: "Reason", cell: (reject) => ({ text: reject.reason, className: "name wide" }) },
    ],
    key: (reject) => String(reject.id),
    none: "No line was refused.",
    noMatch: "No line was refused.",
  });
}
