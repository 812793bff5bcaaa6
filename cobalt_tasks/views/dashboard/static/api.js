// Questions to the API.

const LONGEST_SECONDS = 60;

/**
 * Return the API's answer; `{error, column, status}` where it refuses or cannot answer, with the reason in words; `status`
 * is 0 where the server does not answer at all.
 */
export async function ask(url) {
  let answer;
  try {
    answer = await fetch(url, { signal: AbortSignal.timeout(LONGEST_SECONDS * 1000) });
    if (answer.ok) return await answer.json();
  } catch (error) {
    const isLate = error?.name === "TimeoutError";
    return { error: isLate ? `Cobalt's server did not answer within ${LONGEST_SECONDS} seconds.` : "Cobalt's server does not answer.", status: 0 };
  }
  const { detail, column } = await answer.json().catch(() => ({}));
  const reason = typeof detail === "string" ? detail : Array.isArray(detail) ? detail.map((each) => each.msg).join("; ") : `The server answers ${answer.status}.`;
  return { error: reason, column: column ?? null, status: answer.status };
}
