# SPDX-License-Identifier: LGPL-3.0-or-later
# table: costs on two libraries against the bars, as text or JSON.
#
# Reads the bars, then "side<TAB>row<TAB>cost" lines: of each round the cheapest
# sample, for what else runs on the machine only ever adds. How fast a shared
# machine is changes from one moment to the next, so a row is judged by the
# median over the rounds of the ratio: in a round both sides ran one after the
# other. Rows with threads are judged by the minima: whatever else runs disturbs
# nearly every sample of them.
#
# Variables: bars (the first file's name), json, only (a regular expression, or
# empty), rounds, ours and stock (the libraries' files). Exits 1 when a bar is
# missed.

FILENAME == bars {
	if ($0 !~ /^#/ && NF == 3 && (only == "" || $1 ~ only)) {
		row[++rows] = $1
		kind[$1] = $2
		bar[$1] = $3
	}
	next
}

{
	cost[$1, $2, ++count[$1, $2]] = $3
}

# Sorts list[1..n].
function sort_list(n,    i, j, v) {
	for (i = 2; i <= n; i++) {
		v = list[i]
		for (j = i - 1; j > 0 && list[j] > v; j--) {
			list[j + 1] = list[j]
		}
		list[j + 1] = v
	}
}

function middle(n) {
	return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}

function settle_side(side, name, n,    i) {
	for (i = 1; i <= n; i++) {
		list[i] = cost[side, name, i]
	}
	sort_list(n)
	least[side] = list[1]
	median[side] = middle(n)
}

function settle(name, n,    i) {
	settle_side("ours", name, n)
	settle_side("stock", name, n)
	for (i = 1; i <= n; i++) {
		list[i] = cost["stock", name, i] / cost["ours", name, i]
	}
	sort_list(n)
	ratio = middle(n)
	if (kind[name] == "fastest") {
		ratio = least["stock"] / least["ours"]
	}
}

function judge(name) {
	if (kind[name] ~ /^fast/) {
		return ratio >= bar[name]
	}
	if (kind[name] == "within") {
		return ratio * bar[name] >= 1
	}
	return least["ours"] <= bar[name]
}

function bar_text(name) {
	if (kind[name] ~ /^fast/) {
		return ">= " bar[name]
	}
	if (kind[name] == "within") {
		return sprintf(">= %.2f", 1 / bar[name])
	}
	return "<= " bar[name] (name ~ /heap/ ? " bytes" : " ns")
}

function say_text(name, verdict) {
	printf "%-16s %9.1f %9.1f   %9.1f %9.1f %8.2f   %-12s %s\n", name,
		least["ours"], least["stock"], median["ours"],
		median["stock"], ratio, bar_text(name), verdict
}

function say_json(name, verdict, n) {
	printf "%s{\"row\":\"%s\",\"rounds\":%d," \
		"\"ours\":{\"min\":%.3f,\"median\":%.3f}," \
		"\"stock\":{\"min\":%.3f,\"median\":%.3f}," \
		"\"ratio\":%.3f,\"bar\":{\"kind\":\"%s\",\"value\":%s}," \
		"\"verdict\":\"%s\"}", comma, name, n, least["ours"],
		median["ours"], least["stock"], median["stock"], ratio,
		kind[name], bar[name], verdict
	comma = ","
}

END {
	if (json) {
		printf "{\"ours\":\"%s\",\"stock\":\"%s\",\"rows\":[", ours,
			stock
	} else {
		printf "ours:  %s\nstock: %s\n%d rounds; ns (req-heap: bytes); " \
			"ratio: stock/ours\n\n",
			ours, stock, rounds
		printf "%-16s %9s %9s   %9s %9s %8s   %-12s %s\n", "row",
			"ours min", "stock min", "median", "median", "ratio",
			"bar", "verdict"
	}
	for (i = 1; i <= rows; i++) {
		name = row[i]
		n = count["ours", name]
		if (n == 0 || n != count["stock", name]) {
			unrun++
			if (!json) {
				printf "%-16s not run\n", name
			}
			continue
		}
		settle(name, n)
		verdict = judge(name) ? "ok" : "missed"
		missed += verdict != "ok"
		if (json) {
			say_json(name, verdict, n)
		} else {
			say_text(name, verdict)
		}
	}
	if (json) {
		printf "],\"missed\":%d,\"not_run\":%d}\n", missed, unrun
	} else {
		printf "\n%d of %d bars missed, %d rows not run\n", missed,
			rows, unrun
	}
	exit missed > 0
}
