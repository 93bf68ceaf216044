# SPDX-License-Identifier: LGPL-3.0-or-later
# urls: a curl configuration that fetches base PATH, percent-encoded, into a
# numbered file of dir for each PATH read.

BEGIN {
	for (i = 1; i < 256; i++) {
		c = sprintf("%c", i)
		code[c] = c ~ /[A-Za-z0-9._~\/-]/ ? c : sprintf("%%%02X", i)
	}
}

{
	url = base
	n = length($0)
	for (i = 1; i <= n; i++)
		url = url code[substr($0, i, 1)]
	printf "url = \"%s\"\noutput = \"%s%04d\"\n", url, dir, NR
}
