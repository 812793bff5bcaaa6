// The lists of a host. Each shows its first rows, and more of them at a click, to the end.

import { ask } from "/static/api.js";
import { fillRows, make, scrolling, setText } from "/static/dom.js";
import { href, hostPath } from "/static/router.js";
import { term } from "/static/query.js";
import { accepted } from "/static/views/changes.js";
import { connectionsOf } from "/static/views/host.js";
import * as words from "/static/words.js";

const DAYS_SHOWN = 14;
const DETAILS = {
  title: "Title", server: "Server", status: "Status", location: "Redirects to", headers: "Headers", cookies: "Cookies", cpe: "CPE",
  tls_version: "TLS", cipher: "Cipher suite", alpn: "ALPN", jarm: "JARM", ja3s: "JA3S", hassh: "HASSH", host_key: "Host key",
};
const MEANINGS = {
  CPE: "Common Platform Enumeration: the product's name in the lists of vulnerabilities",
  JARM: "A fingerprint of how a server answers ten TLS greetings",
  JA3S: "A fingerprint of a server's TLS greeting",
  HASSH: "A fingerprint of the algorithms that an SSH server offers",
  ALPN: "The protocols that were agreed on within TLS",
};

/** Return every list that has rows: `{id, title, total, least, elements}`. */
export function sections(host, traffic, changes, tools) {
  const api = `/api/hosts/${encodeURIComponent(host.address)}`;
  const part = (id, title, name, columns, row) => list({
    id, title, columns, row, rows: host[name], total: host.totals[name],
    next: host.next[name]?.split("after=")[1] ?? null,
    load: (after) => ask(`${api}/${name}?after=${after}`),
  });
  const span = (row) => ({ text: `${words.moment(row.first_seen)} – ${words.moment(row.last_seen)}`, className: "small quiet" });
  return [
    part("ports", "Ports", "ports", ["Port", "State", "Service", "What it shows", "First and last seen"], (port) => [
      { text: `${port.port}/${port.protocol}`, className: "mono address", href: href("/hosts", { q: term("port", port.port) }) },
      state(port), service(port), shown(port.banner, port.details), span(port),
    ]),
    part("banners", "Banners", "banners", ["Port", "From", "Service", "Text", "First and last seen"], (banner) => [
      { text: `${banner.port}/${banner.protocol}`, className: "mono address" }, banner.source, service(banner), { text: banner.text ?? "", className: "mono name wide lines" }, span(banner),
    ]),
    part("certificates", "Certificates", "certificates", ["Port", "Subject", "Names", "Issuer", "Until", "How"], (seen) => [
      { text: `${seen.port}/${seen.protocol}`, className: "mono address" },
      { text: seen.subject, className: "name", href: href("/certificates", { within: "all", q: term("cert.fingerprint", seen.fingerprint) }) },
      { text: seen.names.join(", "), className: "mono name" },
      { text: seen.issuer, className: "name" },
      { text: words.moment(seen.not_after) + (seen.self_signed ? " (self-signed)" : ""), className: "small" },
      shown([seen.key_type, seen.key_size, seen.signature].filter(Boolean).join(" "), seen.details),
    ]),
    part("names", "Names", "hostnames", ["Name", "From", "Confirmed", "First and last seen"], (name) => [
      { text: name.name, className: "mono name wide", href: href("/hosts", { q: term("name", name.name) }) },
      name.source, { text: { true: "yes", false: "no" }[name.confirmed] ?? "not asked", title: "Whether the name leads back to this address" }, span(name),
    ]),
    part("hardware", "MAC addresses", "hardware_addresses", ["Address", "Vendor", "From", "First and last seen"], (each) => [{ text: each.mac, className: "mono address" }, each.vendor ?? "", each.source, span(each)]),
    ...talks(host, traffic, tools),
    list({
      id: "changes", title: "What changed", columns: ["Seen", "What", "Note"], rows: changes.items ?? [], next: changes.next ?? null,
      load: (before) => ask(href("/api/changes", { host: host.address, before, limit: 100 })),
      row: (change) => [{ text: words.moment(change.observed_at), className: "time" }, { text: change.text, className: "name wide" }, { text: accepted(change), className: "name" }],
    }),
    list({ id: "unchecked", title: "Not checked", columns: ["What", "Why"], rows: host.not_checked, row: (each) => [words.rule(each.check), { text: each.reason, className: "name wide" }] }),
    part("jobs", "Jobs", "jobs", ["Kind", "State", "Outcome", "Detail", "Made"], (job) => [
      job.port ? `${job.kind} ${job.port}` : job.kind, { text: job.state, className: `state-${job.state}` }, job.outcome ?? "", { text: job.detail ?? "", className: "name wide" }, { text: words.moment(job.created_at), className: "time" },
    ]),
  ].filter((each) => each.total);
}

/** Connections: by peer, by day, and the newest ones. */
function talks(host, traffic, tools) {
  const least = traffic.exact === false ? "at least " : "";
  const peers = list({
    id: "peers", title: "Peers", columns: ["Peer", "Name", "Opened by it", "Opened by the peer", "Ports", "Last"], rows: traffic.items ?? [], total: traffic.peers, least,
    row: (peer) => [
      { text: peer.address, className: "mono address", href: hostPath(peer.address) },
      { text: peer.name ?? "", className: "mono name" },
      { text: words.count(peer.sent), className: "number", href: connectionsOf(host.address, term("net", peer.address)) },
      { text: words.count(peer.received), className: "number", href: connectionsOf(host.address, term("net", peer.address)) },
      peer.ports.join(", "),
      { text: words.length(tools.serverNow() - peer.last), since: peer.last, title: words.moment(peer.last), className: "time" },
    ],
  });
  const days = list({
    id: "days", title: "Connections by day", columns: ["Day (UTC)", "Connections"], rows: (traffic.days ?? []).slice(0, DAYS_SHOWN), total: traffic.days?.length, least,
    row: ([start, number]) => [{ text: words.day(start), className: "address" }, { text: words.count(number), className: "number", href: connectionsOf(host.address, `seen:${words.day(start)}..${words.day(start + 86400)}`) }],
  });
  const newest = list({
    id: "connections", title: "Connections", columns: ["Arrived", "From", "To", "Process"], rows: host.connections, total: traffic.connections ?? host.connections.length, least,
    all: connectionsOf(host.address),
    row: (row) => [
      { text: words.moment(row.arrived_at), className: "time" },
      { text: words.endpoint(row.src_ip, row.src_port), className: "mono address", href: hostPath(row.src_ip) },
      { text: words.endpoint(row.dst_ip, row.dst_port), className: "mono address", href: hostPath(row.dst_ip) },
      row.process ?? "",
    ],
  });
  return [peers, days, newest];
}

/** One list: `load(next)` returns its next page; `all` is the address of the whole list elsewhere. */
function list({ id, title, columns, rows, row, total = rows.length, least = "", next = null, load = null, all = null }) {
  const heading = make("h2");
  heading.id = id;
  const head = make("tr", "", ...columns.map((text) => Object.assign(make("th", "", text), { scope: "col" })));
  const body = make("tbody");
  const known = [...rows];
  const more = make("button", "", "Show more");
  more.type = "button";
  const whole = all ? Object.assign(make("a", "", "All of them"), { href: all }) : null;

  function fill() {
    const exact = next === null && known.length >= total;
    setText(heading, exact ? `${title} (${least}${words.count(known.length)})` : `${title} (${words.count(known.length)} of ${least}${total > known.length ? words.count(total) : "more"})`);
    fillRows(body, known.map((each, place) => ({ key: place, cells: row(each) })));
    more.hidden = next === null;
  }

  more.addEventListener("click", async () => {
    more.disabled = true;
    const page = await load(next);
    more.disabled = false;
    if (page.error) return setText(more, `Show more (${page.error})`);
    known.push(...page.items);
    next = page.next;
    return fill();
  });
  fill();
  const table = scrolling(heading, make("table", "", make("thead", "", head), body));
  return { id, title, total, least, elements: [heading, table, make("p", "more-rows", more, whole)] };
}

function state(port) {
  if (port.closed_since) return { text: `closed since ${words.moment(port.closed_since)}`, className: "quiet" };
  if (port.unconfirmed_since) return { text: `not confirmed since ${words.moment(port.unconfirmed_since)}`, className: "state-failed", title: "The last scan that looked did not find it open" };
  return { text: port.seen_in_traffic ? "open (seen in traffic)" : "open", className: "state-done" };
}

function service(port) {
  const text = [port.service, port.product, port.version].filter(Boolean).join(" ");
  return port.service ? { text, className: "name", href: href("/hosts", { q: term("service", port.service) }) } : { text, className: "name" };
}

/** What a service shows of itself: a line of text, and the details that were recognised, one a line. */
function shown(text, details) {
  const lines = [text, ...described(details)].filter(Boolean);
  const known = Object.keys(MEANINGS).filter((word) => lines.some((line) => line.startsWith(`${word}:`)));
  return { text: lines.join("\n"), title: known.map((word) => `${word}: ${MEANINGS[word]}`).join("\n"), className: "mono name wide lines" };
}

function described(details) {
  let known = details;
  try {
    if (typeof details === "string") known = JSON.parse(details);
  } catch {
    return [details];
  }
  if (!known || typeof known !== "object") return [];
  const text = (value) => (Array.isArray(value) ? value.map(text).join(", ") : value && typeof value === "object" ? Object.entries(value).map(([name, each]) => `${name} ${text(each)}`).join("; ") : String(value));
  return Object.entries(known).filter(([, value]) => value !== null && value !== "").map(([name, value]) => `${DETAILS[name] ?? name.replaceAll("_", " ")}: ${text(value)}`);
}
