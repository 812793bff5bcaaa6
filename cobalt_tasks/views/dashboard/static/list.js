// A list with filters, read from the API: when the filters change, when its data does, and now and then.

import { byId, fillRows, setText } from "/static/dom.js";
import * as words from "/static/words.js";

/** Return the API's answer: `{error}` where it refuses a filter, null where there is none. */
export async function ask(url) {
  try {
    const answer = await fetch(url);
    if (answer.ok) return await answer.json();
    if (answer.status !== 422) return null;
    const detail = (await answer.json()).detail;
    return { error: typeof detail === "string" ? detail : "This filter cannot be used." };
  } catch {
    // The feed reports that the server is gone.
    return null;
  }
}

/**
 * Start a list; returns `{changed(key)}`: load it again where the key differs, or after `seconds`.
 *
 * `name`: of its elements: `name`-filter, `name`-rows, `name`s-empty, `name`s-note; `path`: of the API; `shown`: rows at most;
 * `filter(elements, query)` puts the filters into the query; `rows(items)` makes the rows; `empty(page, elements)` is said
 * where there are no rows, `more` where there are others behind.
 */
export function startList({ name, path, seconds, shown, filter, rows, empty, more }) {
  const form = byId(`${name}-filter`);
  let known = null;
  let lastLoad = 0;

  async function load() {
    lastLoad = Date.now();
    const query = new URLSearchParams({ limit: shown });
    filter(form.elements, query);
    if (form.elements.q.value.trim()) query.set("q", form.elements.q.value.trim());
    const page = await ask(`${path}?${query}`);
    if (!page) return;
    const items = page.items ?? [];
    byId(`${name}s-empty`).hidden = items.length > 0;
    setText(byId(`${name}s-empty`), page.error ?? empty(page, form.elements));
    setText(byId(`${name}s-note`), page.next ? more : items.length ? words.count(items.length) : "");
    fillRows(byId(`${name}-rows`), rows(items));
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    load();
  });
  for (const choice of form.querySelectorAll("select")) choice.addEventListener("change", load);

  return {
    changed(key) {
      if (key !== known || Date.now() - lastLoad > seconds * 1000) load();
      known = key;
    },
  };
}
