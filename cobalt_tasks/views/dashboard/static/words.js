// Numbers, times and places in words.

const number = new Intl.NumberFormat("en");
const percent = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 0 });
const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export const count = (value) => (value === null || value === undefined ? "?" : number.format(value));
export const share = (value) => percent.format(value);
export const moment = (seconds) => clock.format(new Date(seconds * 1000));

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

/** How full a queue is: 0 good, 1–10 normal, 10–50 burst, 50 and more overloaded. */
export function depth(jobs) {
  if (jobs === 0) return { text: "good", level: "good" };
  if (jobs <= 10) return { text: "normal", level: "normal" };
  if (jobs < 50) return { text: "burst", level: "fair" };
  return { text: "overloaded", level: "bad" };
}

export const health = (status) => ({ ACTIVE: "good", DEGRADED: "fair", DEAD: "bad" })[status] ?? "none";

export const place = (...parts) => [...new Set(parts.filter(Boolean))].join(", ");

/** A socket's two parts as one word; IPv6 in brackets. */
export const endpoint = (address, port) =>
  port === null || port === undefined ? address : address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
