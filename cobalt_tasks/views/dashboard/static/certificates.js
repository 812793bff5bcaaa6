// Certificates in use by the day they expire.

import { startList } from "/static/list.js";
import * as words from "/static/words.js";

const SHOWN = 200;
const DAY = 86400;

/** Start the list; returns `{changed(key)}`: see `startList`. */
export function startCertificates(serverNow, open) {
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

  return startList({
    name: "certificate",
    path: "/api/certificates",
    seconds: 60,
    shown: SHOWN,
    filter: ({ span }, query) => (span.value === "expired" ? query.set("expired", "true") : query.set("expiring", span.value)),
    rows: (items) => {
      const days = items.map((each) => date(each.not_after));
      return items.map((each, place) => row(each, days[place] === days[place - 1] ? "" : days[place]));
    },
    empty: (_, { span }) => (span.value === "expired" ? "No certificate in use has expired." : "No certificate in use expires in this time."),
    more: `the first ${words.count(SHOWN)}`,
  });
}

/** The day of a time in UTC: the calendar is the same for every reader. */
function date(seconds) {
  const day = new Date(seconds * 1000);
  return Number.isNaN(day.getTime()) ? "never" : day.toISOString().slice(0, 10);
}
