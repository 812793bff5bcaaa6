// Hosts: all of them, or those that a query finds.

import { href, hostPath } from "/static/router.js";
import { term } from "/static/query.js";
import { startTable } from "/static/table.js";
import * as words from "/static/words.js";

const NAMES = 2;
const PORTS = 6;

export const title = (state) => (state.query.get("q") ? `Hosts: ${state.query.get("q")}` : "Hosts");

export function mount(container, state, tools) {
  return startTable(container, state, tools, {
    name: "host",
    title: "Hosts",
    about: "Every address seen in traffic or reported by a scan, with what is known of it.",
    path: "/api/hosts",
    target: "hosts",
    example: "port:22 country:DE -service:http",
    order: "last_seen",
    seconds: 15,
    columns: columns(tools),
    facets: ["country", "port", "service", "product", "org", "finding"],
    key: (host) => host.address,
    narrowed: (_values, query) => (query.get("sort") === "score" ? ["score:>0"] : []),
    exported: (_values, _now, sort) => ({ table: "hosts", ...sort.parameter }),
    total: (status) => status.hosts,
    none: "No hosts yet: cobalt ingest brings them.",
    noMatch: "No host matches.",
  });
}

const find = (field, value) => href("/hosts", { q: term(field, value) });

function columns(tools) {
  const time = (id, title, hint, more = {}) => ({
    id, title, hint, className: "time", ...more,
    cell: (host) => ({ text: words.length(tools.serverNow() - host[id]), since: host[id], title: words.moment(host[id]), className: "time" }),
  });
  return [
    { id: "address", title: "Address", sort: "address", direction: "ascending", parameter: { order: "address" }, cell: (host) => ({ text: host.address, className: "mono address", href: hostPath(host.address) }) },
    {
      id: "score", title: "Score", hint: words.SCORE, className: "number", sort: "score", parameter: { order: "score" },
      note: "only hosts with a score above 0",
      cell: (host) => ({ text: words.risk(host.score).text, className: `risk ${words.risk(host.score).level}`, href: `${hostPath(host.address)}#findings` }),
    },
    { id: "names", title: "Names", hint: "From reverse DNS, certificates, banners and scans", cell: (host) => ({ text: words.brief(host.names, NAMES), title: host.names.join("\n"), className: "mono name" }) },
    {
      id: "country", title: "Country", fields: ["country_code", "country_name"], hint: "By the geolocation databases and providers; of your own networks, the site",
      cell: where,
    },
    { id: "city", title: "City", optional: true, cell: (host) => (host.city ? { text: host.city, href: find("city", host.city) } : "") },
    {
      id: "organisation", title: "Organisation", hint: "Who the address belongs to",
      cell: (host) => (host.organisation ? { text: host.organisation, className: "name", href: find("org", host.organisation) } : ""),
    },
    {
      id: "asn", title: "ASN", hint: words.ASN, optional: true,
      cell: (host) => (host.asn === null ? "" : { text: `AS${host.asn}`, className: "address", href: find("asn", host.asn) }),
    },
    { id: "ports", title: "Ports", fields: ["open_ports"], hint: "Open ports with their services", cell: ports },
    time("first_seen", "First seen", "When it was first met", { optional: true }),
    time("last_seen", "Seen", "How long ago it was last seen", { sort: "last_seen", parameter: { order: "last_seen" } }),
  ];
}

function where(host) {
  if (host.country_code) return { text: host.country_name ?? host.country_code, href: find("country", host.country_code) };
  return host.site ? { text: host.site, href: find("site", host.site) } : { text: "–", className: "quiet" };
}

function ports(host) {
  const links = host.ports.slice(0, PORTS).map((port) => ({
    text: words.service(port),
    href: find("port", port.port),
    title: [port.product, port.version].filter(Boolean).join(" "),
  }));
  const more = host.ports.length - links.length;
  if (more > 0) links.push({ text: `+${more}`, href: `${hostPath(host.address)}#ports` });
  return { links, className: "mono name" };
}
