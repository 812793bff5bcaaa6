// Connections: the newest first.

import { href, hostPath } from "/static/router.js";
import { term } from "/static/query.js";
import { startTable } from "/static/table.js";
import * as words from "/static/words.js";

export const title = (state) => (state.query.get("q") ? `Connections: ${state.query.get("q")}` : "Connections");

export function mount(container, state, tools) {
  return startTable(container, state, tools, {
    name: "connection",
    title: "Connections",
    about: "Every connection that a capture, a flow log or this machine reported, the newest first, with what is known of its far end by now.",
    path: "/api/connections",
    pageParameter: (query) => (query ? "after" : "before"),
    target: "connections",
    example: "dst:192.0.2.0/24 port:443 seen:<1h",
    order: "id",
    seconds: 10,
    columns: columns(tools),
    facets: ["country", "port", "service", "process", "org"],
    key: (row) => String(row.id),
    exported: () => ({ table: "connections" }),
    total: (status) => status.connections,
    none: "No connections yet. Pipe a capture into cobalt ingest capture -.",
    noMatch: "No connections match.",
  });
}

const find = (field, value) => href("/connections", { q: term(field, value) });

function columns(tools) {
  return [
    {
      id: "arrived_at", title: "Arrived", hint: "How long ago the line came in", sort: "id",
      cell: (row) => ({ text: words.length(tools.serverNow() - row.timestamp), since: row.timestamp, title: words.moment(row.timestamp), className: "time" }),
    },
    { id: "src_ip", title: "From", fields: ["src_ip", "src_port"], cell: (row) => ({ text: words.endpoint(row.src_ip, row.src_port), className: "mono address", href: hostPath(row.src_ip) }) },
    { id: "dst_ip", title: "To", cell: (row) => ({ text: row.dst_ip, className: "mono address", href: hostPath(row.dst_ip) }) },
    { id: "dst_port", title: "Port", fields: ["dst_port", "protocol"], cell: (row) => ({ text: `${row.dst_port}/${row.protocol.toLowerCase()}`, className: "mono address", href: find("port", row.dst_port) }) },
    { id: "name", title: "Name", fields: [], hint: "A name of the far end", cell: (row) => ({ text: row.dst_hostname ?? "", className: "mono name" }) },
    {
      id: "score", title: "Score", fields: [], hint: words.SCORE, className: "number",
      cell: (row) => {
        const risk = words.risk(row.scored ? row.threat_score : null);
        return { text: risk.text, className: `risk ${risk.level}`, href: `${hostPath(row.dst_ip)}#findings` };
      },
    },
    { id: "country", title: "Country", fields: ["dst_country_code", "dst_country_name"], hint: "Where the far end is", cell: country },
    { id: "city", title: "City", fields: ["dst_city"], optional: true, cell: (row) => row.dst_city ?? "" },
    { id: "organisation", title: "Organisation", fields: ["dst_organisation"], hint: "Who the far address belongs to", cell: (row) => (row.dst_org ? { text: row.dst_org, className: "name", href: find("org", row.dst_org) } : "") },
    { id: "process", title: "Process", hint: "The program on this machine that has the connection", cell: (row) => (row.process ? { text: row.process, className: "name", href: find("process", row.process) } : "") },
  ];
}

function country(row) {
  if (row.dst_country !== "??") return { text: row.dst_country_name ?? row.dst_country, href: find("country", row.dst_country) };
  return { text: !row.dst_public ? "not public" : row.geo_failed ? "not found" : "…", className: "quiet" };
}
