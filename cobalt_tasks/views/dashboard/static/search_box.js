// The search box: suggestions while one writes, and where in the query an error is.

import { ask } from "/static/api.js";
import { make, setText } from "/static/dom.js";

const WAIT_MILLISECONDS = 150;
const LONGEST = 2000;

let fields = null;

/** The fields of the search language; asked for once. */
async function known() {
  fields ??= (await ask("/api/search/fields")).items ?? null;
  return fields ?? [];
}

/** Return `{label, error, set(query), fail(answer)}`: the box in its label, the line for its errors, and how to change them. */
export function searchBox(name, target, example) {
  const options = make("datalist");
  options.id = `${name}-suggestions`;
  const box = make("input");
  Object.assign(box, { name: "q", type: "search", size: 36, maxLength: LONGEST, placeholder: example, autocomplete: "off", spellcheck: false });
  box.setAttribute("list", options.id);
  box.setAttribute("aria-describedby", `${name}-error`);
  const error = make("div", "query-error");
  error.id = `${name}-error`;
  error.setAttribute("role", "alert");
  error.hidden = true;
  let timer = 0;
  let asked = 0;

  async function suggest() {
    const number = ++asked;
    const suggestions = await completions(box.value, target);
    if (number === asked) options.replaceChildren(...suggestions.map(option));
  }

  box.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(suggest, WAIT_MILLISECONDS);
  });
  box.addEventListener("focus", suggest, { once: true });
  return {
    label: make("label", "search", "Search ", box, options),
    error,
    set(query) {
      if (document.activeElement !== box || box.value.trim() === "") box.value = query;
    },
    fail(answer) {
      error.hidden = !answer?.error;
      if (!answer?.error) return error.replaceChildren();
      const pointer = answer.column ? make("pre", "", `${box.value}\n${" ".repeat(answer.column - 1)}^`) : null;
      return error.replaceChildren(make("p", "", answer.error), ...(pointer ? [pointer] : []));
    },
  };
}

function option({ value, meaning }) {
  const element = make("option");
  element.value = value;
  setText(element, meaning);
  return element;
}

/** What may stand in place of the last word of a query: whole queries, since a browser replaces the whole text. */
async function completions(text, target) {
  const word = text.match(/(?:^|[\s(-])([^\s(-]*)$/)?.[1] ?? "";
  const before = text.slice(0, text.length - word.length);
  const [, name, start] = word.match(/^([\w.]+):"?([^"]*)$/) ?? [];
  if (name === undefined) {
    const found = (await known()).filter((field) => field.applies_to.includes(target) && field.name.startsWith(word.toLowerCase()));
    return found.map((field) => ({ value: `${before}${field.name}:`, meaning: field.meaning }));
  }
  const field = (await known()).find((each) => each.name === name.toLowerCase());
  if (!field) return [];
  if (!field.listed) return [{ value: before + field.example, meaning: field.meaning }];
  const answer = await ask(`/api/search/values?${new URLSearchParams({ field: name, prefix: start })}`);
  return (answer.items ?? []).map((value) => ({ value: `${before}${name}:${value}`, meaning: "" }));
}
