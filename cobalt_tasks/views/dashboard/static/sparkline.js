// Small charts of counts over time.

import { svg } from "/static/svg.js";
import { count, moment } from "/static/words.js";

const WIDTH = 300;
const HEIGHT = 48;

/**
 * Draw counts into an element: a bar for each span of time from `since` to `until`, `step` seconds long; what is missing in
 * `spans` ([{start, connections}]) is 0. The text in place of the picture has the lowest, the highest and the last count.
 */
export function drawSpans(element, { spans, since, until, step, unit }) {
  const first = Math.floor(since / step);
  const known = new Map(spans.map((span) => [Math.floor(span.start / step), span.connections]));
  const values = [];
  for (let each = first; each <= Math.floor(until / step); each += 1) values.push(known.get(each) ?? 0);
  const most = Math.max(1, ...values);
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", class: "spark", role: "img" });
  const highest = Math.max(...values);
  // The last span is not over yet.
  picture.setAttribute("aria-label", `Connections per ${unit}: ${count(Math.min(...values))} to ${count(highest)}, ${count(values.at(-1))} so far in this ${unit}`);
  const width = WIDTH / values.length;
  values.forEach((value, place) => {
    const height = value ? Math.max(1.5, (value / most) * (HEIGHT - 2)) : 0.5;
    const bar = svg("rect", { x: place * width, y: HEIGHT - height, width: Math.max(0.5, width * 0.82), height, class: place === values.length - 1 ? "now" : "past" });
    const title = svg("title");
    title.textContent = `${moment((first + place) * step)}: ${count(value)} per ${unit}`;
    bar.append(title);
    picture.append(bar);
  });
  element.replaceChildren(picture);
}
