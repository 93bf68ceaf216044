# SPDX-License-Identifier: LGPL-3.0-or-later
"""report: what was measured, judged by bars, as text, Markdown or JSON.

Of the values of a row with a peer, one a round, the best counts where threads
disturb each other in nearly every sample, and the median over the rounds of the
ratio everywhere else: in a round the peers ran one after the other.
"""

import json
import os
import platform
import statistics


def known(values):
    return [value for value in values if value is not None]


def best(row, peer):
    """None: it has not run."""
    values = known(row.values.get(peer, []))
    return (max if row.higher else min)(values) if values else None


def median(row, peer):
    values = known(row.values.get(peer, []))
    return statistics.median(values) if values else None


def groups(rows):
    """The rows that have run with anybody, by group, in their order."""
    found = {}
    for row in rows:
        if any(known(values) for values in row.values.values()):
            found.setdefault(row.group, []).append(row)
    return found


def peers_of(rows, order=None):
    """Who has run any of them, in the order of peers."""
    found = []
    for row in rows:
        for peer in row.programs:
            if peer not in found and best(row, peer) is not None:
                found.append(peer)
    return sorted(found, key=list(order).index) if order else found


# ---- bars ----

class Bar:
    """ROW WHO KIND LIMIT [PEER]: bars explains the kinds."""

    KINDS = ("fastest", "faster", "within", "above", "below")

    def __init__(self, line):
        words = line.split()
        self.row, self.who, self.kind, limit = words[:4]
        self.limit = float(limit)
        self.peer = words[4] if len(words) > 4 else None
        if self.kind not in self.KINDS or \
                (self.peer is None) == (self.kind not in ("above", "below")):
            raise ValueError("not a bar: " + line)
        self.seen = None
        self.verdict = "not run"

    def ratio(self, row):
        """Their cost by ours."""
        if self.kind == "fastest":
            ours, theirs = best(row, self.who), best(row, self.peer)
            return None if None in (ours, theirs) else theirs / ours
        pairs = zip(row.values.get(self.who, []), row.values.get(self.peer, []))
        ratios = [theirs / ours for ours, theirs in pairs
                  if None not in (ours, theirs)]
        return statistics.median(ratios) if ratios else None

    def judge(self, row):
        self.seen = best(row, self.who) if self.peer is None else \
            self.ratio(row)
        if self.seen is None:
            return
        if self.kind == "within":
            reached = self.seen * self.limit >= 1
        elif self.kind == "below":
            reached = self.seen <= self.limit
        else:
            reached = self.seen >= self.limit
        self.verdict = "ok" if reached else "missed"

    def wanted(self):
        if self.kind == "below":
            return "<= %g" % self.limit
        if self.kind == "within":
            return ">= %.2f" % (1 / self.limit)
        return ">= %g" % self.limit


def read_bars(path):
    with open(path, encoding="utf-8") as lines:
        return [Bar(line) for line in lines
                if line.strip() and not line.startswith("#")]


def judge(bars, rows):
    """Those of the rows that were chosen."""
    chosen = {row.name: row for row in rows}
    bars = [bar for bar in bars if bar.row in chosen]
    for bar in bars:
        bar.judge(chosen[bar.row])
    return bars


# ---- forms ----

def digits(value):
    """As many as say something."""
    return "%.1f" % value if value < 100 else "%.0f" % value


def cell(row, peer):
    if best(row, peer) is None:
        return "-"
    return "%s / %s" % (digits(best(row, peer)), digits(median(row, peer)))


def text_table(group, rows, order):
    peers = peers_of(rows, order)
    lines = [[group] + peers + ["unit"]]
    for row in rows:
        lines.append([row.name] + [cell(row, peer) for peer in peers] +
                     [row.unit])
    widths = [max(len(line[i]) for line in lines)
              for i in range(len(lines[0]))]
    return "".join(
        "  ".join([line[0].ljust(widths[0])] +
                  [text.rjust(width) for text, width in
                   zip(line[1:], widths[1:])]) + "\n" for line in lines) + "\n"


def bar_table(bars):
    text = "%-26s %-7s %-7s %9s   %-9s %s\n" % (
        "bar", "who", "beside", "seen", "wanted", "verdict")
    for bar in bars:
        seen = "-" if bar.seen is None else "%.2f" % bar.seen
        text += "%-26s %-7s %-7s %9s   %-9s %s\n" % (
            bar.row, bar.who, bar.peer or "", seen, bar.wanted(), bar.verdict)
    return text


def count(bars, verdict):
    return sum(bar.verdict == verdict for bar in bars)


def as_text(bench, bars, order):
    text = "rounds: %d; the best of them / their median\n\n" % bench.rounds
    for group, rows in groups(bench.rows).items():
        text += text_table(group, rows, order)
    if bars:
        text += bar_table(bars) + "\n"
    return text + "%d of %d bars missed, %d not run\n" % (
        count(bars, "missed"), len(bars), count(bars, "not run"))


def picture(group):
    """The name of its file."""
    return group.replace(" ", "-") + ".svg"


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.machine()


def machine():
    return "%s, %d processors, Linux %s" % (
        processor(), os.cpu_count(), platform.release())


def bars_as_markdown(bars):
    text = "### Bars\n\n| row | who | beside | seen | wanted | verdict |\n" \
        "|---|---|---|--:|--:|---|\n"
    for bar in bars:
        seen = "-" if bar.seen is None else "%.2f" % bar.seen
        text += "| `%s` | %s | %s | %s | %s | %s |\n" % (
            bar.row, bar.who, bar.peer or "", seen, bar.wanted(), bar.verdict)
    return text


def as_markdown(bench, bars, libraries, order, pictures):
    """pictures: where they are, seen from the document, or None."""
    files = sorted({os.path.basename(path) for path in libraries.values()
                    if path != "none"})
    text = "%s; %s. Rounds: %d; in each cell the best of them / their " \
        "median, in ns for one operation unless it says otherwise.\n\n" % (
            machine(), ", ".join(files), bench.rounds)
    for group, rows in groups(bench.rows).items():
        peers = peers_of(rows, order)
        text += "### %s\n\n" % group.capitalize()
        text += "| one operation | " + \
            " | ".join(order[peer] for peer in peers) + " |\n"
        text += "|---|" + "--:|" * len(peers) + "\n"
        for row in rows:
            unit = "" if row.unit == "ns" else ", " + row.unit
            text += "| `%s`: %s%s | " % (row.name, row.what, unit) + \
                " | ".join(cell(row, peer) for peer in peers) + " |\n"
        text += "\n"
        if pictures is not None:
            text += "![%s](%s)\n\n" % (group, os.path.join(
                pictures, picture(group)))
    return text + (bars_as_markdown(bars) if bars else "")


def row_as_data(row):
    peers = {peer: {"best": best(row, peer), "median": median(row, peer),
                    "rounds": known(row.values[peer])}
             for peer in peers_of([row])}
    return {"row": row.name, "group": row.group, "unit": row.unit,
            "better": "higher" if row.higher else "lower", "what": row.what,
            "peers": peers}


def as_json(bench, bars, libraries):
    data = {
        "processor": processor(),
        "processors": os.cpu_count(),
        "kernel": platform.release(),
        "rounds": bench.rounds,
        "ms": bench.options.ms,
        "libraries": libraries,
        "rows": [row_as_data(row) for row in bench.rows],
        "bars": [vars(bar) for bar in bars],
        "missed": count(bars, "missed"),
        "not_run": count(bars, "not run"),
        "failed": bench.failed,
    }
    return json.dumps(data, indent=1) + "\n"
