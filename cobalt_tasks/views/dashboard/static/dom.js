// The only ways this page makes elements. Text from the network goes through textContent and nowhere else.

export const byId = (id) => document.getElementById(id);

/** Make an element with a class and children: elements, or text. */
export function make(tag, className = "", ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

/** Set an element's text, when it is another than it was. */
export function setText(element, text) {
  const wanted = text === null || text === undefined ? "" : String(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

export function dress(element, className) {
  if (element.className !== className) element.className = className;
}

/** Replace the children of an element, unless they are the same: one of them may have the focus, or be clicked just now. */
export function refill(element, ...children) {
  const wanted = [...make("div", "", ...children).childNodes];
  const present = [...element.childNodes];
  if (present.length === wanted.length && present.every((each, place) => each.isEqualNode(wanted[place]))) return;
  element.replaceChildren(...wanted);
}

/**
 * Bring the children of `parent` in line with `items`, keeping those whose key stays, so that focus and selected
 * text survive: `build()` makes a child, `update(child, item)` fills it.
 */
export function keep(parent, items, key, build, update) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let child = old.get(name);
    old.delete(name);
    if (!child) {
      child = build(item);
      child.dataset.key = name;
    }
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
    update(child, item);
  }
  for (const child of old.values()) child.remove();
}

/** Make a link; what it says is text. */
export function anchor(text, href, className = "") {
  const element = make("a", className, text);
  element.href = href;
  return element;
}

/**
 * Rows of a table: each `{key, cells, className}`; the first cell is its heading. A cell is a text, or `{text, className,
 * title, since, href}`, or `{links: [{text, href, title}], className, title}`.
 */
export function fillRows(body, rows) {
  keep(body, rows, (row) => row.key, () => make("tr"), (line, row) => {
    dress(line, row.className ?? "");
    while (line.children.length < row.cells.length) {
      const cell = make(line.children.length ? "td" : "th");
      if (cell.tagName === "TH") cell.scope = "row";
      line.append(cell);
    }
    while (line.children.length > row.cells.length) line.lastElementChild.remove();
    row.cells.forEach((cell, index) => fillCell(line.children[index], cell));
  });
}

function fillCell(element, cell) {
  const { text, className = "", title = "", href, links, since } = typeof cell === "object" && cell !== null ? cell : { text: cell };
  dress(element, className);
  if (element.title !== title) element.title = title;
  if (since !== undefined) element.dataset.since = since;
  else delete element.dataset.since;
  const wanted = links ?? (href ? [{ text, href }] : null);
  if (!wanted) {
    if (element.dataset.links) element.replaceChildren();
    delete element.dataset.links;
    return setText(element, text);
  }
  // The same links as before are left alone: one may have the focus.
  const now = JSON.stringify(wanted);
  if (element.dataset.links === now && element.firstElementChild) return undefined;
  element.dataset.links = now;
  element.replaceChildren(...wanted.flatMap((each, place) => [place ? " " : "", linked(each)]).filter((each) => each !== ""));
  return undefined;
}

function linked({ text, href, title }) {
  if (!href) return make("span", "", text);
  const link = anchor(text, href);
  if (title) link.title = title;
  return link;
}

/** A box that scrolls, which the keyboard reaches too: `label` is a text, or the element that names it. */
export function scrolling(label, ...children) {
  const box = make("div", "scroll", ...children);
  box.tabIndex = 0;
  box.setAttribute("role", "group");
  if (typeof label === "string") box.setAttribute("aria-label", label);
  else box.setAttribute("aria-labelledby", label.id);
  return box;
}

/** The content of a template of index.html, to be put into a view. */
export const fromTemplate = (id) => byId(id).content.cloneNode(true);
