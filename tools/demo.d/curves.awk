# SPDX-License-Identifier: LGPL-3.0-or-later
# curves: an SVG of latency against percentile, one curve for each file read.
#
# Both axes are logarithmic: to the right each nine of a percentile takes the
# same room, so that the tail is seen and not only the crowd. A file holds one
# latency in microseconds a line, sorted. Variables: labels (one a line, in
# the order of the files), cpus, bar (us).

function log10(v)
{
	return log(v) / log(10)
}

# The place of a percentile, as a part of one, and of a latency in us.
function at_x(part)
{
	return LEFT + (RIGHT - LEFT) * -log10(1 - part) / NINES
}

function at_y(us)
{
	return BOTTOM - (BOTTOM - TOP) * (log10(us) - low) / (high - low)
}

function time_text(us)
{
	if (us < 1000)
		return us " µs"
	if (us < 1000000)
		return us / 1000 " ms"
	return us / 1000000 " s"
}

# The first index at or above a part of n, and a number to three digits.
function rank(part, n)
{
	return int(n * part) + (n * part > int(n * part))
}

function short(number)
{
	return sprintf("%.3g", number) + 0
}

function text(x, y, class, words)
{
	printf "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">%s</text>\n",
		x, y, class, words
}

function line(x1, y1, x2, y2, class)
{
	printf "<path d=\"M%.1f %.1fL%.1f %.1f\" class=\"%s\"/>\n",
		x1, y1, x2, y2, class
}

function head(    i)
{
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" " \
		"viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\">\n",
		WIDTH, HEIGHT, WIDTH, HEIGHT
	print "<style>"
	print "text{font:12px system-ui,'DejaVu Sans',sans-serif;fill:#555}"
	print ".title{font-size:17px;font-weight:600;fill:#222}"
	print ".y{text-anchor:end}.x{text-anchor:middle}"
	print "path{fill:none;stroke-width:1}"
	print ".grid{stroke:#e6e6e6}.axis{stroke:#999}"
	print ".bar{stroke:#999;stroke-dasharray:2 4}"
	print ".curve{stroke-width:2.5;stroke-linejoin:round}"
	for (i = 1; i <= 3; i++)
		printf ".c%d{stroke:%s}.t%d{fill:%s;font-weight:600}\n",
			i, colour[i], i, colour[i]
	print "</style>"
	printf "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
		WIDTH, HEIGHT
	text(LEFT, 30, "title", "GET /ping while eight clients log in")
	text(LEFT, 50, "", "latency of 100 pings a second over 20 " \
		"connections; a log-in is argon2id over 64 MiB; " cpus \
		(cpus == 1 ? " CPU" : " CPUs"))
}

function axes(    decade, i, n, tick)
{
	for (decade = low; decade <= high; decade++) {
		line(LEFT, at_y(10 ^ decade), RIGHT, at_y(10 ^ decade), "grid")
		text(LEFT - 8, at_y(10 ^ decade) + 4, "y",
			time_text(int(10 ^ decade + .5)))
	}
	n = split("50 90 99 99.9", tick, " ")
	for (i = 1; i <= n; i++) {
		line(at_x(tick[i] / 100), TOP, at_x(tick[i] / 100), BOTTOM,
			"grid")
		text(at_x(tick[i] / 100), BOTTOM + 18, "x", tick[i] " %")
	}
	line(LEFT, BOTTOM, RIGHT, BOTTOM, "axis")
	text((LEFT + RIGHT) / 2, BOTTOM + 38, "x",
		"part of the pings that were at least as fast")
	line(LEFT, at_y(bar), RIGHT, at_y(bar), "bar")
	text(RIGHT, at_y(bar) - 5, "y",
		"wanted: 99 % with the pool within " time_text(bar))
}

# A curve is thinned to one point a pixel.
function curve(f,    i, path, x, y, px, py)
{
	px = -9
	for (i = 1; i <= count[f]; i++) {
		x = at_x((i - .5) / count[f])
		y = at_y(us[f, i])
		if (i < count[f] && x - px < 1 && py - y < 1)
			continue
		path = path sprintf("%s%.1f %.1f", path == "" ? "M" : "L", x, y)
		px = x
		py = y
	}
	printf "<path class=\"curve c%d\" d=\"%s\"/>\n", f, path
	end_x[f] = px
	end_y[f] = py
}

# The name of a curve stands right of its end with its 99 % below, clear of the
# other names: from the top down, each at least a gap under the one before.
function names(    f, i, j, order, y, above)
{
	for (i = 1; i <= files; i++) {
		for (j = i; j > 1 && end_y[order[j - 1]] > end_y[i]; j--)
			order[j] = order[j - 1]
		order[j] = i
	}
	above = -99
	for (i = 1; i <= files; i++) {
		f = order[i]
		y = end_y[f] > above + 38 ? end_y[f] : above + 38
		text(RIGHT + 10, y + 2, "t" f, name[f])
		text(RIGHT + 10, y + 17, "", "99 % within " \
			time_text(short(us[f, rank(.99, count[f])])))
		above = y
	}
}

BEGIN {
	WIDTH = 820
	HEIGHT = 440
	LEFT = 70
	RIGHT = 670
	TOP = 75
	BOTTOM = 380
	NINES = 3.35	# a thousand pings reach 99.95 %
	split(labels, name, "\n")
	colour[1] = "#777777"
	colour[2] = "#d55e00"
	colour[3] = "#0072b2"
	least = most = bar
}

FNR == 1 {
	files++
}

{
	value = $1 > 0 ? $1 : 1
	us[files, FNR] = value
	count[files] = FNR
	if (value < least)
		least = value
	if (value > most)
		most = value
}

END {
	low = int(log10(least))
	high = int(log10(most)) + 1
	head()
	axes()
	for (f = 1; f <= files; f++)
		curve(f)
	names()
	print "</svg>"
}
