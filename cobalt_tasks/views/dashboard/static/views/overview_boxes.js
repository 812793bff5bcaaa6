// What the boxes of the overview answer, in words.

import { anchor, dress, fillRows, keep, make, refill, setText } from "/static/dom.js";
import { term } from "/static/query.js";
import { href, hostPath } from "/static/router.js";
import * as words from "/static/words.js";

const LIVE_SECONDS = 60;
// Scoring leaves the newest seconds to its next round.
const LATE_SECONDS = 30;
const DAY = 86400;
const KINDS_SHOWN = 4;

const line = (name) => document.querySelector(`[data-line="${name}"]`);
const list = (name) => document.querySelector(`[data-list="${name}"]`);

/** Write an answer: its first words carry the colour. */
function answer(name, level, text) {
  dress(line(name), `answer ${level}`);
  setText(line(name), text);
}

/** What the live feed answers: whether data flows, how far behind the work is, and what is broken. */
export function showStatus(data, now) {
  showFlowing(data, now);
  showBehind(data.status);
  const reasons = data.system_health.reasons;
  answer("broken", reasons.length ? "bad" : "good", reasons.length ? `${words.many(reasons.length, "thing")} ${reasons.length === 1 ? "needs" : "need"} attention:` : "Nothing is broken.");
  keep(list("broken"), reasons, (reason) => reason, () => make("li", "name"), setText);
}

function showFlowing(data, now) {
  const { buffer_age: age, recent_connections: recent } = data.metrics;
  const newest = data.status.sources.filter((source) => source.read > 0).reduce((best, source) => (best && best.updated_at >= source.updated_at ? best : source), null);
  const from = newest && Math.abs(now - newest.updated_at - (age ?? 0)) < LIVE_SECONDS ? `, from ${newest.name}` : "";
  if (age === null) return answer("flowing", "none", "No data yet: cobalt ingest brings it.");
  const last = `The last line came ${age < 2 ? "just now" : `${words.length(age)} ago`}${from}.`;
  const rate = recent ? ` ${words.many(recent, "connection")} in the last minute.` : "";
  return answer("flowing", age < LIVE_SECONDS ? "good" : "fair", `${age < LIVE_SECONDS ? "Yes." : "Not now."} ${last}${rate}`);
}

function showBehind(status) {
  const late = Object.entries(status.queues).filter(([, queue]) => queue.jobs > 0).map(([name, queue]) => ({
    name,
    minutes: queue.minutes_behind,
    text: `${name}: ${words.many(queue.jobs, "job")} waiting, ${words.length(queue.minutes_behind * 60)} behind, ${words.count(queue.finished_per_minute)} done a minute`,
  }));
  const { observations, seconds } = status.scoring;
  if (seconds > LATE_SECONDS) late.push({ name: "scoring", minutes: seconds / 60, text: `scoring: ${words.length(seconds)} behind, ${words.many(observations, "connection")}` });
  for (const journal of status.journals) late.push({ name: `journal ${journal.journal}`, minutes: 0, text: `input of ${journal.source} that waits to be read: cobalt sources journals list` });
  const worst = Math.max(0, ...late.map((each) => each.minutes));
  const level = !late.length ? "good" : worst < 5 ? "good" : worst < 60 ? "fair" : "bad";
  answer("behind", level, late.length ? `${words.length(worst * 60)} behind at most.` : "Nothing waits: the work is up to date.");
  keep(list("behind"), late, (each) => each.name, () => make("li", "name"), (item, each) => setText(item, each.text));
}

/** Show in the boxes of the live feed why nothing comes. */
export function showFailure(reason) {
  for (const name of ["flowing", "behind", "broken"]) answer(name, "bad", reason);
}

/** Show what /api/overview answers: countries, riskiest hosts, changes, certificates. */
export function fillLists(lists, hours) {
  if (lists.error) {
    for (const name of ["countries", "riskiest", "changed", "expiring"]) answer(name, "bad", lists.error);
    return;
  }
  showCountries(lists.countries, hours, lists.until);
  showRiskiest(lists.riskiest);
  showChanges(lists.changes, hours);
  showCertificates(lists.certificates, lists.until);
}

function showCountries({ items, exact, counted_at: counted, unknown_connections: unknown }, hours, until) {
  const more = unknown ? ` ${words.many(unknown, "connection")} in ${words.hours(hours)} went to addresses that are not located.` : "";
  const when = counted === null ? "" : `, counted ${words.length(until - counted)} ago`;
  const text = items.length ? `Most hosts are in ${words.country(items[0].country)}${when}.${exact ? "" : " At least so many:"}${more}` : `No host is located yet${when}.${more}`;
  answer("countries", "", text);
  fillRows(document.querySelector('[data-rows="countries"]'), items.map((each) => ({
    key: each.country,
    cells: [
      { text: words.country(each.country), href: href("/hosts", { q: term("country", each.country) }) },
      { text: each.hosts === null ? "few" : words.count(each.hosts), className: "number" },
      { text: words.count(each.connections), className: "number", href: href("/connections", { q: term("country", each.country) }) },
    ],
  })));
}

function showRiskiest(hosts) {
  answer("riskiest", hosts.length ? "" : "good", hosts.length ? "The highest scores, from 0 to 1, with their weightiest reasons:" : "No host has a finding that counts.");
  refill(list("riskiest"), ...hosts.map((host) => {
    const risk = words.risk(host.score);
    const reasons = host.reasons.map((each) => `${words.rule(each.rule)}: ${each.detail}`);
    const rest = host.findings - host.reasons.length;
    if (rest > 0) reasons.push(`and ${words.many(rest, "more finding")}`);
    const where = words.place(host.names[0], host.organisation, host.country_code ? words.country(host.country_code) : null);
    return make("li", "",
      make("p", "", make("span", `badge ${risk.level}`, risk.text), " ", anchor(host.address, `${hostPath(host.address)}#findings`, "mono address"), " ", make("span", "quiet small name", where)),
      make("p", "small name", reasons.join(" · ")));
  }));
}

function showChanges(changes, hours) {
  const since = hours === 24 ? "since yesterday" : `in ${words.hours(hours)}`;
  const days = hours <= 24 ? "1" : hours <= 168 ? null : hours <= 720 ? "30" : "0";
  const kinds = changes.kinds.slice(0, KINDS_SHOWN).map(({ kind, count }) => `${kind} ${words.count(count)}`);
  if (changes.kinds.length > KINDS_SHOWN) kinds.push("others");
  const number = `${changes.exact ? "" : "More than "}${words.many(changes.total, "change")}`;
  answer("changed", "", changes.total ? `${number} ${since}: ${kinds.join(", ")}.` : `Nothing changed ${since}.`);
  refill(list("changed"), ...changes.newest.map((each) => make("li", "name",
    each.address ? anchor(each.address, hostPath(each.address), "mono address") : "", " ", each.text, " ", make("span", "quiet small", words.moment(each.observed_at)))));
  const title = document.querySelector("#changed-title a");
  title.href = href("/changes", { days });
}

function showCertificates(certificates, now) {
  const expired = certificates.filter((each) => each.not_after < now).length;
  answer("expiring", certificates.length ? "fair" : "good", certificates.length ? `Those in use that expire first${expired ? `, ${words.count(expired)} of them expired already` : ""}:` : "None that is in use expires within 30 days.");
  refill(list("expiring"), ...certificates.map((each) => {
    const days = Math.floor((each.not_after - now) / DAY);
    const when = days < 0 ? `expired ${words.many(-days, "day")} ago` : days === 0 ? "expires today" : `expires in ${words.many(days, "day")}`;
    const shown = each.ports.flatMap((port) => [" ", anchor(words.endpoint(port.address, port.port), hostPath(port.address), "mono address")]);
    return make("li", "name", make("span", `badge ${days < 7 ? "bad" : "fair"}`, when), " ", words.brief(each.names, 2) || each.subject, " at", ...shown, each.more_ports ? ` +${each.more_ports}` : "");
  }));
}
