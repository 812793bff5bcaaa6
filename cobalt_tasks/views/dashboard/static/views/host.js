// One host in full.

import { ask } from "/static/api.js";
import { anchor, make } from "/static/dom.js";
import { accepted } from "/static/views/changes.js";
import * as words from "/static/words.js";

const TIMELINE = 50;

export const title = (state) => state.address;

export function mount(container, state) {
  const heading = make("h1", "mono", state.address);
  heading.id = "host-title";
  const body = make("div", "host");
  body.id = "host-body";
  container.append(make("section", "panel", make("header", "", heading), body));
  load(state.address, body);
  return {};
}

async function load(address, body) {
  const host = await ask(`/api/hosts/${encodeURIComponent(address)}`);
  if (host.error) return body.replaceChildren(make("p", "empty", host.error));
  const changed = section("What changed", ["Seen (UTC)", "What", "Note"], await timeline(host.address));
  return body.replaceChildren(...inFull(host), ...changed);
}

async function timeline(address) {
  const page = await ask(`/api/changes?${new URLSearchParams({ host: address, limit: TIMELINE })}`);
  return (page.items ?? []).map((change) => [words.moment(change.observed_at), change.text, accepted(change)]);
}

function inFull(host) {
  const network = words.place(host.asn === null ? null : `AS${host.asn}`, host.organisation, host.isp);
  const missing = new Map(host.not_checked.map((each) => [each.check, each.reason]));
  const facts = [
    ["Place", words.place(host.city, host.region, host.country_name ?? host.country_code) || (missing.has("location") ? `not checked: ${missing.get("location")}` : "unknown")],
    ["Coordinates", host.latitude === null ? null : `${host.latitude.toFixed(4)}, ${host.longitude.toFixed(4)}`],
    ["Network", network],
    ["Located by", host.provider ? `${host.provider}, ${words.moment(host.located_at)}` : null],
    ["First seen", words.moment(host.first_seen)],
    ["Last seen", words.moment(host.last_seen)],
  ];
  const list = make("dl");
  for (const [name, text] of facts) if (text) list.append(make("dt", "", name), make("dd", "", text));
  return [
    list,
    ...reasons(host),
    ...section(titled("Names", host, "hostnames"), ["Name", "From", "Confirmed"], host.hostnames.map((name) => [name.name, name.source, { true: "yes", false: "no" }[name.confirmed] ?? "not asked"])),
    ...section(titled("MAC addresses", host, "hardware_addresses"), ["Address", "Vendor", "From"], host.hardware_addresses.map((each) => [each.mac, each.vendor ?? "", each.source])),
    ...section(titled("Ports", host, "ports"), ["Port", "Service", "Says"], host.ports.map((port) => [`${port.port}/${port.protocol}`, [port.service, port.product, port.version].filter(Boolean).join(" "), port.banner ?? ""])),
    ...section(titled("Certificates", host, "certificates"), ["Port", "Subject", "Names", "Until"], host.certificates.map((seen) => [`${seen.port}/${seen.protocol}`, seen.subject, seen.names.join(", "), words.moment(seen.not_after) + (seen.self_signed ? " (self-signed)" : "")])),
    ...section("Not checked", ["What", "Why"], host.not_checked.map((each) => [words.rule(each.check), each.reason])),
    ...section(titled("Jobs", host, "jobs"), ["Kind", "State", "Outcome", "Detail"], host.jobs.map((job) => [job.port ? `${job.kind} ${job.port}` : job.kind, job.state, job.outcome ?? "", job.detail ?? ""])),
    ...section("Connections", ["Arrived", "From", "To", "Process"], host.connections.map((row) => [words.moment(row.arrived_at), words.endpoint(row.src_ip, row.src_port), words.endpoint(row.dst_ip, row.dst_port), row.process ?? ""])),
  ];
}

/** Why a host has its score: every piece of evidence with what it adds, and the sum. */
function reasons(host) {
  const risk = words.risk(host.score);
  const title = make("h3", "", "Risk ", make("span", `badge ${risk.level}`, risk.text));
  if (host.score === null && !host.evidence.length) return [title, make("p", "quiet", "Not scored yet.")];
  if (!host.score && !host.evidence.length) return [title, make("p", "quiet", host.not_checked.length ? "No evidence was found by the rules that could be checked; the others are listed below." : "No evidence was found by any rule.")];
  const sum = host.evidence.reduce((total, piece) => total + piece.counted, 0);
  const items = host.evidence.map((piece) =>
    make("li", piece.counted ? "" : "quiet",
      make("span", "figure", piece.counted ? `+${words.points(piece.counted)}` : "0"),
      make("div", "",
        make("p", "", make("strong", "", words.rule(piece.rule)), `: ${piece.detail}`),
        make("p", "quiet small", [
          piece.accepted ? `accepted by ${piece.accepted.author}: ${piece.accepted.reason}` : piece.counted === piece.points ? "" : `${words.points(piece.points)} by itself`,
          `from ${piece.source}`,
          `seen ${words.moment(piece.observed_at)}`,
          `rules ${piece.rule_version}`,
        ].filter(Boolean).join(" · ")))));
  const notes = [];
  if (host.evidence.some((piece) => !piece.accepted && piece.counted < piece.points)) notes.push("A rule counts once, with the most points it found, and the sum ends at 1.");
  if (words.points(sum) !== words.points(host.score ?? 0)) notes.push("The evidence is newer than the score, which follows soon.");
  items.push(make("li", "sum", make("span", "figure", words.points(sum)), make("p", "quiet small", `in all. ${notes.join(" ")}`)));
  return [title, make("ul", "evidence", ...items)];
}

/** A heading with the number of rows, where not all are shown, with a link to the rest. */
function titled(name, host, list) {
  const shown = host[list].length;
  const total = host.totals[list];
  if (shown >= total) return [name];
  const rest = anchor("the rest", host.next[list], "small");
  return [`${name} (${words.count(shown)} of ${words.count(total)}) `, rest];
}

function section(title, columns, rows) {
  if (!rows.length) return [];
  const head = make("tr");
  for (const column of columns) {
    const cell = make("th", "", column);
    cell.scope = "col";
    head.append(cell);
  }
  const body = make("tbody");
  for (const row of rows) body.append(make("tr", "", ...row.map((text) => make("td", "name", text))));
  return [make("h3", "", ...[title].flat()), make("div", "scroll", make("table", "", make("thead", "", head), body))];
}
