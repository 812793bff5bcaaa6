// The map: all located hosts in clusters, own sites, the connections between these and countries, and threat zones. It is
// moved and zoomed with the mouse, with keys and with its buttons; the list below it has the same in words.

import { ask } from "/static/api.js";
import { fillRows, keep, setText } from "/static/dom.js";
import { both, term } from "/static/query.js";
import { href } from "/static/router.js";
import { svg, write } from "/static/svg.js";
import { count, country, length } from "/static/words.js";
import { showZones } from "/static/zones.js";

const WORLD = { x: -180, y: -85, width: 360, height: 145 };
const DEEPEST = 6;
const STEP = 0.25;
const LISTED = 50;
const WAIT_MILLISECONDS = 150;
const FLOWS_DRAWN = 60;

/**
 * Start the map in the panel `root` (of index.html's template). `tools` are the shell's; `onMove(text)` is called with where
 * the map is when that has changed, as `place` of the address has it. Returns `{load, show, goTo}`.
 */
export function startMap(root, tools, onMove) {
  const find = (name) => root.querySelector(`[data-map="${name}"]`);
  const picture = root.querySelector("#map");
  let zoom = 0;
  let middle = { x: 0, y: -12.5 };
  let hours = 24;
  let zones = [];
  let world = null;
  let asked = 0;
  let timer = null;

  const box = () => {
    const width = WORLD.width / 2 ** zoom;
    const height = WORLD.height / 2 ** zoom;
    const x = Math.min(WORLD.x + WORLD.width - width, Math.max(WORLD.x, middle.x - width / 2));
    const y = Math.min(WORLD.y + WORLD.height - height, Math.max(WORLD.y, middle.y - height / 2));
    return { x, y, width, height };
  };
  const pixel = () => box().width / (picture.getBoundingClientRect().width || 360);

  const move = (to, isSaved = true) => {
    zoom = Math.min(DEEPEST, Math.max(0, to.zoom ?? zoom));
    middle = { x: to.x ?? middle.x, y: to.y ?? middle.y };
    const seen = box();
    middle = { x: seen.x + seen.width / 2, y: seen.y + seen.height / 2 };
    draw();
    clearTimeout(timer);
    timer = setTimeout(load, WAIT_MILLISECONDS);
    if (isSaved) onMove(zoom ? [(-middle.y).toFixed(2), middle.x.toFixed(2), zoom].join(",") : "");
  };

  async function load() {
    const number = ++asked;
    const seen = box();
    const side = (value, most) => Math.max(-most, Math.min(most, value)).toFixed(4);
    const sides = { south: side(-(seen.y + seen.height), 90), north: side(-seen.y, 90), west: side(seen.x, 180), east: side(seen.x + seen.width, 180) };
    const found = await ask(href("/api/map", { ...sides, zoom: String(zoom), hours }));
    if (number !== asked) return;
    if (found.error) return setText(find("note"), found.error);
    world = found;
    draw();
    return undefined;
  }

  function draw() {
    const seen = box();
    write(picture, { viewBox: `${seen.x} ${seen.y} ${seen.width} ${seen.height}` });
    drawLand(find("land"), seen);
    drawZones();
    find("in").disabled = zoom === DEEPEST;
    find("out").disabled = zoom === 0;
    if (!world) return;
    const size = pixel();
    const into = { tools, size, zoomTo };
    drawFlows(find("flows"), world, into);
    drawClusters(find("clusters"), world.clusters, into);
    drawSites(find("sites"), world.sites.filter((site) => site.latitude !== null), into);
    list(find("rows"), find("flow-rows"), world, into);
    find("flow-list").hidden = world.flows.length === 0;
  }

  /** Draw what the live feed has, and the note, which has the number of zones. */
  function drawZones() {
    showZones(root.querySelector("#zones"), zones, pixel(), box());
    if (world) setText(find("note"), noteOf(world, zones, tools.serverNow(), zoom));
  }

  /** Go nearer to a cluster; at the deepest, to its hosts. */
  function zoomTo(cluster) {
    const to = target(cluster);
    if (zoom >= DEEPEST || isOnePlace(cluster)) return tools.go(to);
    move({ zoom: zoom + (zoom < 2 ? 2 : 1), x: cluster.longitude, y: -cluster.latitude });
    picture.focus();
    return undefined;
  }

  listen(picture, { move, box, zoom: () => zoom, middle: () => middle });
  find("in").addEventListener("click", () => move({ zoom: zoom + 1 }));
  find("out").addEventListener("click", () => move({ zoom: zoom - 1 }));
  find("whole").addEventListener("click", () => move({ zoom: 0 }));
  new ResizeObserver(draw).observe(picture);
  return {
    load: (newHours) => {
      hours = newHours;
      return load();
    },
    show: (newZones) => {
      zones = newZones;
      drawZones();
    },
    /** Go to a place of the address: latitude,longitude,zoom; "" is the whole world. */
    goTo: (place) => {
      const [latitude, longitude, level] = place.split(",").map(Number);
      if ([latitude, longitude, level].every(Number.isFinite)) move({ zoom: Math.round(level), x: longitude, y: -latitude }, false);
      else move({ zoom: 0 }, false);
    },
  };
}

/** The keys and the mouse. */
function listen(picture, { move, box, zoom, middle }) {
  const keys = {
    ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
  };
  picture.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const seen = box();
    if (keys[event.key]) {
      const [right, down] = keys[event.key];
      move({ x: middle().x + right * seen.width * STEP, y: middle().y + down * seen.height * STEP });
    } else if (event.key === "+" || event.key === "=") move({ zoom: zoom() + 1 });
    else if (event.key === "-") move({ zoom: zoom() - 1 });
    else if (event.key === "0") move({ zoom: 0 });
    else return;
    event.preventDefault();
  });
  let held = null;
  picture.addEventListener("pointerdown", (event) => {
    if (event.button === 0) held = { x: event.clientX, y: event.clientY, from: middle(), moved: false };
  });
  picture.addEventListener("pointermove", (event) => {
    if (!held) return;
    const size = box().width / picture.getBoundingClientRect().width;
    const [right, down] = [event.clientX - held.x, event.clientY - held.y];
    if (!held.moved && Math.hypot(right, down) < 4) return;
    if (!held.moved) picture.setPointerCapture(event.pointerId);
    held.moved = true;
    move({ x: held.from.x - right * size, y: held.from.y - down * size });
  });
  const end = () => {
    held = null;
  };
  picture.addEventListener("pointerup", end);
  picture.addEventListener("pointercancel", end);
  picture.addEventListener("dblclick", (event) => {
    const seen = box();
    const frame = picture.getBoundingClientRect();
    move({
      zoom: zoom() + 1,
      x: seen.x + ((event.clientX - frame.left) / frame.width) * seen.width,
      y: seen.y + ((event.clientY - frame.top) / frame.height) * seen.height,
    });
  });
  // The wheel alone moves the page.
  picture.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    move({ zoom: zoom() + (event.deltaY < 0 ? 1 : -1) });
  }, { passive: false });
}

/** The land is a mask that is as large as the whole world, of which a part is seen. */
function drawLand(land, seen) {
  const [across, down] = [WORLD.width / seen.width, WORLD.height / seen.height];
  const part = (from, start, whole, size) => (whole === size ? 0 : ((from - start) / (whole - size)) * 100);
  const place = `${part(seen.x, WORLD.x, WORLD.width, seen.width)}% ${part(seen.y, WORLD.y, WORLD.height, seen.height)}%`;
  for (const prefix of ["", "-webkit-"]) {
    land.style.setProperty(`${prefix}mask-size`, `${across * 100}% ${down * 100}%`);
    land.style.setProperty(`${prefix}mask-position`, place);
  }
}

function drawClusters(layer, clusters, into) {
  const largest = Math.max(1, ...clusters.map((cluster) => cluster.hosts));
  keep(layer, clusters, keyOf, () => button(into, svg("circle"), svg("text")), (group, cluster) => {
    const [title, circle, label] = group.children;
    const r = (4 + 12 * Math.sqrt(Math.log1p(cluster.hosts) / Math.log1p(largest)) * (cluster.hosts > 1 ? 1 : 0.3)) * into.size;
    write(circle, { cx: cluster.longitude, cy: -cluster.latitude, r });
    const text = cluster.hosts > 9 ? short(cluster.hosts) : "";
    setText(label, text.length * 6.5 * into.size < 2 * r ? text : "");
    write(label, { x: cluster.longitude, y: -cluster.latitude + 3.5 * into.size, "font-size": 10 * into.size });
    setText(title, `${hostsOf(cluster.hosts)}: ${placeOf(cluster)}`);
    write(group, { "aria-label": title.textContent });
    group.act = () => into.zoomTo(cluster);
  });
}

function drawSites(layer, sites, into) {
  keep(layer, sites, (site) => site.name, () => button(into, svg("rect"), svg("text")), (group, site) => {
    const [title, mark, label] = group.children;
    const half = 5 * into.size;
    write(mark, { x: site.longitude - half, y: -site.latitude - half, width: 2 * half, height: 2 * half, transform: `rotate(45 ${site.longitude} ${-site.latitude})` });
    write(label, { x: site.longitude, y: -site.latitude + 2.2 * half + 8 * into.size, "font-size": 11 * into.size, "stroke-width": 3 * into.size });
    setText(label, site.name);
    setText(title, `Own site ${site.name}: ${site.networks.join(", ")}`);
    write(group, { "aria-label": title.textContent });
    group.act = () => into.tools.go(href("/hosts", { q: term("site", site.name) }));
  });
}

function drawFlows(layer, world, into) {
  const places = new Map(world.sites.map((site) => [site.name, site]));
  const drawn = world.flows
    .filter((flow) => flow.latitude !== null && (places.get(flow.site)?.latitude ?? null) !== null)
    .slice(0, FLOWS_DRAWN);
  const most = Math.max(1, ...drawn.map((flow) => flow.connections));
  keep(layer, drawn, (flow) => `${flow.country} ${flow.site}`, () => {
    const line = svg("path", {}, svg("title"));
    line.addEventListener("click", () => line.act());
    return line;
  }, (line, flow) => {
    const site = places.get(flow.site);
    const [x1, y1, x2, y2] = [site.longitude, -site.latitude, flow.longitude, -flow.latitude];
    // Bent upwards, so that the ways there and back of neighbours lie apart.
    const bend = 0.18 * Math.hypot(x2 - x1, y2 - y1);
    write(line, { d: `M${x1},${y1} Q${(x1 + x2) / 2},${(y1 + y2) / 2 - bend} ${x2},${y2}`, "stroke-width": 1 + 4 * (Math.log1p(flow.connections) / Math.log1p(most)) });
    setText(line.firstElementChild, `${flow.site} and ${nameOf(flow.country)}: ${connections(flow.connections)}`);
    line.act = () => into.tools.go(flowTarget(flow));
  });
}

/** A mark that acts on a click and on Enter. */
function button(into, ...children) {
  const group = svg("g", { role: "button", tabindex: "0" }, svg("title"), ...children);
  group.addEventListener("click", () => group.act());
  group.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    group.act();
  });
  return group;
}

/** What the map shows, as rows of tables. */
function list(rows, flowRows, world, into) {
  fillRows(rows, world.clusters.slice(0, LISTED).map((cluster) => ({
    key: keyOf(cluster),
    cells: [{ text: placeOf(cluster), className: "name", href: target(cluster) }, { text: count(cluster.hosts), className: "number" }],
  })));
  fillRows(flowRows, world.flows.slice(0, LISTED).map((flow) => ({
    key: `${flow.country} ${flow.site}`,
    cells: [
      flow.site ? { text: flow.site, className: "name", href: href("/hosts", { q: term("site", flow.site) }) } : { text: "outside of own sites", className: "name quiet" },
      { text: nameOf(flow.country), className: "name", href: flowTarget(flow) },
      { text: count(flow.connections), className: "number" },
    ],
  })));
}

const keyOf = ({ box }) => `${box.south} ${box.west} ${box.north}`;
const hostsOf = (number) => `${count(number)} ${number === 1 ? "host" : "hosts"}`;
const connections = (number) => `${count(number)} ${number === 1 ? "connection" : "connections"}`;
const nameOf = (code) => (code === "??" || !code ? "unknown country" : country(code));
const short = (number) => (number < 1000 ? String(number) : number < 1e6 ? `${Math.round(number / 1000)}k` : `${(number / 1e6).toFixed(1)}M`);

/** Nearer by, nothing would come apart. */
const isOnePlace = (cluster) => cluster.city !== null && cluster.countries.length === 1;

function placeOf(cluster) {
  if (isOnePlace(cluster)) return `${cluster.city}, ${nameOf(cluster.countries[0][0])}`;
  return cluster.countries.map(([code, number]) => (cluster.countries.length > 1 ? `${nameOf(code)} ${count(number)}` : nameOf(code))).join(", ");
}

/** The address of a cluster's hosts: its city, or the country most are in. */
function target(cluster) {
  const code = cluster.countries[0][0];
  const query = code ? term("country", code) : "";
  return href("/hosts", { q: cluster.city ? both(query, term("city", cluster.city)) : query });
}

function flowTarget(flow) {
  const query = flow.country === "??" ? "" : term("country", flow.country);
  return href("/connections", { q: flow.site ? both(query, term("site", flow.site)) : query });
}

function noteOf(world, zones, now, zoom) {
  if (!world.is_counted) return "The hosts of this large ledger are counted for the first time: the map follows within minutes.";
  const shown = world.clusters.reduce((sum, cluster) => sum + cluster.hosts, 0);
  const notes = [world.hosts ? `${hostsOf(world.hosts)}${zoom ? " here" : ""}${shown < world.hosts ? `, the largest groups shown (${count(shown)})` : ""}` : zoom ? "no hosts here" : "no located hosts yet"];
  if (world.unplaced) notes.push(`${count(world.unplaced)} more with a country only`);
  if (world.counted_at) notes.push(`counted ${length(now - world.counted_at)} ago`);
  if (zones.length) notes.push(`${count(zones.length)} threat ${zones.length === 1 ? "zone (ring, with its risk)" : "zones (rings, with their risk)"}`);
  return notes.join(", ");
}

