// The overview: figures, where connections go, threat zones, and the connections that arrive.

import { byId, fillRows, fromTemplate, setText } from "/static/dom.js";
import { showMap, where } from "/static/map.js";
import { href, hostPath } from "/static/router.js";
import * as words from "/static/words.js";

export const title = () => "Overview";

export function mount(container, state, tools) {
  container.append(fromTemplate("overview-template"));
  return {
    show(data) {
      showTiles(data);
      showConnections(data, tools.serverNow());
      showThreats(data.geo_intelligence.threat_zones);
    },
  };
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

function showConnections(data, now) {
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
  fillRows(byId("connection-rows"), rows.map((row) => connectionRow(row, now)));
}

function connectionRow(row, now) {
  const name = row.dst_hostname ? `${row.dst_hostname} ` : "";
  const missing = !row.dst_public ? "not public" : row.geo_failed ? "not found" : "…";
  const country = row.dst_country === "??" ? missing : row.dst_country_name ?? row.dst_country;
  const risk = words.risk(row.scored ? row.threat_score : null);
  return {
    key: row.id,
    cells: [
      { text: words.length(now - row.timestamp), since: row.timestamp, title: words.moment(row.timestamp), className: "time" },
      { text: words.endpoint(row.src_ip, row.src_port), className: "mono address spare", href: hostPath(row.src_ip) },
      { text: row.dst_hostname ?? row.dst_ip, title: `${name}${row.dst_ip}`, className: "mono name", href: hostPath(row.dst_ip) },
      { text: `${row.dst_port}/${row.protocol.toLowerCase()}`, className: "mono address", href: href("/connections", { q: `port:${row.dst_port}` }) },
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
