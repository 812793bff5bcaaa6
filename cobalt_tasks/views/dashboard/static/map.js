// Dots where connections go, larger where more do.

import { byId, keep, say } from "/static/dom.js";
import { count, place } from "/static/words.js";

const SVG = "http://www.w3.org/2000/svg";
const MOST = 300;

/** Show the far ends of connections; 0,0 is a place like any other, unknown is none. */
export function showMap(connections) {
  const places = new Map();
  for (const row of connections) {
    if (row.dst_lat === null || row.dst_lon === null) continue;
    const key = `${row.dst_lat.toFixed(1)} ${row.dst_lon.toFixed(1)}`;
    const known = places.get(key);
    if (known) known.count += 1;
    else places.set(key, { key, row, count: 1 });
  }
  const largest = [...places.values()].sort((a, b) => b.count - a.count).slice(0, MOST);
  say(byId("map-note"), connections.length ? `${count(places.size)} ${places.size === 1 ? "place" : "places"}` : "");
  keep(byId("dots"), largest, (dot) => dot.key, build, (circle, { row, count: number }) => {
    circle.setAttribute("cx", row.dst_lon);
    circle.setAttribute("cy", -row.dst_lat);
    circle.setAttribute("r", Math.min(6, 1.3 + Math.sqrt(number) * 0.6).toFixed(2));
    say(circle.firstElementChild, `${place(row.dst_city, row.dst_country_name ?? row.dst_country)}: ${count(number)}`);
  });
}

function build() {
  const circle = document.createElementNS(SVG, "circle");
  circle.append(document.createElementNS(SVG, "title"));
  return circle;
}
