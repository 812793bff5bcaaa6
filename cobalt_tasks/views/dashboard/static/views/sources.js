// Sources: what was read from each, and what was refused.

import { byId, fillRows, fromTemplate, setText } from "/static/dom.js";
import * as words from "/static/words.js";

export const title = () => "Sources";

export function mount(container, state, tools) {
  container.append(fromTemplate("sources-template"));
  return { show: (data) => showInput(data.status, tools.serverNow()) };
}

function showInput(status, now) {
  const counters = ["read", "accepted", "duplicates", "rejected", "ignored"];
  const cells = (row) => counters.map((name) => ({
    text: words.count(row[name]),
    className: !row[name] ? "zero" : name === "rejected" ? "state-failed" : "",
  }));
  fillRows(byId("source-rows"), status.sources.slice(0, 20).map((source) => ({
    key: `${source.name}\n${source.generation}`,
    cells: [{ text: source.generation > 1 ? `${source.name} (generation ${source.generation})` : source.name, className: "name", title: source.name }, ...cells(source)],
  })));
  const { sources, rejected } = status.ledger;
  const bytes = status.journals.reduce((sum, journal) => sum + journal.bytes, 0);
  const left = bytes ? ` · ${words.count(bytes)} bytes wait in journals: cobalt ingest --resume` : "";
  setText(byId("input-note"), sources ? `${words.count(sources)} ${sources === 1 ? "source" : "sources"}${left}` : `nothing was read yet${left}`);
  byId("rejects").hidden = !status.rejects.length;
  setText(byId("rejects-summary"), `${words.count(rejected)} ${rejected === 1 ? "line was" : "lines were"} refused; the latest`);
  fillRows(byId("reject-rows"), status.rejects.map((reject) => ({
    key: `${reject.source}\n${reject.position}\n${reject.arrived_at}`,
    cells: [
      { text: words.length(now - reject.arrived_at), since: reject.arrived_at, className: "time" },
      { text: reject.source, className: "name", title: reject.source },
      { text: words.count(reject.position), className: "number" },
      reject.reason,
    ],
  })));
}
