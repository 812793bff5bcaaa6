// One host in full: who and where, what speaks against it, and every list about it, page by page.

import { ask } from "/static/api.js";
import { anchor, make, setText } from "/static/dom.js";
import { href } from "/static/router.js";
import { reasons } from "/static/views/host_findings.js";
import { sections } from "/static/views/host_lists.js";
import { both, term } from "/static/query.js";
import * as words from "/static/words.js";

export const title = (state) => state.address;

export function mount(container, state, tools) {
  const heading = make("h1", "mono address", state.address);
  heading.id = "host-title";
  const note = make("p", "quiet");
  note.setAttribute("role", "status");
  setText(note, "Loading …");
  const again = make("button", "", "Load again");
  again.type = "button";
  again.addEventListener("click", load);
  const body = make("div", "host");
  body.id = "host-body";
  container.append(make("section", "panel", make("header", "", heading, note, again), body));

  async function load() {
    const api = `/api/hosts/${encodeURIComponent(state.address)}`;
    const [host, traffic, changes] = await Promise.all([ask(api), ask(`${api}/traffic`), ask(href("/api/changes", { host: state.address, limit: 100 }))]);
    if (host.error) {
      setText(note, "");
      const search = anchor("Search for it", href("/hosts", { q: state.address }));
      return body.replaceChildren(make("p", "empty", `${host.error} `, host.status === 0 ? "" : search));
    }
    setText(note, `as of ${words.time(new Date())}`);
    const lists = sections(host, traffic, changes, tools);
    body.replaceChildren(facts(host), jumps(lists), ...reasons(host), ...lists.flatMap((each) => each.elements));
    const wanted = location.hash ? document.getElementById(location.hash.slice(1)) : null;
    wanted?.scrollIntoView();
    return undefined;
  }

  load();
  return {};
}

/** Who it is, and where. */
function facts(host) {
  const missing = new Map(host.not_checked.map((each) => [each.check, each.reason]));
  const place = words.place(host.city, host.region, host.country_name ?? host.country_code);
  const find = (field, value, text) => anchor(text, href("/hosts", { q: term(field, value) }));
  const own = host.own_network;
  const at = own && own.latitude !== null ? own : host;
  const rows = [
    ["Names", host.hostnames.length ? words.brief([...new Set(host.hostnames.map((name) => name.name))], 5) : null],
    ["Site", own && make("span", "", find("site", own.name, own.name), own.owner && ` · ${own.owner}`, ...own.tags.flatMap((tag) => [" · ", find("tag", tag, tag)])), "From networks.toml"],
    ["Place", place ? (host.country_code ? find("country", host.country_code, place) : place) : missing.has("location") ? `not checked: ${missing.get("location")}` : "unknown"],
    ["Coordinates", at.latitude === null ? null : `${at.latitude.toFixed(4)}, ${at.longitude.toFixed(4)}`],
    ["Network", host.asn === null ? words.place(host.organisation, host.isp) : find("asn", host.asn, words.place(`AS${host.asn}`, host.organisation, host.isp)), words.ASN],
    ["Located by", host.provider ? `${host.provider}, ${words.moment(host.located_at)}` : null],
    ["First seen", words.moment(host.first_seen)],
    ["Last seen", words.moment(host.last_seen)],
    ["Met", host.discovered ? "a scan reported it" : "in traffic, or looked up", "Only what a scan reports, or what lies in the scope, is probed"],
  ];
  const list = make("dl");
  for (const [name, value, hint] of rows) {
    if (!value) continue;
    const key = make("dt", "", name);
    if (hint) key.title = hint;
    list.append(key, make("dd", "", value));
  }
  return list;
}

/** Links to the lists below, each with its number. */
function jumps(lists) {
  const links = lists.filter((each) => each.total).map((each) => anchor(`${each.title} ${each.least ?? ""}${words.count(each.total)}`, `#${each.id}`));
  const nav = make("nav", "jumps", ...links.flatMap((link) => [link, " "]));
  nav.setAttribute("aria-label", "On this page");
  return nav;
}

/** All connections of a host, in their own view. */
export const connectionsOf = (address, more = "") => href("/connections", { q: more ? both(term("net", address), more) : term("net", address) });
