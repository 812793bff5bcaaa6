// Findings: the rules that found something, and the hosts with what was found on each.

import { ask } from "/static/api.js";
import { anchor, fillRows, make, scrolling, setText } from "/static/dom.js";
import { href, hostPath } from "/static/router.js";
import { term } from "/static/query.js";
import { startTable } from "/static/table.js";
import * as words from "/static/words.js";

const SHOWN = 5;

export const title = (state) => (state.query.get("rule") ? `Findings: ${words.rule(state.query.get("rule"))}` : "Findings");

export function mount(container, state, tools) {
  const rules = startRules(container);
  const table = startTable(container, state, tools, {
    name: "finding",
    title: "Hosts with findings",
    level: "h2",
    about: "What the threat rules found, the riskiest hosts first. A rule counts once for a host, and a score ends at 1.",
    path: "/api/findings",
    target: "hosts",
    example: "country:DE seen:<7d",
    order: "score",
    seconds: 30,
    columns: columns(tools),
    filters: [{ name: "rule", label: "Rule", options: [["", "any"], ...words.RULE_NAMES.map((rule) => [rule, words.rule(rule)])] }],
    request: ({ rule }) => ({ rule: rule || null }),
    narrowed: ({ rule }, query) => [
      ...(rule ? [term("finding", rule)] : []),
      ...(rule && query.get("sort") === "last_seen" ? [] : ["score:>0"]),
    ],
    exported: ({ rule }) => ({ table: "findings", rule: rule || null }),
    facets: ["finding", "country", "port", "service", "org"],
    key: (host) => host.address,
    none: "No host has a finding.",
    noMatch: "No host that matches has a finding.",
  });
  rules.load(state);
  return {
    show: table.show,
    change(next) {
      table.change(next);
      rules.load(next);
    },
  };
}

/** The table of rules, each a link to the hosts that it matched on. */
function startRules(container) {
  const body = make("tbody");
  body.id = "rule-rows";
  const note = make("p", "quiet");
  note.id = "rule-note";
  let asked = 0;
  const head = make("tr", "", ...["Rule", "Severity", "Points", "Hosts"].map((text) => Object.assign(make("th", text === "Rule" || text === "Severity" ? "" : "number", text), { scope: "col" })));
  head.children[1].title = "By the points of the rule: high from 0.3, medium from 0.15, else low";
  head.children[2].title = "What one such finding adds to the score of a host, which goes from 0 to 1";
  const heading = make("h2", "", "By rule");
  container.append(make("h1", "", "Findings"), make("section", "panel rules", make("header", "", heading, note), scrolling("Rules", make("table", "", make("thead", "", head), body))));

  async function load(state) {
    const number = ++asked;
    const query = state.query.get("q") ?? "";
    const answer = await ask(href("/api/findings/rules", { q: query }));
    if (number !== asked) return undefined;
    if (answer.error) return setText(note, answer.status === 422 ? "" : answer.error);
    const least = answer.exact ? "" : "at least ";
    setText(note, answer.items.length ? (query ? "on hosts that match" : "on all hosts") : "No rule found anything.");
    fillRows(body, answer.items.map((each) => {
      const severity = words.severity(each.points);
      return {
        key: each.rule,
        className: state.query.get("rule") === each.rule ? "chosen" : "",
        cells: [
          { text: words.rule(each.rule), href: href("/findings", { q: query, rule: each.rule }) },
          { text: severity.text, className: `risk left ${severity.level}` },
          { text: words.points(each.points), className: "number" },
          { text: `${least}${words.count(each.hosts)}`, className: "number", href: href("/findings", { q: query, rule: each.rule }) },
        ],
      };
    }));
    return undefined;
  }

  return { load };
}

function columns(tools) {
  return [
    { id: "address", title: "Host", cell: (host) => ({ text: host.address, className: "mono address", href: hostPath(host.address) }) },
    {
      id: "score", title: "Score", hint: words.SCORE, className: "number", sort: "score", parameter: { order: "score" },
      cell: (host) => ({ text: words.risk(host.score).text, className: `risk ${words.risk(host.score).level}` }),
    },
    { id: "findings", title: "Findings", fields: ["rule", "subject", "points", "detail", "source", "observed_at"], hint: "With the points that each has by itself", cell: found },
    { id: "country", title: "Country", fields: ["country_code"], cell: (host) => host.country_name ?? host.country_code ?? "" },
    { id: "organisation", title: "Organisation", fields: [], optional: true, cell: (host) => ({ text: host.organisation ?? "", className: "name" }) },
    { id: "names", title: "Names", fields: [], optional: true, cell: (host) => ({ text: words.brief(host.names, 2), title: host.names.join("\n"), className: "mono name" }) },
    {
      id: "last_seen", title: "Seen", fields: [], hint: "How long ago the host was last seen", sort: "last_seen", parameter: { order: "last_seen" },
      cell: (host) => ({ text: words.length(tools.serverNow() - host.last_seen), since: host.last_seen, title: words.moment(host.last_seen), className: "time" }),
    },
  ];
}

function found(host) {
  const shown = host.findings.slice(0, SHOWN).map((each) => `${words.rule(each.rule)}: ${each.detail} (${each.accepted ? "accepted" : words.points(each.points)})`);
  const more = host.findings.length - shown.length;
  return { text: shown.join("\n") + (more > 0 ? `\n+${more}` : ""), className: "name wide lines" };
}
