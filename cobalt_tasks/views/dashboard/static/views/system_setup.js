// What changes rarely: disk space, what the settings mean, and where Flower is. Asked for every half minute.

import { ask } from "/static/api.js";
import { byId, dress, keep, make, setText } from "/static/dom.js";
import * as words from "/static/words.js";

const SECONDS = 30;

/** Load what is set up into the system's view; `refresh()` loads it again once it is old. */
export function startSetup() {
  let loadedAt = 0;

  async function refresh() {
    if (Date.now() - loadedAt < SECONDS * 1000) return;
    loadedAt = Date.now();
    const answer = await ask("/api/setup");
    // Another view may have been opened in the meantime.
    if (byId("setup")) show(answer);
  }

  refresh();
  return { refresh };
}

function show(answer) {
  const empty = byId("disks-empty");
  empty.hidden = !answer.error && answer.disks.length > 0;
  setText(empty, answer.error ?? "The space on this machine's disks cannot be found out.");
  if (answer.error) return;
  keep(byId("disks"), answer.disks, (disk) => disk.folder, buildDisk, (item, disk) => showDisk(item, disk, answer));
  byId("setup").replaceChildren(...answer.items.flatMap((each) => [make("dt", "", each.about), make("dd", "", each.text)]));
  const flower = byId("flower");
  flower.hidden = answer.flower_port === null;
  if (!flower.hidden) flower.href = `${location.protocol}//${location.hostname}:${answer.flower_port}/`;
  flower.title = "Flower shows the workers, their tasks and their messages; it has a page of its own";
}

function buildDisk() {
  const head = make("p", "line", make("strong", "mono name"), make("span", "figure"), make("span", "badge"));
  return make("li", "", head, make("div", "bar", make("span")), make("p", "quiet small"));
}

function showDisk(item, disk, { low, full }) {
  const [head, bar, foot] = item.children;
  const [level, text] = disk.free < full ? ["bad", "full"] : disk.free < low ? ["fair", "low"] : ["good", "enough"];
  setText(head.children[0], disk.folder);
  setText(head.children[1], `${words.bytes(disk.free)} free`);
  setText(head.children[2], text);
  dress(head.children[2], `badge ${level}`);
  dress(bar, `bar ${level}`);
  bar.firstElementChild.style.setProperty("--part", 1 - disk.free / disk.total);
  setText(foot, `${words.share(1 - disk.free / disk.total)} of ${words.bytes(disk.total)} is used`);
}
