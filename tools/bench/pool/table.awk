# SPDX-License-Identifier: LGPL-3.0-or-later
# table: what the rows of the pool's bench have cost with each peer, against the
# bars, as text or JSON.
#
# Reads the bars, then "peer<TAB>row<TAB>value" lines: of each round the best
# sample, for what else runs on the machine only ever adds. Several threads are
# disturbed by that in nearly every sample, so such rows are judged by the best
# of all rounds.
#
# Variables: bars (the first file's name), json, only (a regular expression, or
# empty), rounds, peers (in their order). Exits 1 when a bar is missed.

FILENAME == bars {
	if (/^#/ || NF == 0 || (only != "" && $1 !~ only)) {
		next
	}
	if (!($1 in known)) {
		known[$1] = 1
		row[++rows] = $1
	}
	if (NF >= 4) {
		bar[++bar_count] = $0
	}
	if ($3 == "above") {
		upwards[$1] = 1
	}
	next
}

{
	value[$1, $2, ++count[$1, $2]] = $3
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

# Fills list[] with what a peer has of a row. Return: how many.
function collect(peer, name,    i, n) {
	n = count[peer, name]
	for (i = 1; i <= n; i++) {
		list[i] = value[peer, name, i]
	}
	sort_list(n)
	return n
}

function best(peer, name,    n) {
	n = collect(peer, name)
	return list[name in upwards ? n : 1]
}

function median(peer, name) {
	return middle(collect(peer, name))
}

# The median over the rounds of: the peer's cost by ours.
function median_ratio(who, peer, name,    i, n) {
	n = count[who, name] < count[peer, name] ? count[who, name] \
		: count[peer, name]
	for (i = 1; i <= n; i++) {
		list[i] = value[peer, name, i] / value[who, name, i]
	}
	sort_list(n)
	return middle(n)
}

# Sets seen and verdict.
function judge(name, who, kind, limit, peer) {
	verdict = "not run"
	seen = 0
	if (count[who, name] == 0 ||
	    (kind != "above" && count[peer, name] == 0)) {
		unrun++
		return
	}
	if (kind == "above") {
		seen = best(who, name)
		verdict = seen >= limit ? "ok" : "missed"
	} else if (kind == "fastest") {
		seen = best(peer, name) / best(who, name)
		verdict = seen >= limit ? "ok" : "missed"
	} else {
		seen = median_ratio(who, peer, name)
		verdict = seen * limit >= 1 ? "ok" : "missed"
	}
	missed += verdict == "missed"
}

function bar_text(kind, limit) {
	if (kind == "above") {
		return ">= " limit " %"
	}
	return sprintf(">= %.2f", kind == "within" ? 1 / limit : limit)
}

function say_text(    i, p, n, name) {
	printf "%d rounds; ns, best and median (share: per cent of CPU time)\n\n",
		rounds_run
	printf "%-10s", "row"
	for (p = 1; p <= peer_count; p++) {
		printf " %14s", peer[p]
	}
	printf "\n"
	for (i = 1; i <= rows; i++) {
		name = row[i]
		printf "%-10s", name
		for (p = 1; p <= peer_count; p++) {
			if (count[peer[p], name] == 0) {
				printf " %14s", "-"
				continue
			}
			printf " %7.1f %6.1f", best(peer[p], name),
				median(peer[p], name)
		}
		printf "\n"
	}
	printf "\n%-10s %-7s %-9s %8s   %-9s %s\n", "row", "who", "beside",
		"seen", "bar", "verdict"
}

function say_json(    i, p, name, comma) {
	printf "{\"rounds\":%d,\"rows\":[", rounds_run
	for (i = 1; i <= rows; i++) {
		name = row[i]
		printf "%s{\"row\":\"%s\",\"peers\":{", (i > 1 ? "," : ""),
			name
		comma = ""
		for (p = 1; p <= peer_count; p++) {
			if (count[peer[p], name] == 0) {
				continue
			}
			printf "%s\"%s\":{\"best\":%.3f,\"median\":%.3f}",
				comma, peer[p], best(peer[p], name),
				median(peer[p], name)
			comma = ","
		}
		printf "}}"
	}
	printf "],\"bars\":["
}

END {
	rounds_run = rounds
	peer_count = split(peers, peer, " ")
	if (json) {
		say_json()
	} else {
		say_text()
	}
	for (i = 1; i <= bar_count; i++) {
		split(bar[i], word, " ")
		judge(word[1], word[2], word[3], word[4], word[5])
		if (json) {
			printf "%s{\"row\":\"%s\",\"who\":\"%s\"," \
				"\"kind\":\"%s\",\"value\":%s,\"peer\":\"%s\"," \
				"\"seen\":%.3f,\"verdict\":\"%s\"}",
				(i > 1 ? "," : ""), word[1], word[2], word[3],
				word[4], word[5], seen, verdict
		} else {
			printf "%-10s %-7s %-9s %8.2f   %-9s %s\n", word[1],
				word[2], word[5], seen,
				bar_text(word[3], word[4]), verdict
		}
		word[5] = ""
	}
	if (json) {
		printf "],\"missed\":%d,\"not_run\":%d}\n", missed, unrun
	} else {
		printf "\n%d of %d bars missed, %d not run\n", missed,
			bar_count, unrun
	}
	exit missed > 0
}
