// What speaks for the score of a host.

import { anchor, make } from "/static/dom.js";
import { href } from "/static/router.js";
import * as words from "/static/words.js";

/** Why a host has its score: every piece of evidence with what it adds, and the sum. */
export function reasons(host) {
  const risk = words.risk(host.score);
  const title = make("h2", "", "Score ", make("span", `badge ${risk.level}`, risk.text));
  title.id = "findings";
  title.title = words.SCORE;
  if (host.score === null && !host.evidence.length) return [title, make("p", "quiet", "Not scored yet.")];
  if (!host.score && !host.evidence.length) return [title, make("p", "quiet", host.not_checked.length ? "No evidence was found by the rules that could be checked; the others are listed below." : "No evidence was found by any rule.")];
  const sum = host.evidence.reduce((total, piece) => total + piece.counted, 0);
  const items = host.evidence.map((piece) =>
    make("li", piece.counted ? "" : "quiet",
      make("span", "figure", piece.counted ? `+${words.points(piece.counted)}` : "0"),
      make("div", "",
        make("p", "", make("strong", "", anchor(words.rule(piece.rule), href("/findings", { rule: piece.rule }))), `: ${piece.detail}`),
        make("p", "quiet small", [
          piece.accepted ? `accepted by ${piece.accepted.author}: ${piece.accepted.reason}` : piece.counted === piece.points ? "" : `${words.points(piece.points)} by itself`,
          `from ${piece.source}`,
          `seen ${words.moment(piece.observed_at)}`,
          `rules ${piece.rule_version}`,
        ].filter(Boolean).join(" · ")))));
  const notes = [];
  if (host.evidence.some((piece) => !piece.accepted && piece.counted < piece.points)) notes.push("A rule counts once, with the most points it found, and the sum ends at 1.");
  if (words.points(sum) !== words.points(host.score ?? 0)) notes.push("The evidence is newer than the score, which follows soon.");
  items.push(make("li", "sum", make("span", "figure", words.points(sum)), make("p", "quiet small", `in all. ${notes.join(" ")}`)));
  return [title, make("ul", "evidence", ...items)];
}
