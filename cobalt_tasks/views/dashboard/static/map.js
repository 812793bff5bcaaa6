// Dots where connections go, larger where more do; rings around threat zones, heavier where the score is higher.

import { byId, keep, setText } from "/static/dom.js";
import { count, country, place, roughly } from "/static/words.js";

const SVG = "http://www.w3.org/2000/svg";
const MOST = 300;
const KM_PER_DEGREE = 111.2;
// In pixels: 50 km would be one of them.
const SMALLEST_RING = 9;
const LABEL = { width: 30, height: 13 };

/** Show the far ends of connections, and threat zones; 0,0 is a place like any other, unknown is none. */
export function showMap(connections, zones) {
  const places = new Map();
  for (const row of connections) {
    if (row.dst_lat === null || row.dst_lon === null) continue;
    const key = `${row.dst_lat.toFixed(1)} ${row.dst_lon.toFixed(1)}`;
    const known = places.get(key);
    if (known) known.count += 1;
    else places.set(key, { key, row, count: 1 });
  }
  showZones(zones);
  const largest = [...places.values()].sort((a, b) => b.count - a.count).slice(0, MOST);
  const notes = [];
  if (connections.length) notes.push(`${count(places.size)} ${places.size === 1 ? "place" : "places"}`);
  if (zones.length) notes.push(`${count(zones.length)} threat ${zones.length === 1 ? "zone (ring, with its risk)" : "zones (rings, with their risk)"}`);
  setText(byId("map-note"), notes.join(", "));
  keep(byId("dots"), largest, (dot) => dot.key, buildDot, (circle, { row, count: number }) => {
    circle.setAttribute("cx", row.dst_lon);
    circle.setAttribute("cy", -row.dst_lat);
    circle.setAttribute("r", Math.min(6, 1.3 + Math.sqrt(number) * 0.6).toFixed(2));
    setText(circle.firstElementChild, `${place(row.dst_city, row.dst_country_name ?? row.dst_country)}: ${count(number)}`);
  });
}

/** Show threat zones, the highest score first; beside each ring is its score, where there is room for it. */
function showZones(zones) {
  const pixel = 360 / (byId("map").getBoundingClientRect().width || 360);
  const rings = zones.map((zone) => ring(zone, pixel));
  const taken = rings.map(({ x, y, r }) => ({ x: x - r, y: y - r, width: 2 * r, height: 2 * r }));
  keep(byId("zones"), rings, ({ zone }) => where(zone), buildZone, (group, { zone, x, y, r }) => {
    const [title, circle, label] = group.children;
    const score = roughly(zone.threat_score);
    write(circle, { cx: x, cy: y, r, "stroke-width": 1 + 3 * zone.threat_score, "fill-opacity": 0.05 + 0.3 * zone.threat_score });
    const box = beside(x, y, r, pixel).find((place) => !taken.some((other) => overlap(place, other)));
    if (box) taken.push(box);
    setText(label, box ? score : "");
    if (box) write(label, { x: box.x + box.width / 2, y: box.y + 0.8 * box.height, "font-size": 12 * pixel, "stroke-width": 3 * pixel });
    setText(title, `${score}: ${count(zone.connection_count)} to ${zone.countries.map(country).join(", ") || "unknown"}, around ${where(zone)}`);
  });
}

function ring(zone, pixel) {
  return { zone, x: zone.lon, y: -zone.lat, r: Math.max(zone.radius_km / KM_PER_DEGREE, SMALLEST_RING * pixel) };
}

/** Where a label may stand: right of a ring, left, above, below; and within the map. */
function beside(x, y, r, pixel) {
  const [width, height] = [LABEL.width * pixel, LABEL.height * pixel];
  const gap = r + pixel;
  const corners = [[x + gap, y - height / 2], [x - gap - width, y - height / 2], [x - width / 2, y - gap - height], [x - width / 2, y + gap]];
  return corners.map(([left, top]) => ({ x: left, y: top, width, height })).filter((box) => box.x >= -180 && box.x + width <= 180);
}

const overlap = (one, other) =>
  one.x < other.x + other.width && other.x < one.x + one.width && one.y < other.y + other.height && other.y < one.y + one.height;

/** The middle of a zone, as people write it. */
export const where = ({ lat, lon }) =>
  `${Math.abs(lat).toFixed(1)}°${lat < 0 ? "S" : "N"} ${Math.abs(lon).toFixed(1)}°${lon < 0 ? "W" : "E"}`;

function buildDot() {
  return build("circle", build("title"));
}

function buildZone() {
  return build("g", build("title"), build("circle"), build("text"));
}

function write(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}

function build(tag, ...children) {
  const element = document.createElementNS(SVG, tag);
  element.append(...children);
  return element;
}
