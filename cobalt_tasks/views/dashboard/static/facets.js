// Facets: how the rows that match are spread over the values of some fields; each value narrows the query.

import { ask } from "/static/api.js";
import { anchor, make, refill, setText } from "/static/dom.js";
import { both, term } from "/static/query.js";
import * as words from "/static/words.js";

const SHOWN = 10;
const TITLES = {
  country: ["Country", "Where the host is, by the geolocation databases and providers"],
  port: ["Port", "The number of an open port"],
  service: ["Service", "What runs on the port: ssh, https, …"],
  product: ["Product", "The program that runs on the port, as it shows itself"],
  asn: ["ASN", "Number of the autonomous system: the network operator that announces the address"],
  org: ["Organisation", "Who the address belongs to"],
  finding: ["Finding", "A threat rule that matched on the host"],
  process: ["Process", "The program on this machine that has the connection"],
  "cert.issuer": ["Issuer", "Who signed the certificate"],
};

/**
 * Return `{aside, load(query, narrowed)}`: the values are counted in what `narrowed` finds, and their links narrow `query`.
 * `load` calls back `onTotal({count, exact})`, null where it is not known. `now()`: the server's time.
 */
export function startFacets(target, fields, hrefOf, onTotal, now) {
  const aside = make("aside", "facets");
  aside.setAttribute("aria-label", "Narrow down");
  const note = make("p", "quiet small");
  const groups = make("div");
  aside.append(note, groups);
  let known = null;
  let asked = 0;

  async function load(query, narrowed) {
    if (known?.query === query && known.narrowed === narrowed) return show();
    known = { query, narrowed, answer: null };
    const number = ++asked;
    aside.setAttribute("aria-busy", "true");
    const answer = await ask(`/api/search/facets?${new URLSearchParams({ q: narrowed, of: target, fields: fields.join() })}`);
    if (number !== asked) return undefined;
    aside.removeAttribute("aria-busy");
    if (answer.error) {
      known = null;
      onTotal(null);
      // The list itself reports what is wrong with a query.
      showNote(answer.status === 422 ? "" : `No counts: ${answer.error}`);
      groups.replaceChildren();
      return undefined;
    }
    onTotal(answer.total);
    known.answer = answer;
    return show();
  }

  // Also where only the order or the columns are others: they stand in the links.
  function show() {
    const { answer, query } = known;
    if (!answer) return;
    // Those of all rows are counted now and then.
    showNote(answer.counted_at === null ? "" : `Counted ${words.length(now() - answer.counted_at)} ago`);
    refill(groups, ...fields.flatMap((field) => group(field, answer.facets[field] ?? [], query, answer.total.exact)));
  }

  function showNote(text) {
    setText(note, text);
    note.hidden = !text;
  }

  function group(field, values, query, exact) {
    if (!values.length) return [];
    const [name, meaning] = TITLES[field] ?? [field, ""];
    const heading = make("h2", "", name);
    heading.title = exact ? meaning : `${meaning}. Counts of the first ${words.count(50000)} that match`;
    const list = make("ul", "", ...values.slice(0, SHOWN).map(({ value, count }) => {
      const link = anchor(shown(field, value), hrefOf(both(query, term(field, value))));
      return make("li", "", link, make("span", "figure", words.count(count)));
    }));
    return [make("section", "", heading, list)];
  }

  return { aside, load };
}

function shown(field, value) {
  if (field === "country") return words.country(value);
  if (field === "finding") return words.rule(value);
  return field === "asn" ? `AS${value}` : value;
}
