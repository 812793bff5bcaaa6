// Where the data comes from: the stream, which sends the document once and then what changed in it; while it is down,
// /api/data every five seconds.

const POLL_MILLISECONDS = 5000;
const SILENCE_MILLISECONDS = 12000;

/** Call `onData(document, how)` with each document, and `onTrouble(text)` with the reason when it cannot be loaded. */
export function follow(onData, onTrouble) {
  let source = null;
  let heard = Date.now();
  let streaming = false;
  let latest = null;

  const received = (data, how) => {
    heard = Date.now();
    latest = data;
    onData(data, how);
  };

  const open = () => {
    source?.close();
    source = new EventSource("/api/stream?changes=true");
    source.addEventListener("data", (event) => {
      streaming = true;
      received(JSON.parse(event.data), "streaming");
    });
    source.addEventListener("change", (event) => {
      streaming = true;
      received(changed(latest, JSON.parse(event.data)), "streaming");
    });
    source.addEventListener("trouble", (event) => {
      streaming = true;
      heard = Date.now();
      onTrouble(JSON.parse(event.data));
    });
    source.onerror = () => {
      streaming = false;
    };
  };

  const poll = async () => {
    try {
      const answer = await fetch("/api/data?limit=1", { signal: AbortSignal.timeout(POLL_MILLISECONDS) });
      if (!answer.ok) {
        const detail = (await answer.json().catch(() => ({}))).detail;
        onTrouble(typeof detail === "string" ? detail : `the server answers ${answer.status}`);
        return;
      }
      const data = await answer.json();
      // The stream may have come back in the meantime: its changes are of the document that it sent itself.
      if (!streaming) received(data, "polling");
    } catch {
      onTrouble("Cobalt's server does not answer.");
    }
  };

  // A browser opens six connections to one server: tabs that cannot be seen must not hold them all.
  document.addEventListener("visibilitychange", () => {
    streaming = false;
    if (document.hidden) source?.close();
    else open();
  });

  setInterval(() => {
    if (document.hidden) return;
    if (streaming && Date.now() - heard < SILENCE_MILLISECONDS) return;
    streaming = false;
    // A browser does not reconnect after an answer that is not a stream; a silent stream hangs.
    if (!source || source.readyState === EventSource.CLOSED || Date.now() - heard > SILENCE_MILLISECONDS) {
      open();
    }
    poll();
  }, POLL_MILLISECONDS);
  if (!document.hidden) open();
}

/** The document with every value of `changes`, a list of [path, value], at its place. */
function changed(document, changes) {
  for (const [path, value] of changes) {
    const last = path.length - 1;
    let place = document;
    for (let step = 0; step < last; step += 1) place = place[path[step]];
    place[path[last]] = value;
  }
  return document;
}
