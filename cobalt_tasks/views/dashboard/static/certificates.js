// Certificates in use by the day they expire.

import { byId, fillRows, setText } from "/static/dom.js";
import * as words from "/static/words.js";

const REFRESH_MILLISECONDS = 60000;
const SHOWN = 200;
const DAY = 86400;

/** Start the list; returns `{changed(key)}`: load it again where the key differs, or after a minute. */
export function startCertificates(serverNow, open) {
  const form = byId("certificate-filter");
  let known = null;
  let lastLoad = 0;

  async function load() {
    lastLoad = Date.now();
    const query = new URLSearchParams({ limit: SHOWN });
    const span = form.elements.span.value;
    if (span === "expired") query.set("expired", "true");
    else query.set("expiring", span);
    if (form.elements.q.value.trim()) query.set("q", form.elements.q.value.trim());
    const page = await ask(`/api/certificates?${query}`);
    if (!page) return;
    const items = page.items ?? [];
    byId("certificates-empty").hidden = items.length > 0;
    setText(byId("certificates-empty"), page.error ?? (span === "expired" ? "No certificate in use has expired." : "No certificate in use expires in this time."));
    setText(byId("certificates-note"), page.next ? `the first ${words.count(SHOWN)}` : items.length ? words.count(items.length) : "");
    let day = "";
    fillRows(byId("certificate-rows"), items.map((each) => {
      const own = date(each.not_after);
      const isFirst = own !== day;
      day = own;
      return row(each, isFirst ? own : "");
    }));
  }

  const row = (each, day) => {
    const left = each.not_after - serverNow();
    const shown = each.ports.filter((port) => !port.replaced_by && !port.closed);
    const first = shown[0];
    const others = shown.length - 1;
    const rest = others > 0 ? ` +${others}${each.more_ports ? " or more" : ""}` : "";
    return {
      key: each.fingerprint,
      cells: [
        { text: day, title: words.moment(each.not_after), className: "address" },
        { text: left < 0 ? `${words.length(-left)} ago` : words.length(left), className: `time risk ${left < 7 * DAY ? "bad" : left < 30 * DAY ? "fair" : ""}` },
        { text: each.names.slice(0, 2).join(", ") + (each.names.length > 2 ? ` +${each.names.length - 2}` : "") || each.subject, title: each.names.join("\n"), className: "mono name" },
        first
          ? { text: words.endpoint(first.address, first.port) + rest, title: shown.map((port) => words.endpoint(port.address, port.port)).join("\n"), className: "mono address", click: () => open(first.address) }
          : { text: "", className: "address" },
        { text: each.issuer, className: "name spare" },
      ],
    };
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    load();
  });
  form.elements.span.addEventListener("change", load);

  return {
    changed(key) {
      if (key !== known || Date.now() - lastLoad > REFRESH_MILLISECONDS) load();
      known = key;
    },
  };
}

/** The day of a time in UTC: the calendar is the same for every reader. */
function date(seconds) {
  const day = new Date(seconds * 1000);
  return Number.isNaN(day.getTime()) ? "never" : day.toISOString().slice(0, 10);
}

async function ask(url) {
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
