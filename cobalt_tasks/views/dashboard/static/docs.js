// The API's own description (/openapi.json), as plain text.

import { byId, make, scrolling, setText } from "/static/dom.js";

async function show() {
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
  const api = await answer.json();
  setText(byId("about"), api.info.description);
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) byId("operations").append(describe(path, method, operation, api.components.schemas));
  }
}

function describe(path, method, operation, schemas) {
  const plain = !path.includes("{");
  const title = make("h2", "mono");
  const address = plain ? make("a", "", path) : make("span", "", path);
  if (plain) address.href = path;
  title.append(`${method.toUpperCase()} `, address);
  const article = make("article", "operation", title, make("p", "", operation.description ?? operation.summary ?? ""));
  const rows = (operation.parameters ?? []).map((parameter) =>
    make("tr", "", Object.assign(make("th", "mono", parameter.name), { scope: "row" }), make("td", "", bounds(parameter.schema, schemas)), make("td", "", parameter.description ?? "")));
  if (rows.length) article.append(scrolling(`Parameters of ${path}`, make("table", "", make("tbody", "", ...rows))));
  return article;
}

function bounds(schema, schemas) {
  const found = (schema.anyOf ?? [schema]).find((option) => option.type !== "null") ?? schema;
  const one = schemas[found.$ref?.split("/").pop()] ?? found;
  const words = [one.type];
  if (one.enum) words.push(one.enum.join(" | "));
  if (one.pattern) words.push(one.pattern);
  if (one.minimum !== undefined) words.push(`from ${one.minimum}`);
  if (one.maximum !== undefined) words.push(`to ${one.maximum}`);
  if (one.maxLength !== undefined) words.push(`at most ${one.maxLength} characters`);
  if (schema.default !== undefined) words.push(`default ${schema.default}`);
  return words.filter(Boolean).join(", ");
}

show().catch((error) => {
  setText(byId("trouble"), `The description cannot be loaded: ${error.message}`);
  byId("trouble").hidden = false;
});
