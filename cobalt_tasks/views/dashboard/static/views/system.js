// The system: queues, jobs, health, geolocation providers, workers and databases.

import { byId, dress, fillRows, fromTemplate, keep, make, setText } from "/static/dom.js";
import { startSetup } from "/static/views/system_setup.js";
import * as words from "/static/words.js";

const STATES = ["pending", "sent", "running", "done", "failed", "dead", "cancelled"];
// Scoring leaves the newest seconds to its next round.
const LATE_SECONDS = 30;
const SOURCES_SHOWN = 8;
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

export const title = () => "System";

export function mount(container, state, tools) {
  container.append(fromTemplate("system-template"));
  const setup = startSetup();
  return {
    show(data) {
      showQueues(data.status.queues);
      showHealth(data.system_health);
      showJobs(data.status);
      showLag(data.status, tools.serverNow());
      setup.refresh();
      showProviders(data.status.providers);
      showWorkers(data.status);
      showGeodb(data.status);
    },
  };
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
  setText(byId("jobs-note"), waiting ? `${words.count(waiting)} to do` : "nothing left to do");
}

function showLag(status, now) {
  const { observations, seconds } = status.scoring;
  const isLate = seconds > LATE_SECONDS;
  const scoring = {
    key: "scoring",
    cells: [
      { text: "Scoring", className: "name" },
      { text: isLate ? words.length(seconds) : "–", className: "number" },
      isLate ? { text: `behind: ${words.many(observations, "connection")} to look at`, className: "state-failed" } : { text: "up to date", className: "good-text" },
    ],
  };
  const newest = [...status.sources].sort((one, other) => other.updated_at - one.updated_at).slice(0, SOURCES_SHOWN);
  const rows = newest.map((source) => ({
    key: `source ${source.name} ${source.generation}`,
    cells: [
      { text: source.name, className: "name" },
      { text: words.length(now - source.updated_at), since: source.updated_at, title: words.moment(source.updated_at), className: "number" },
      { text: `${words.count(source.read)} read, ${words.count(source.rejected)} refused`, className: "quiet" },
    ],
  }));
  fillRows(byId("lag-rows"), [scoring, ...rows]);
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

function showGeodb(status) {
  const databases = status.geodb.map((each) => `${each.title}, ${words.length(each.age_days * 86400)} old${each.old ? " (too old)" : ""}`);
  const owed = new Set(status.geodb.map((each) => each.attribution).filter(Boolean));
  setText(byId("geodb"), [...databases, ...owed].join(" · ") || (status.geodb_trouble ?? ""));
}
