# SPDX-License-Identifier: LGPL-3.0-or-later
"""svg: a picture of a group of rows.

Rows that are points NAME/N become curves over n, a panel for each NAME, both
axes logarithmic. The others become bars, a cluster for each row, with a scale
of its own: what is compared is the peers, and rows may differ a thousandfold.
Colours follow the reader's choice of light or dark.
"""

import math
from xml.sax.saxutils import escape

import report

# Of each peer in light and in dark; ours are the strong ones.
COLOURS = {
    "weft": ("#c2410c", "#fb923c"),
    "batch": ("#ea9a5b", "#b45f22"),
    "work": ("#c2410c", "#fb923c"),
    "job": ("#dd7a3c", "#cf6f2e"),
    "compat": ("#ecb68c", "#9a5524"),
    "stock": ("#1d4ed8", "#6ea0ff"),
    "uv": ("#15803d", "#4ade80"),
    "event": ("#7c3aed", "#b794f6"),
    "ev": ("#0e7490", "#22d3ee"),
    "glib": ("#a16207", "#facc15"),
    "raw": ("#6b7280", "#9ca3af"),
}
WIDTH = 760
LEFT = 170      # where bars and curves begin
RIGHT = 110     # room for what is written behind them
BAR = 13
PANEL = 210
CUT = 3         # times the middle value, no bar is longer


def style(peers):
    text = "text{font:12px sans-serif;fill:#1f2328}" \
        ".title{font-size:15px;font-weight:bold}.soft{fill:#59636e}" \
        ".paper{fill:#ffffff}.grid{stroke:#d1d9e0;stroke-width:1}" \
        "polyline{fill:none;stroke-width:2}"
    for peer in peers:
        text += ".f-%s{fill:%s}.s-%s{stroke:%s}" % (
            peer, COLOURS[peer][0], peer, COLOURS[peer][0])
    text += "@media(prefers-color-scheme:dark){text{fill:#e6edf3}" \
        ".soft{fill:#9198a1}.paper{fill:#0d1117}.grid{stroke:#3d444d}"
    for peer in peers:
        text += ".f-%s{fill:%s}.s-%s{stroke:%s}" % (
            peer, COLOURS[peer][1], peer, COLOURS[peer][1])
    return "<style>%s}</style>\n" % text


def label(x, y, text, kind="", anchor="start"):
    return '<text x="%.1f" y="%.1f" class="%s" text-anchor="%s">%s</text>\n' % (
        x, y, kind, anchor, escape(text))


def line(x1, y1, x2, y2):
    return '<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>\n' % (
        x1, y1, x2, y2)


def legend(peers, names):
    """Return: what is drawn, and where it ends."""
    text = ""
    x, y = 16, 34
    for peer in peers:
        width = 24 + 7 * len(names[peer])
        if x + width > WIDTH:
            x, y = 16, y + 18
        text += '<rect class="f-%s" x="%d" y="%d" width="10" height="10"/>\n' \
            % (peer, x, y)
        text += label(x + 14, y + 9, names[peer])
        x += width
    return text, y + 24


def short(value):
    for size, suffix in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return "%g%s" % (value / size, suffix)
    return "%g" % value


def longest(row, here):
    """What the whole width stands for: one very long bar would hide all the
    others, so it is cut."""
    values = sorted(report.best(row, peer) for peer in here)
    return min(values[-1], CUT * values[len(values) // 2]) or 1


def bars(rows, peers, y):
    """Return: what is drawn from y on, and where it ends."""
    text = ""
    for row in rows:
        here = [peer for peer in peers if report.best(row, peer) is not None]
        most = longest(row, here)
        text += label(LEFT - 8, y + 11, row.name, anchor="end")
        text += label(LEFT - 8, y + 25, "%s, %s is better" % (
            row.unit, "more" if row.higher else "less"), "soft", "end")
        for peer in here:
            value = report.best(row, peer)
            width = max(1, (WIDTH - LEFT - RIGHT) * min(1, value / most))
            text += '<rect class="f-%s" x="%d" y="%d" width="%.1f" ' \
                'height="%d"/>\n' % (peer, LEFT, y, width, BAR - 2)
            text += label(LEFT + width + 5, y + 10, report.digits(value) +
                          (", cut" if value > most else ""))
            y += BAR
        y += max(12, 3 * BAR - BAR * len(here))
    return text, y


def decades(low, high):
    """The powers of ten from one at or below low to one at or above high."""
    first = math.floor(math.log10(low))
    last = max(first + 1, math.ceil(math.log10(high) - 1e-9))
    return [10.0 ** power for power in range(first, last + 1)]


def panel(name, rows, peers, y):
    """The curves of one name in a panel whose upper edge is at y."""
    points = {peer: [(row.point, report.best(row, peer)) for row in rows
                     if report.best(row, peer)] for peer in peers}
    values = [value for curve in points.values() for _, value in curve]
    if not values:
        return ""
    across = decades(min(row.point for row in rows),
                     max(row.point for row in rows))
    upwards = decades(min(values), max(values))
    left, right = 70, WIDTH - RIGHT
    top, bottom = y + 24, y + PANEL - 26

    def place(n, value):
        along = math.log10(n / across[0]) / math.log10(across[-1] / across[0])
        above = math.log10(value / upwards[0]) / \
            math.log10(upwards[-1] / upwards[0])
        return left + along * (right - left), bottom - above * (bottom - top)

    text = label(16, y + 12, "%s: %s" % (name, rows[0].what))
    for n in across:
        x = place(n, upwards[0])[0]
        text += line(x, top, x, bottom)
        text += label(x, bottom + 15, short(n), "soft", "middle")
    for value in upwards:
        at = place(across[0], value)[1]
        text += line(left, at, right, at)
        text += label(left - 6, at + 4, "%s %s" % (short(value), rows[0].unit),
                      "soft", "end")
    for peer, curve in points.items():
        spots = [place(n, value) for n, value in curve]
        text += '<polyline class="s-%s" points="%s"/>\n' % (
            peer, " ".join("%.1f,%.1f" % spot for spot in spots))
        for x, at in spots:
            text += '<circle class="f-%s" cx="%.1f" cy="%.1f" r="3"/>\n' % (
                peer, x, at)
    return text


def curves(rows, peers, y):
    """Return: what is drawn from y on, and where it ends."""
    text = ""
    by_name = {}
    for row in rows:
        by_name.setdefault(row.curve, []).append(row)
    for name, points in by_name.items():
        text += panel(name, points, peers, y)
        y += PANEL
    return text, y


def draw(group, rows, names):
    peers = report.peers_of(rows, names)
    inside, height = legend(peers, names)
    for part, chosen in (
            (bars, [row for row in rows if row.point is None]),
            (curves, [row for row in rows if row.point is not None])):
        drawn, height = part(chosen, peers, height)
        inside += drawn
    return '<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" ' \
        'viewBox="0 0 %d %d" role="img">\n<title>%s</title>\n' % (
            WIDTH, height, WIDTH, height, escape(group)) + style(peers) + \
        '<rect class="paper" width="%d" height="%d"/>\n' % (WIDTH, height) + \
        label(16, 22, group.capitalize(), "title") + inside + "</svg>\n"
