// Questions to the API.

/**
 * Return the API's answer; `{error, column, status}` where it refuses or cannot answer, with the reason in words; `status`
 * is 0 where the server does not answer at all.
 */
export async function ask(url) {
  let answer;
  try {
    answer = await fetch(url);
    if (answer.ok) return await answer.json();
  } catch {
    return { error: "Cobalt's server does not answer.", status: 0 };
  }
  const { detail, column } = await answer.json().catch(() => ({}));
  const reason = typeof detail === "string" ? detail : Array.isArray(detail) ? detail.map((each) => each.msg).join("; ") : `The server answers ${answer.status}.`;
  return { error: reason, column: column ?? null, status: answer.status };
}
