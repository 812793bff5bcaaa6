// Numbers, times and places in words.

const number = new Intl.NumberFormat("en");
const percent = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 0 });
const score = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 4 });
const regions = new Intl.DisplayNames("en", { type: "region" });
const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const timeOfDay = new Intl.DateTimeFormat(undefined, { timeStyle: "long" });

export const count = (value) => (value === null || value === undefined ? "?" : number.format(value));
export const points = (value) => score.format(value);
export const share = (value) => percent.format(value);
/** A number of bytes, such as 1.5 GB. */
export function bytes(value) {
  const power = Math.min(4, Math.max(0, Math.floor(Math.log10(Math.max(1, value)) / 3)));
  const part = value / 1000 ** power;
  return `${part < 10 && power ? part.toFixed(1) : count(Math.round(part))} ${["B", "kB", "MB", "GB", "TB"][power]}`;
}
/** A time in the browser's time zone, with the name of the zone; and without the date. */
export const moment = (seconds) => clock.format(new Date(seconds * 1000));
export const time = (date) => timeOfDay.format(date);

/** A length of time: 3 s, 12 min, 5 h, 9 d. */
export function length(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60]]) {
    if (seconds >= 2 * size) return `${Math.round(seconds / size)} ${unit}`;
  }
  return `${Math.max(0, Math.round(seconds))} s`;
}

/** How old the data is, and how good that is. */
export function age(seconds) {
  if (seconds === null || seconds === undefined) return { text: "No Data", level: "none" };
  if (seconds < 10) return { text: "Live", level: "good" };
  if (seconds < 60) return { text: `${Math.floor(seconds)}s ago`, level: "fair" };
  if (seconds < 7200) return { text: `${Math.floor(seconds / 60)}m ago`, level: "bad" };
  return { text: `${length(seconds)} ago`, level: "bad" };
}

/** How a queue is, by how many minutes it is behind: 5 and more is a burst, an hour and more too much. */
export function behind(jobs, minutes) {
  if (jobs === 0) return { text: "good", level: "good" };
  if (minutes < 5) return { text: "normal", level: "normal" };
  if (minutes < 60) return { text: "burst", level: "fair" };
  return { text: "overloaded", level: "bad" };
}

/** A score from 0 to 1, and how bad that is; null is one that was not made yet. */
export function risk(value) {
  if (!value) return { text: value === 0 ? "0" : "–", level: "none" };
  return { text: points(value), level: value > 0.5 ? "bad" : "fair" };
}

/** The same with two digits, for a mean. */
export const roughly = (value) => (value < 0.01 ? "<0.01" : value.toFixed(2));

const RULES = {
  blocklist: "Blocklist",
  cleartext_service: "Service in the clear",
  country: "Country on your list",
  expired_certificate: "Expired certificate",
  expiring_certificate: "Certificate that expires soon",
  name_mismatch: "Certificate for other names",
  network: "Network on your list",
  new_listener_talks: "New listener that talks",
  old_tls: "Old version of TLS",
  risky_port: "Port that is often attacked",
  self_signed_certificate: "Self-signed certificate",
  unknown_country: "Unknown country",
  weak_key: "Weak key",
  weak_signature: "Weak signature",
};

/** The names of the rules, as programs have them. */
export const RULE_NAMES = Object.keys(RULES);

/** How serious a finding is, by its points. */
export function severity(points) {
  if (points >= 0.3) return { text: "high", level: "bad" };
  return points >= 0.15 ? { text: "medium", level: "fair" } : { text: "low", level: "normal" };
}

export const rule = (name) => RULES[name] ?? name.replaceAll("_", " ");

/** A country's name by its code, or the text in place of one. */
export function country(code) {
  try {
    return regions.of(code);
  } catch {
    return code;
  }
}

export const health = (status) => ({ ACTIVE: "good", DEGRADED: "fair", DEAD: "bad" })[status] ?? "none";

export const place = (...parts) => [...new Set(parts.filter(Boolean))].join(", ");

/** A socket's two parts as one word; IPv6 in brackets. */
export const endpoint = (address, port) =>
  port === null || port === undefined ? address : address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;

/** The first `limit` of some texts, and how many more there are. */
export const brief = (values, limit) => values.slice(0, limit).join(", ") + (values.length > limit ? ` +${values.length - limit}` : "");

/** A port with its service: 22 ssh, 53/udp domain. */
export const service = (port) => `${port.port}${port.protocol === "tcp" ? "" : `/${port.protocol}`}${port.service ? ` ${port.service}` : ""}`;

/** The day of a time in UTC: the calendar is the same for every reader. */
export function day(seconds) {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? "never" : date.toISOString().slice(0, 10);
}

// What headings explain.
export const SCORE = "How risky the host looks, from 0 to 1: the sum of its findings, each rule counted once";
export const ASN = "Number of the autonomous system: the network operator that announces the address";

/** A time range in hours, in words. */
export const hours = (value) => (value === 1 ? "the last hour" : value % 24 || value === 24 ? `the last ${count(value)} hours` : `the last ${count(value / 24)} days`);

/** A number per time: whole above ten, with a digit below. */
export const rate = (value) => count(value >= 10 ? Math.round(value) : Math.round(value * 10) / 10);

/** A number and what is counted: 1 host, 2 hosts. */
export const many = (value, noun, plural = `${noun}s`) => `${count(value)} ${value === 1 ? noun : plural}`;
