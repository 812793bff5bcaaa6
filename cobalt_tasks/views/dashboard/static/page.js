// The page: what arrives is put in its place.

import { startCertificates } from "/static/certificates.js";
import { startChanges } from "/static/changes.js";
import { byId, dress, fillRows, keep, make, setText } from "/static/dom.js";
import { follow } from "/static/feed.js";
import { startHosts } from "/static/hosts.js";
import { showMap, where } from "/static/map.js";
import * as words from "/static/words.js";

const STATES = ["pending", "sent", "running", "done", "failed", "dead", "cancelled"];
// Scoring leaves the newest seconds to its next round.
const LATE_SECONDS = 30;
const SPARE_STATES = new Set(["cancelled"]);
const COMPONENTS = {
  database: "Database",
  broker: "Redis",
  workers: "Workers",
  geo_engine: "Geolocation",
  connection_monitor: "Input",
  sweep: "Sweep",
  disk: "Disk",
  dashboard: "Page",
};
// No input for a while is no illness.
const INPUT_WORDS = { ACTIVE: "active", DEGRADED: "quiet", DEAD: "silent" };

let clockOffset = 0;
let shown = null;
let receivedAt = 0;

/** The server's time in epoch seconds: this machine's clock may be wrong. */
const serverNow = () => Date.now() / 1000 + clockOffset;

const hosts = startHosts(serverNow);
const certificates = startCertificates(serverNow, hosts.open);
const changes = startChanges(serverNow, hosts.open);

follow(show, (trouble) => {
  const since = shown ? `What you see is of ${new Date(receivedAt).toLocaleTimeString()} and no longer kept up to date.` : "Nothing can be shown.";
  setText(byId("trouble"), `${trouble.replace(/\.?$/, ".")} ${since}`);
  byId("trouble").hidden = false;
  setText(byId("overall"), "health unknown");
  dress(byId("overall"), "badge bad");
  document.body.classList.add("old");
  setText(byId("link"), "");
});

setInterval(tick, 1000);

function show(data, how) {
  shown = data;
  receivedAt = Date.now();
  clockOffset = data.timestamp - Date.now() / 1000;
  byId("trouble").hidden = true;
  document.body.classList.remove("old");
  setText(byId("link"), how);
  showTiles(data);
  showConnections(data);
  showThreats(data.geo_intelligence.threat_zones);
  showQueues(data.status.queues);
  showHealth(data.system_health);
  showJobs(data.status);
  showProviders(data.status.providers);
  showWorkers(data.status);
  showInput(data.status);
  showGeodb(data.status);
  hosts.changed(data.status.hosts);
  changes.changed([data.status.hosts, data.status.ports, data.status.domains].join());
  certificates.changed([data.status.certificates, data.status.certificates_expiring, data.status.certificates_expired].join());
  tick();
}

function tick() {
  if (shown) {
    const grown = (Date.now() - receivedAt) / 1000;
    const age = words.age(shown.metrics.buffer_age === null ? null : shown.metrics.buffer_age + grown);
    setText(byId("age"), age.text);
    dress(byId("age"), `badge ${age.level}`);
  }
  const now = serverNow();
  for (const cell of document.querySelectorAll("[data-since]")) {
    setText(cell, words.length(now - Number(cell.dataset.since)));
  }
}

function showTiles(data) {
  const { status, metrics } = data;
  const figures = {
    recent: words.count(metrics.recent_connections),
    connections: words.count(status.connections),
    hosts: words.count(status.hosts),
    ports: words.count(status.ports),
    located: status.geolocation.hosts ? words.share(status.geolocation.coverage) : "–",
    countries: words.count(status.countries),
    domains: words.count(status.domains),
    certificates: words.count(status.certificates),
  };
  for (const [name, text] of Object.entries(figures)) setText(document.querySelector(`[data-figure="${name}"]`), text);
}

function showConnections(data) {
  const live = data.connections;
  const rows = live.length ? live : data.latest_connections;
  const all = data.metrics.recent_connections;
  const note = live.length
    ? `${words.count(all)} in the last minute${all > live.length ? `, the latest ${words.count(live.length)} shown` : ""}`
    : rows.length
      ? "none in the last minute; the latest before that"
      : "";
  setText(byId("connections-note"), note);
  byId("connections-empty").hidden = rows.length > 0;
  showMap(rows, data.geo_intelligence.threat_zones);
  fillRows(byId("connection-rows"), rows.map(connectionRow));
}

function connectionRow(row) {
  const name = row.dst_hostname ? `${row.dst_hostname} ` : "";
  const missing = !row.dst_public ? "not public" : row.geo_failed ? "not found" : "…";
  const country = row.dst_country === "??" ? missing : row.dst_country_name ?? row.dst_country;
  const risk = words.risk(row.scored ? row.threat_score : null);
  return {
    key: row.id,
    cells: [
      { text: words.length(serverNow() - row.timestamp), since: row.timestamp, title: words.moment(row.timestamp), className: "time" },
      { text: words.endpoint(row.src_ip, row.src_port), className: "mono address spare" },
      { text: row.dst_hostname ?? row.dst_ip, title: `${name}${row.dst_ip}`, className: "mono name", click: () => hosts.open(row.dst_ip) },
      { text: `${row.dst_port}/${row.protocol.toLowerCase()}`, className: "mono address" },
      { text: risk.text, className: `risk ${risk.level}` },
      { text: words.place(row.dst_city, country), className: row.dst_country === "??" ? "quiet" : "" },
      { text: row.dst_org ?? "", className: "name spare" },
      { text: row.process ?? "", className: "spare" },
    ],
  };
}

function showThreats(zones) {
  byId("zones-panel").hidden = zones.length === 0;
  fillRows(byId("zone-rows"), zones.map((zone) => ({
    key: where(zone),
    cells: [
      { text: zone.countries.map(words.country).join(", ") || "unknown", className: "name" },
      { text: words.roughly(zone.threat_score), className: `risk ${words.risk(zone.threat_score).level}` },
      { text: words.count(zone.connection_count), className: "number" },
      { text: `${where(zone)}, ${words.count(zone.radius_km)} km`, className: "address" },
    ],
  })));
}

function showQueues(queues) {
  keep(byId("queues"), Object.entries(queues), ([name]) => name, buildQueue, (item, [name, queue]) => {
    const level = words.behind(queue.jobs, queue.minutes_behind);
    const [head, bar, foot] = item.children;
    setText(head.children[0], name);
    setText(head.children[1], words.count(queue.jobs));
    setText(head.children[2], level.text);
    dress(head.children[2], `badge ${level.level}`);
    dress(bar, `bar ${level.level}`);
    bar.firstElementChild.style.setProperty("--part", Math.min(1, Math.log10(1 + queue.jobs) / 5));
    const messages = queue.messages === null ? "messages unknown" : `${words.count(queue.messages)} ${queue.messages === 1 ? "message" : "messages"}`;
    const behind = ` · ${words.length(queue.minutes_behind * 60)} behind`;
    setText(foot, `${messages} · oldest ${words.length(queue.oldest_seconds)} · ${words.count(queue.finished_per_minute)}/min${queue.jobs ? behind : ""}`);
  });
}

function buildQueue() {
  const head = make("p", "line", make("strong"), make("span", "figure"), make("span", "badge"));
  return make("li", "", head, make("div", "bar", make("span")), make("p", "quiet small"));
}

function showHealth(system) {
  const level = system.overall > 0.9 && system.reasons.length === 0 ? "good" : system.overall > 0.5 ? "fair" : "bad";
  setText(byId("overall"), `health ${words.share(system.overall)}`);
  dress(byId("overall"), `badge ${level}`);
  keep(byId("reasons"), system.reasons, (reason) => reason, () => make("li"), setText);
  const order = [...Object.keys(COMPONENTS), ...Object.keys(system.components)];
  const items = [...new Set(order)].filter((name) => name in system.components);
  keep(byId("health"), items, (name) => name, () => make("li", "", make("span", "dot"), make("strong"), make("span"), make("span", "quiet small")), (item, name) => {
    const component = system.components[name];
    const isInput = name === "connection_monitor";
    dress(item.children[0], `dot ${isInput && component.status === "DEAD" ? "none" : words.health(component.status)}`);
    setText(item.children[1], COMPONENTS[name] ?? name);
    setText(item.children[2], isInput ? INPUT_WORDS[component.status] : component.status.toLowerCase());
    const beat = component.last_beat_age;
    setText(item.children[3], beat === null ? "no sign yet" : beat < 1 ? "now" : `${words.length(beat)} ago`);
  });
}

function showJobs(status) {
  const rows = Object.entries(status.jobs).map(([kind, states]) => ({
    key: kind,
    cells: [
      kind,
      ...STATES.map((state) => ({
        text: words.count(states[state] ?? 0),
        className: `${states[state] ? `state-${state}` : "zero"}${SPARE_STATES.has(state) ? " spare" : ""}`,
      })),
      { text: words.count(status.queues[kind]?.finished_per_minute ?? 0), className: "spare" },
    ],
  }));
  fillRows(byId("job-rows"), rows);
  const waiting = Object.values(status.queues).reduce((sum, queue) => sum + queue.jobs, 0);
  const { observations, seconds } = status.scoring;
  const behind = seconds > LATE_SECONDS
    ? ` · scoring is ${words.length(seconds)} behind, ${words.count(observations)} connections`
    : "";
  setText(byId("jobs-note"), (waiting ? `${words.count(waiting)} to do` : "nothing left to do") + behind);
}

function showProviders(providers) {
  fillRows(byId("provider-rows"), Object.entries(providers).map(([name, provider]) => ({
    key: name,
    cells: [
      name,
      { text: provider.remaining === null ? "–" : words.count(provider.remaining), className: "number" },
      { text: words.length(provider.resets_in), className: "number" },
      provider.open
        ? { text: `not asked: ${provider.reason ?? "failures"}`, className: "bad-text" }
        : { text: "ready", className: "good-text" },
    ],
  })));
}

function showWorkers(status) {
  const empty = byId("workers-empty");
  empty.hidden = status.workers.length > 0 && status.broker === null;
  setText(empty, status.broker ?? "No worker answers; jobs wait in the ledger.");
  fillRows(byId("worker-rows"), status.workers.map((worker) => ({
    key: worker.name,
    cells: [
      { text: worker.name, className: "mono name" },
      { text: worker.alive ? "alive" : "gone", className: worker.alive ? "good-text" : "bad-text" },
      worker.queues.join(", "),
    ],
  })));
}

function showInput(status) {
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
      { text: words.length(serverNow() - reject.arrived_at), since: reject.arrived_at, className: "time" },
      { text: reject.source, className: "name", title: reject.source },
      { text: words.count(reject.position), className: "number" },
      reject.reason,
    ],
  })));
}

function showGeodb(status) {
  const databases = status.geodb.map((each) => `${each.title}, ${words.length(each.age_days * 86400)} old${each.old ? " (too old)" : ""}`);
  const owed = new Set(status.geodb.map((each) => each.attribution).filter(Boolean));
  setText(byId("geodb"), [...databases, ...owed].join(" · ") || (status.geodb_trouble ?? ""));
}
