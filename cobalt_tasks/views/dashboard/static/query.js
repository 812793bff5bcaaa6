// Queries of the search language, put together from terms.

/** A value as a query has it: quoted where it is more than a plain word. */
export function quoted(value) {
  const text = String(value);
  return /^[\w][\w.:/-]*$/.test(text) && !text.includes("..") ? text : `"${text.replaceAll('"', "")}"`;
}

export const term = (field, value) => `${field}:${quoted(value)}`;

/** The query that also asks for `more`. */
export function both(query, more) {
  const before = query.trim();
  if (!before) return more;
  if (before.split(/\s+/).includes(more)) return before;
  return `${/(^|[\s)])OR([\s(]|$)/.test(before) ? `(${before})` : before} ${more}`;
}
