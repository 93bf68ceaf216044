# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
# answers: what weft-shelf answers, checked against sha256sum and djpeg.

FILES=200
FILE_MAX=32M
SIZES='320x240 800x600 1600x1200'
THUMB_WIDTH=200

# make_pictures: the JPEGs, the same ones on every machine.
make_pictures() {
	local size

	mkdir -p build/demo/root || exit 1
	for size in $SIZES; do
		[ -s "build/demo/root/$size.jpg" ] && continue
		say "making $size.jpg"
		awk -v width="${size%x*}" -v height="${size#*x}" \
			-f tools/demo.d/picture.awk |
			cjpeg -quality 90 >build/demo/picture.tmp ||
			die "cjpeg failed"
		mv build/demo/picture.tmp "build/demo/root/$size.jpg"
	done
}

# choose_files: $FILES regular readable files of /usr, from the largest down to
# the smallest and closer together among the large: the same ones as long as the
# tree is the same.
choose_files() {
	find /usr -xdev -type f -readable -size -"$FILE_MAX" \
		! -name '*[[:cntrl:]]*' -printf '%s\t%P\n' |
		sort -k1,1n -k2 |
		awk -F '\t' -v want="$FILES" '
			{ path[NR] = $2 }
			END {
				last = NR + 1
				for (i = 0; i < want && i < NR; i++) {
					at = int(NR * (1 - (i / want) ^ 2))
					last = at < last ? at : last - 1
					print path[last]
				}
			}'
}

# check_sums: each file's SHA-256 by GET /sum/PATH is sha256sum's.
check_sums() {
	local dir=build/demo/sums differ

	say "checking $FILES files of /usr against sha256sum"
	rm -rf "$dir" && mkdir -p "$dir/got" || exit 1
	choose_files >"$dir/paths"
	[ -s "$dir/paths" ] || die "no file found below /usr"
	shelf_start sums --root /usr
	awk -v base="$shelf_url/sum/" -v dir="$dir/got/" \
		-f tools/demo.d/urls.awk "$dir/paths" >"$dir/urls"
	step "$dir/curl.log" curl -sS --fail --parallel --parallel-max 8 \
		-K "$dir/urls"
	shelf_stop
	(cd /usr && tr '\n' '\0' | xargs -0 sha256sum --) <"$dir/paths" |
		sed 's/^\\//' | cut -c1-64 >"$dir/wanted"
	cat "$dir"/got/* | cut -c1-64 >"$dir/sums"
	differ=$(paste "$dir/wanted" "$dir/sums" "$dir/paths" |
		awk -F '\t' '$1 != $2 { print "/usr/" $3 }')
	if [ -n "$differ" ]; then
		echo "$differ" >&2
		die "weft-shelf and sha256sum differ in these"
	fi
}

# check_thumbs: each picture's thumbnail decodes and has the width asked for.
check_thumbs() {
	local size thumb got

	say "fetching thumbnails"
	shelf_start thumbs --root build/demo/root
	for size in $SIZES; do
		thumb=build/demo/thumb-$size.jpg
		step build/demo/curl.log curl -sS --fail -o "$thumb" \
			"$shelf_url/thumb/$size.jpg?w=$THUMB_WIDTH"
		got=$(djpeg "$thumb" 2>/dev/null | head -c 32 | tr '\0' ' ' |
			awk 'NR == 2 { print $1; exit }')
		if [ "$got" != "$THUMB_WIDTH" ]; then
			die "$thumb is not a JPEG of width $THUMB_WIDTH"
		fi
	done
	shelf_stop
}
