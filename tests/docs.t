#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# The documents speak of what is there.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"
export LC_ALL=C

pages=$(ls README.md docs/*.md)

# Words of all sources, for looking up names.
find engine threadpool include tools tests mk -type f -print0 |
	xargs -0 cat Makefile | grep -oE '[A-Za-z_][A-Za-z_0-9]*' | sort -u \
	>"$scratch/words"

# Functions of libc, talloc and the like that the pages may name.
others='^(talloc|pthread|epoll|clock|free|malloc|fork|poll|read|write|close)'

for page in $pages; do
	# `name()` or `name(...)` in back quotes.
	unknown=$(grep -oE '`[A-Za-z_][A-Za-z_0-9]*\([^`]*`' "$page" |
		sed 's/^`//; s/(.*//' | sort -u |
		grep -vE "$others" | comm -23 - "$scratch/words")
	is "$unknown" '' "$page names only functions that exist"

	# Back-quoted paths into the tree, and relative links.
	gone=$(
		{
			grep -oE '`(engine|threadpool|include|tests|tools|docs|mk)/[A-Za-z0-9_./-]*`' "$page" |
				tr -d '`'
			grep -oE '\]\([^):#]+[)#]' "$page" |
				sed 's/^](//; s/[)#]$//' |
				sed "s|^|$(dirname "$page")/|"
		} | sort -u | while read -r path; do
			[ -e "$path" ] || echo "$path"
		done
	)
	is "$gone" '' "$page points only at files that exist"
done

# The macros are what is called; behind them stand functions with an ending.
sed -nE 's/^\t([a-z_]+);$/\1/p' threadpool/libweft.map |
	while read -r function; do
		macro=$(echo "$function" | sed -E 's/_(sized|block|located)$//')
		grep -q "#define $macro(" include/weft.h || macro=$function
		echo "$macro"
	done | sort >"$scratch/functions"
sed -nE 's/^\.Nm ([a-z_]+).*/\1/p' docs/man/*.3 | sort >"$scratch/named"
ok 'libweft has functions' test -s "$scratch/functions"
is "$(comm -23 "$scratch/functions" "$scratch/named")" '' \
	'each function of libweft has a manual page'

# shellcheck disable=SC2086 # names without blanks
is "$(grep -nE '/wor[k]/|/tm[p]/[a-z]' $pages)" '' \
	'no page speaks of one machine'

done_testing
