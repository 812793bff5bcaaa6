// A list of the API as a table: search, filters, sorting, pages to the end, columns to choose, and facets beside it.
//
// All of what is chosen stands in the address: `q`, `sort`, `rows`, `cols`, the filters, and where the page starts (`after`,
// the mark of the API, and `from`, the number of its first row). The marks of the pages before are kept with the entry of
// the browser's history: "Previous" needs them.

import { ask } from "/static/api.js";
import { anchor, fillRows, make, refill, scrolling, setText } from "/static/dom.js";
import { startFacets } from "/static/facets.js";
import { both } from "/static/query.js";
import { href, isForBrowser } from "/static/router.js";
import { searchBox } from "/static/search_box.js";
import * as words from "/static/words.js";

const ROWS = ["50", "100", "200", "500"];
const DEFAULT_ROWS = "100";
const MOST_PAGES_BACK = 2000;
const RETRY_SECONDS = 5;

let known = null;

/** The formats of exports; asked for once. */
async function formats() {
  known ??= (await ask("/api/export/formats")).items ?? null;
  return known ?? [];
}

/**
 * Fill `container` with a list and return the parts of a view: see registry.js.
 *
 * Options:
 * - `name` of its elements; `title`, and the `level` of its heading if it is not h1; `about`: one sentence; `path` of the API; `target`: what a query finds;
 *   `example` of a query; `seconds` after which the first page is loaded again;
 * - `columns`: `{id, title, hint, sort, direction, className, optional, cell(row)}`; the first is always shown. `sort` is the
 *   API's name of the order, `note` what it leaves out; an `optional` column is hidden until it is chosen;
 * - `filters`: `{name, label, options: [[value, text]]}`, the first option is the default; `request(values)`: the API's
 *   parameters for their values; `narrowed(values, query)`: the terms that do the same in a query, and what the order leaves
 *   out, for counts and exports; `exported(values, now, sort)`: the table of exports with other parameters, `sort` is the
 *   column that the rows are ordered by; a column's `fields` are its columns there, if they are not its id;
 * - `order`: the `sort` of the column that comes first when none is chosen;
 * - `pageParameter(query)`: the API's name of a page's mark, if it is not `after`;
 * - `facets`: fields; `key(row)`; `total(status)`: the kept number of all rows; `none`: said of an empty ledger; `noMatch`.
 */
export function startTable(container, first, tools, options) {
  const { name, columns, filters = [] } = options;
  const path = location.pathname;
  let state = first;
  let counted = null;
  let page = null;
  let loaded = null;
  let loadedAt = 0;
  let asked = 0;

  const value = (key) => state.query.get(key) ?? "";
  const query = () => value("q");
  const narrowed = () => (options.narrowed?.(values(), state.query) ?? []).reduce(both, query());
  const values = () => Object.fromEntries(filters.map((filter) => [filter.name, state.query.get(filter.name) ?? filter.options[0][0]]));
  const sort = () => columns.find((column) => column.sort === value("sort")) ?? columns.find((column) => column.sort === options.order);
  const rows = () => (ROWS.includes(value("rows")) ? value("rows") : DEFAULT_ROWS);
  const shown = () => {
    const chosen = new Set(value("cols").split(",").filter(Boolean));
    return columns.filter((column, place) => place === 0 || (chosen.size ? chosen.has(column.id) : !column.optional));
  };
  /** This list's address with some other values; without the place in it, unless it is named. */
  const to = (other) => {
    const same = Object.fromEntries(state.query);
    return href(path, { ...same, after: null, from: null, ...other });
  };

  // What is built once -----------------------------------------------------------------------------------------------

  const box = options.target ? searchBox(name, options.target, options.example) : null;
  const note = element("p", `${name}-note`, "quiet");
  note.setAttribute("role", "status");
  const form = make("form", "filter", box?.label, ...filters.map(select), make("button", "", "Search"));
  form.id = `${name}-filter`;
  form.setAttribute("role", "search");
  const clear = make("a", "", "Clear");
  form.append(clear);
  const heading = make(options.level ?? "h1", "", options.title);
  heading.id = `${name}-title`;
  const head = make("tr");
  const body = element("tbody", `${name}-rows`);
  const empty = element("p", `${name}-empty`, "empty");
  empty.setAttribute("role", "status");
  empty.hidden = true;
  const table = scrolling(heading, make("table", "", make("thead", "", head), body), empty);
  const [steps, rowChoice, extras, exports] = ["steps", "choice", "choice", "choice exports"].map((each) => make("span", each));
  const columnChoice = make("details", "columns-choice", make("summary", "", "Columns"), ...columns.slice(1).map(columnBox));
  const pages = make("nav", "pages", steps, rowChoice, columnChoice, extras, exports);
  pages.setAttribute("aria-label", "Pages");
  const facets = options.facets?.length ? startFacets(options.target, options.facets, (q) => to({ q }), showTotal, tools.serverNow) : null;
  const panel = make("section", "panel", make("header", "", heading, note), make("p", "about quiet", options.about), box || filters.length ? form : null, box?.error, table, pages);
  container.append(make("div", facets ? "list with-facets" : "list", panel, facets ? facets.aside : null));

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    search();
  });
  for (const choice of form.querySelectorAll("select")) choice.addEventListener("change", search);

  function search() {
    const entered = Object.fromEntries(new FormData(form));
    for (const filter of filters) if (entered[filter.name] === filter.options[0][0]) entered[filter.name] = null;
    tools.go(to({ ...entered, q: (entered.q ?? "").trim() }));
  }

  function select({ name: filter, label, options: choices }) {
    const choice = make("select", "", ...choices.map(([each, text]) => Object.assign(make("option", "", text), { value: each })));
    choice.name = filter;
    return make("label", "", `${label} `, choice);
  }

  // What the address chooses -----------------------------------------------------------------------------------------

  function showChoices() {
    box?.set(query());
    for (const [filter, chosen] of Object.entries(values())) form.elements[filter].value = chosen;
    clear.href = path;
    clear.hidden = !query() && !filters.some((filter) => state.query.has(filter.name));
    const order = sort();
    head.replaceChildren(...shown().map((column) => {
      const cell = make("th", column.className ?? "");
      cell.scope = "col";
      cell.append(column.sort ? anchor(column.title, to({ sort: column.sort })) : column.title);
      if (column.hint) cell.title = column.hint;
      if (column.sort && column === order) cell.setAttribute("aria-sort", column.direction ?? "descending");
      return cell;
    }));
  }

  async function load() {
    const number = ++asked;
    const wanted = location.search;
    loadedAt = Date.now();
    const order = sort();
    const parameters = { ...options.request?.(values(), tools.serverNow()), q: query(), limit: rows() };
    parameters[options.pageParameter?.(query()) ?? "after"] = value("after");
    if (order?.parameter) Object.assign(parameters, order.parameter);
    panel.setAttribute("aria-busy", "true");
    const answer = await ask(href(options.path, parameters));
    if (number !== asked) return;
    panel.removeAttribute("aria-busy");
    if (answer.error) {
      const isAboutQuery = box !== null && answer.status === 422;
      box?.fail(isAboutQuery ? answer : null);
      // While the server or its database is gone, what was loaded stays; the shell reports since when.
      if (answer.status === 422 || loaded !== wanted) showPage({ items: [], next: null }, isAboutQuery ? "Nothing is shown: see above." : answer.error);
      loadedAt = Date.now() - (options.seconds - RETRY_SECONDS) * 1000;
      return;
    }
    box?.fail(null);
    loaded = wanted;
    showPage(answer, null);
  }

  function showPage(answer, error) {
    page = answer;
    empty.hidden = page.items.length > 0;
    setText(empty, error ?? page.note ?? emptiness());
    fillRows(body, page.items.map((row) => ({
      key: options.key(row),
      className: options.rowClass?.(row) ?? "",
      cells: shown().map((column) => column.cell(row)),
    })));
    showPages();
  }

  function emptiness() {
    const status = tools.latest()?.status;
    const nothing = status && options.total && !options.total(status);
    return nothing ? options.none : page.next ? "None of these rows matches: go on with the next page." : options.noMatch;
  }

  function showTotal(found) {
    counted = found;
    if (page) showNote();
  }

  const firstRow = () => Math.max(1, Number(value("from")) || 1);

  function showNote() {
    const start = firstRow();
    const end = start + page.items.length - 1;
    setText(note, [page.items.length ? `${words.count(start)}–${words.count(end)}${of(end)}` : "", sort()?.note].filter(Boolean).join(" · "));
  }

  function showPages() {
    showNote();
    const back = state.saved.back ?? [];
    const links = [];
    if (value("after")) links.push(step("First", to({}), []));
    if (value("after") && back.length) {
      const [after, from] = back.at(-1);
      links.push(step("Previous", to({ after, from }), back.slice(0, -1)));
    }
    if (page.next !== null && page.next !== undefined) {
      const next = to({ after: page.next, from: firstRow() + page.items.length });
      links.push(step("Next", next, [...back, [value("after"), value("from")]].slice(-MOST_PAGES_BACK)));
    }
    refill(steps, ...links);
    const choices = ROWS.map((each) => (each === rows() ? make("strong", "", each) : anchor(each, to({ rows: each === DEFAULT_ROWS ? null : each }))));
    refill(rowChoice, "Rows ", ...choices.flatMap((link) => [link, " "]));
    const chosen = new Set(shown().map((column) => column.id));
    for (const check of columnChoice.querySelectorAll("input")) check.checked = chosen.has(check.name);
    refill(extras, ...(options.extras?.() ?? []));
    if (options.exported) showExports();
  }

  function of(end) {
    if (!page.next) return ` of ${words.count(end)}`;
    const isAll = !narrowed() && filters.every((filter) => values()[filter.name] === filter.options[0][0]);
    const kept = isAll && tools.latest() ? options.total?.(tools.latest().status) : undefined;
    if (kept) return ` of ${words.count(kept)}`;
    return counted && counted.count >= end ? ` of ${counted.exact ? "" : "at least "}${words.count(counted.count)}` : "";
  }

  function step(text, url, back) {
    const link = anchor(text, url, "step");
    link.rel = { Next: "next", Previous: "prev" }[text] ?? "";
    link.addEventListener("click", (event) => {
      if (isForBrowser(event, link)) return;
      event.preventDefault();
      tools.go(url, { saved: { back } });
      table.scrollTop = 0;
      scrollTo(0, 0);
    });
    return link;
  }

  /** Links to files with all rows of all pages, and the columns that are shown. */
  async function showExports() {
    const all = await formats();
    const { table: exported, ...rest } = options.exported(values(), tools.serverNow(), sort());
    const names = shown().flatMap((column) => column.fields ?? [column.id]);
    const links = all.filter((each) => each.tables.includes(exported)).map((each) => {
      const link = anchor(each.name, href("/api/export", { table: exported, format: each.name, q: narrowed(), columns: each.columns ? names.join() : null, ...rest }));
      link.download = "";
      link.title = `For ${each.summary}`;
      return link;
    });
    refill(exports, ...(links.length ? ["Export ", ...links.flatMap((link) => [link, " "])] : []));
  }

  function columnBox(column) {
    const check = Object.assign(make("input"), { type: "checkbox", name: column.id });
    check.addEventListener("change", () => {
      const wanted = new Set([...columnChoice.querySelectorAll("input:checked")].map((each) => each.name));
      const cols = columns.filter((each) => wanted.has(each.id)).map((each) => each.id).join();
      tools.go(to({ after: value("after"), from: value("from"), cols: cols || columns[0].id }), { saved: state.saved, replace: true });
    });
    return make("label", "", check, ` ${column.title}`);
  }

  function begin() {
    showChoices();
    load();
    facets?.load(query(), narrowed());
  }

  begin();
  return {
    show() {
      const isFirst = !value("after");
      const isOld = Date.now() - loadedAt > options.seconds * 1000;
      if (isOld && (isFirst || loaded !== location.search)) load();
      else if (page) showNote();
    },
    change(next) {
      const before = narrowed();
      state = next;
      if (narrowed() !== before) counted = null;
      begin();
    },
  };
}

function element(tag, id, className = "") {
  return Object.assign(make(tag, className), { id });
}
