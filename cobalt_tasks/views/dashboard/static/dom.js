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

/** Rows of a table: each `{key, cells: [{text, className, title, click}], className}`; the first cell is its heading. */
export function fillRows(body, rows) {
  keep(body, rows, (row) => row.key, () => make("tr"), (line, row) => {
    dress(line, row.className ?? "");
    while (line.children.length < row.cells.length) {
      const cell = make(line.children.length ? "td" : "th");
      if (cell.tagName === "TH") cell.scope = "row";
      line.append(cell);
    }
    row.cells.forEach((cell, index) => fillCell(line.children[index], cell));
  });
}

function fillCell(element, cell) {
  const { text, className = "", title, click, since } = typeof cell === "object" && cell !== null ? cell : { text: cell };
  dress(element, className);
  if (title && element.title !== title) element.title = title;
  if (since !== undefined) element.dataset.since = since;
  if (!click) return setText(element, text);
  let button = element.firstElementChild;
  if (!button) {
    button = make("button", "link");
    button.type = "button";
    element.replaceChildren(button);
  }
  setText(button, text);
  button.onclick = click;
}
