// The overview: seven questions, each in a box of its own with a link to the view that goes deeper; the map, threat zones,
// and the connections that arrive. `hours` (the time range) and `place` (of the map) stand in the address.

import { ask } from "/static/api.js";
import { anchor, byId, fillRows, fromTemplate, refill, setText } from "/static/dom.js";
import { startMap } from "/static/map.js";
import { both, term } from "/static/query.js";
import { href, hostPath } from "/static/router.js";
import { drawSpans } from "/static/sparkline.js";
import { fillLists, showFailure, showStatus } from "/static/views/overview_boxes.js";
import * as words from "/static/words.js";
import { where } from "/static/zones.js";

const RANGES = [["1", "hour"], ["24", "24 hours"], ["168", "7 days"], ["720", "30 days"]];
const USUAL = 24;
const MOST_HOURS = 8784;
const HOUR = 3600;
const CONNECTIONS = 50;
const LISTS_MILLISECONDS = 30_000;
const CONNECTIONS_MILLISECONDS = 4_000;

export const title = () => "Overview";

export function mount(container, state, tools) {
  container.append(fromTemplate("overview-template"));
  const saved = { hours: hoursOf(state), place: state.query.get("place") ?? "" };
  const address = (changed) => {
    const { hours, place } = { ...saved, ...changed };
    return href("/", { hours: hours === USUAL ? null : hours, place });
  };
  const map = startMap(byId("map-panel"), tools, (place) => {
    if (place === saved.place) return;
    saved.place = place;
    tools.go(address({}), { replace: true });
  });
  const recent = startConnections(tools);
  const loadLists = async () => {
    const { hours } = saved;
    const [lists, traffic] = await Promise.all([ask(href("/api/overview", { hours })), askTraffic(hours, tools.serverNow())]);
    if (hours !== saved.hours || !byId("ranges")) return;
    fillLists(lists, hours);
    if (traffic.error) setText(document.querySelector("[data-line=spark]"), traffic.error);
    else showTraffic(traffic, hours);
  };
  const loadAll = () => {
    showRanges(saved.hours, address);
    loadLists();
    map.load(saved.hours);
  };
  byId("range-form").addEventListener("submit", (event) => {
    event.preventDefault();
    tools.go(address({ hours: Number(event.target.elements.hours.value) }));
  });
  if (saved.place) map.goTo(saved.place);
  loadAll();
  const timer = setInterval(() => {
    if (document.hidden) return;
    loadLists();
    map.load(saved.hours);
  }, LISTS_MILLISECONDS);
  return {
    show(data) {
      showTiles(data);
      showStatus(data, tools.serverNow());
      showThreats(data.geo_intelligence.threat_zones);
      map.show(data.geo_intelligence.threat_zones);
      recent.show(data);
    },
    fail: showFailure,
    change(next) {
      const [hours, place] = [hoursOf(next), next.query.get("place") ?? ""];
      if (place !== saved.place) {
        saved.place = place;
        map.goTo(place);
      }
      if (hours === saved.hours) return showRanges(hours, address);
      saved.hours = hours;
      loadAll();
      return undefined;
    },
    unmount: () => clearInterval(timer),
  };
}

function hoursOf(state) {
  const hours = Number(state.query.get("hours") ?? USUAL);
  return hours > 0 && hours <= MOST_HOURS ? hours : USUAL;
}

function showRanges(hours, address) {
  const links = RANGES.map(([value, name]) => {
    const link = anchor(name, address({ hours: Number(value) }), "step");
    if (Number(value) === hours) link.setAttribute("aria-current", "true");
    return link;
  });
  refill(byId("ranges"), ...links);
  byId("range-form").elements.hours.value = hours;
}

/** The length of a bar: of an hour's time range a minute, of some days an hour, of more a day. */
function stepOf(hours) {
  if (hours <= 3) return ["minute", 60];
  return hours <= 24 * 8 ? ["hour", HOUR] : ["day", 24 * HOUR];
}

async function askTraffic(hours, now) {
  const [span] = stepOf(hours);
  return ask(href("/api/traffic", { span, since: now - hours * HOUR, until: now }));
}

function showTraffic(traffic, hours) {
  const [unit, step] = stepOf(hours);
  drawSpans(document.querySelector('[data-spark="flowing"]'), { ...traffic, step, unit });
  const sum = Object.values(traffic.by).reduce((total, number) => total + number, 0);
  const parts = Object.entries(traffic.by).slice(0, 3).map(([name, number]) => `${name} ${words.share(number / sum)}`);
  const rate = sum / (hours * 60);
  const text = sum ? `${words.count(sum)} connections in ${words.hours(hours)}, ${words.rate(rate)} a minute in the mean (${parts.join(", ")})` : `No connections in ${words.hours(hours)}.`;
  setText(document.querySelector('[data-line="spark"]'), text);
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

/**
 * The newest connections: the live feed has their number only, and they are asked for when that has changed, or again after
 * an answer that did not arrive.
 */
function startConnections(tools) {
  let shown = null;
  let askedAt = 0;
  let isAsking = false;
  const fill = async (metrics) => {
    const of = (more) => ask(href("/api/connections", { limit: CONNECTIONS, ...more }));
    let page = metrics.recent_connections ? await of({ seconds: 60 }) : { items: [] };
    const isLive = page.items?.length > 0;
    if (!isLive && !page.error) page = await of({});
    if (!byId("connections-note")) return false;
    if (page.error) {
      setText(byId("connections-note"), page.error);
      return false;
    }
    const all = metrics.recent_connections;
    const few = all > page.items.length ? `, the latest ${words.count(page.items.length)} shown` : "";
    const before = page.items.length ? "none in the last minute; the latest before that" : "";
    setText(byId("connections-note"), isLive ? `${words.count(all)} in the last minute${few}` : before);
    byId("connections-empty").hidden = page.items.length > 0;
    fillRows(byId("connection-rows"), page.items.map((row) => connectionRow(row, tools.serverNow())));
    return true;
  };
  return {
    async show({ metrics }) {
      const now = `${metrics.recent_connections} ${metrics.total_connections}`;
      if (now === shown || isAsking || Date.now() - askedAt < CONNECTIONS_MILLISECONDS) return;
      isAsking = true;
      if (await fill(metrics)) shown = now;
      askedAt = Date.now();
      isAsking = false;
    },
  };
}

function connectionRow(row, now) {
  const name = row.dst_hostname ? `${row.dst_hostname} ` : "";
  const missing = !row.dst_public ? "not public" : row.geo_failed ? "not found" : "…";
  const country = row.dst_country === "??" ? missing : row.dst_country_name ?? row.dst_country;
  const risk = words.risk(row.scored ? row.threat_score : null);
  const find = (field, value) => href("/connections", { q: term(field, value) });
  return {
    key: row.id,
    cells: [
      { text: words.length(now - row.timestamp), since: row.timestamp, title: words.moment(row.timestamp), className: "time" },
      { text: words.endpoint(row.src_ip, row.src_port), className: "mono address spare", href: hostPath(row.src_ip) },
      { text: row.dst_hostname ?? row.dst_ip, title: `${name}${row.dst_ip}`, className: "mono name", href: hostPath(row.dst_ip) },
      { text: `${row.dst_port}/${row.protocol.toLowerCase()}`, className: "mono address", href: find("port", row.dst_port) },
      { text: risk.text, className: `risk ${risk.level}` },
      row.dst_country === "??"
        ? { text: words.place(row.dst_city, country), className: "quiet" }
        : { text: words.place(row.dst_city, country), href: href("/connections", { q: row.dst_city ? both(term("country", row.dst_country), term("city", row.dst_city)) : term("country", row.dst_country) }) },
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
