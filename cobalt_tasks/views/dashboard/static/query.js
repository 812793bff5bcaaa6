// Queries of the search language, put together from terms.

/** A value as a query has it: in quotes where it is more than a plain word, each quote in it twice. */
function quoted(value) {
  const text = String(value);
  return /^[\w][\w.:/-]*$/.test(text) && !text.includes("..") ? text : `"${text.replaceAll('"', '""')}"`;
}

export const term = (field, value) => `${field}:${quoted(value)}`;

/** The query that also asks for `more`: as it is where that is one of its terms, and all of them must match. */
export function both(query, more) {
  const before = query.trim();
  if (!before) return more;
  const isEither = /(^|[\s)])OR([\s(]|$)/.test(before);
  if (!isEither && !/["()]/.test(before) && before.split(/\s+/).includes(more)) return before;
  return `${isEither ? `(${before})` : before} ${more}`;
}
