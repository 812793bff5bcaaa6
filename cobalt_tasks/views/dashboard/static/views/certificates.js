// Certificates by the day they expire.

import { href, hostPath } from "/static/router.js";
import { term } from "/static/query.js";
import { startTable } from "/static/table.js";
import * as words from "/static/words.js";

const DAY = 86400;
// The same in a query: an export has one row for each port that showed a certificate.
const LIMITS = { "30d": ["cert.expires:<30d", "-cert.expires:<0d"], "90d": ["cert.expires:<90d", "-cert.expires:<0d"], "365d": ["cert.expires:<365d", "-cert.expires:<0d"], expired: ["cert.expires:<0d"] };
const PORTS = 2;
const NAMES = 2;

export const title = () => "Certificates";

export function mount(container, state, tools) {
  return startTable(container, state, tools, {
    name: "certificate",
    title: "Certificates",
    about: "Certificates that ports showed, those that expire first at the front.",
    path: "/api/certificates",
    target: "certificates",
    example: "cert.name:*.example.com",
    order: "not_after",
    seconds: 60,
    columns: columns(tools),
    filters: [
      {
        name: "within", label: "Expire",
        options: [["90d", "within 90 days"], ["30d", "within 30 days"], ["365d", "within a year"], ["expired", "have expired"], ["used", "any time, in use"], ["all", "any time, also replaced"]],
      },
    ],
    request: ({ within }) => ({
      expired: within === "expired" ? "true" : null,
      expiring: /^\d+d$/.test(within) ? within : null,
      replaced: within === "used" ? "false" : null,
    }),
    narrowed: ({ within }) => LIMITS[within] ?? [],
    exported: ({ within }) => ({ table: "certificates", in_use: within === "all" ? null : "true" }),
    key: (each) => each.fingerprint,
    none: "No certificate in use expires in this time.",
    noMatch: "No certificate in use expires in this time.",
  });
}

const find = (field, value) => href("/certificates", { within: "all", q: term(field, value) });

function columns(tools) {
  return [
    { id: "not_after", title: "Expires", hint: "Day in UTC", sort: "not_after", direction: "ascending", cell: (each) => ({ text: words.day(each.not_after), title: words.moment(each.not_after), className: "address" }) },
    { id: "left", title: "In", fields: [], hint: "The time that is left", cell: (each) => left(each.not_after - tools.serverNow()) },
    { id: "state", title: "State", fields: [], optional: true, cell: (each) => each.state },
    { id: "names", title: "Names", hint: "What the certificate is for", cell: (each) => ({ text: words.brief(each.names, NAMES) || each.subject, title: each.names.join("\n"), className: "mono name", href: find("cert.fingerprint", each.fingerprint) }) },
    { id: "ports", title: "Shown by", fields: ["address", "protocol", "port"], hint: "Where the certificate is in use", cell: ports },
    { id: "issuer", title: "Issuer", hint: "Who signed it", cell: (each) => ({ text: each.issuer, className: "name", href: find("cert.issuer", each.issuer) }) },
    { id: "subject", title: "Subject", optional: true, cell: (each) => ({ text: each.subject, className: "name" }) },
    { id: "self_signed", title: "Self-signed", optional: true, cell: (each) => (each.self_signed ? "yes" : "no") },
    { id: "key_type", title: "Key", fields: ["key_type", "key_size"], optional: true, hint: "Type, and size in bits", cell: (each) => (each.key_type ? { text: `${each.key_type} ${each.key_size ?? ""}`, className: "address" } : "") },
    { id: "signature", title: "Signature", optional: true, cell: (each) => ({ text: each.signature ?? "", className: "address" }) },
    { id: "serial", title: "Serial", optional: true, cell: (each) => ({ text: each.serial ?? "", className: "mono name" }) },
    { id: "fingerprint", title: "SHA-256", optional: true, hint: "Its fingerprint; the link is the certificate itself, as PEM", cell: (each) => ({ text: each.fingerprint, className: "mono name", href: `/api/certificates/${each.fingerprint}` }) },
  ];
}

function left(seconds) {
  const level = seconds < 7 * DAY ? "bad" : seconds < 30 * DAY ? "fair" : "";
  // Whole days, as everywhere: a certificate with 2.9 days left expires in 2 days.
  const whole = Math.abs(seconds) < 2 * DAY ? Math.abs(seconds) : Math.floor(Math.abs(seconds) / DAY) * DAY;
  return { text: seconds < 0 ? `${words.length(whole)} ago` : words.length(whole), className: `time risk ${level}` };
}

function ports(each) {
  const shown = each.ports.filter((port) => !port.replaced_by && !port.closed);
  const links = shown.slice(0, PORTS).map((port) => ({ text: words.endpoint(port.address, port.port), href: hostPath(port.address) }));
  const more = shown.length - links.length;
  if (more > 0) links.push({ text: `+${more}${each.more_ports ? " or more" : ""}`, href: href("/hosts", { q: term("cert.fingerprint", each.fingerprint) }) });
  return { links, className: "mono address", title: shown.map((port) => words.endpoint(port.address, port.port)).join("\n") };
}
