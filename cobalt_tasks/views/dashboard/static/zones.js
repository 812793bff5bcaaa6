// Rings around threat zones on the map, heavier where the score is higher; beside each is its score, where there is room.

import { keep, setText } from "/static/dom.js";
import { svg, write } from "/static/svg.js";
import { count, country, roughly } from "/static/words.js";

const KM_PER_DEGREE = 111.2;
// In pixels: 50 km would be one of them.
const SMALLEST_RING = 9;
const LABEL = { width: 30, height: 13 };

/** Show threat zones in the group `layer`, the highest score first; `pixel`: its width in degrees; `box`: what is seen. */
export function showZones(layer, zones, pixel, box) {
  const rings = zones.map((zone) => ring(zone, pixel));
  const taken = rings.map(({ x, y, r }) => ({ x: x - r, y: y - r, width: 2 * r, height: 2 * r }));
  keep(layer, rings, ({ zone }) => where(zone), () => svg("g", {}, svg("title"), svg("circle"), svg("text")), (group, { zone, x, y, r }) => {
    const [title, circle, label] = group.children;
    const score = roughly(zone.threat_score);
    write(circle, { cx: x, cy: y, r, "stroke-width": 1 + 3 * zone.threat_score, "fill-opacity": 0.05 + 0.3 * zone.threat_score });
    const place = beside(x, y, r, pixel, box).find((each) => !taken.some((other) => overlap(each, other)));
    if (place) taken.push(place);
    setText(label, place ? score : "");
    if (place) write(label, { x: place.x + place.width / 2, y: place.y + 0.8 * place.height, "font-size": 12 * pixel, "stroke-width": 3 * pixel });
    setText(title, `${score}: ${count(zone.connection_count)} to ${zone.countries.map(country).join(", ") || "unknown"}, around ${where(zone)}`);
  });
}

function ring(zone, pixel) {
  return { zone, x: zone.lon, y: -zone.lat, r: Math.max(zone.radius_km / KM_PER_DEGREE, SMALLEST_RING * pixel) };
}

/** Where a label may stand: right of a ring, left, above, below; and within what is seen. */
function beside(x, y, r, pixel, box) {
  const [width, height] = [LABEL.width * pixel, LABEL.height * pixel];
  const gap = r + pixel;
  const corners = [[x + gap, y - height / 2], [x - gap - width, y - height / 2], [x - width / 2, y - gap - height], [x - width / 2, y + gap]];
  return corners.map(([left, top]) => ({ x: left, y: top, width, height })).filter((each) => each.x >= box.x && each.x + width <= box.x + box.width);
}

const overlap = (one, other) =>
  one.x < other.x + other.width && other.x < one.x + one.width && one.y < other.y + other.height && other.y < one.y + one.height;

/** The middle of a zone, as people write it. */
export const where = ({ lat, lon }) =>
  `${Math.abs(lat).toFixed(1)}°${lat < 0 ? "S" : "N"} ${Math.abs(lon).toFixed(1)}°${lon < 0 ? "W" : "E"}`;
