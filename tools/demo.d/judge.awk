# SPDX-License-Identifier: LGPL-3.0-or-later
# judge: reads the rows of idle, inline and pool; prints what misses a bar.

function miss(what)
{
	text = text (text == "" ? "" : "; ") what
}

{
	failed += $2
	p99[NR] = $4
	logins[NR] = $6
	if (NR > 1 && $8 > others)
		others = $8
}

END {
	if (failed > 0)
		miss(failed " requests failed")
	if (p99[3] > p99_max)
		miss(sprintf("p99 with the pool is %.2f ms, more than %d ms",
			p99[3] / 1000, p99_max / 1000))
	if (p99[2] < p99_ratio * p99[3])
		miss(sprintf("p99 with the pool is %.1f times better than " \
			"inline, less than %d", p99[2] / (p99[3] + .001), p99_ratio))
	if (cpus > 1 && logins[3] < login_ratio * logins[2])
		miss(sprintf("log-ins a second with the pool are %.2f times " \
			"those inline, less than %.1f",
			logins[3] / (logins[2] + .001), login_ratio))
	if (text != "" && others > others_max)
		text = text "\n(the machine was busy: something else took " \
			others " % of the CPU, so this says little about the pool)"
	if (text != "")
		print text
}
