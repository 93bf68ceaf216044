#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# What the two libraries export and import: map, header and nm say the same.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"
export LC_ALL=C

tevent=$BUILDDIR/lib/libtevent.so.0
weft=$BUILDDIR/lib/libweft.so.0
known=tests/abi/tevent-symbols.txt
first_weft=0.15.0

# exported LIB: "SYMBOL NODE" of each function or object it defines.
exported() {
	nm -D --defined-only --with-symbol-versions "$1" |
		awk '$2 != "A" { sub(/@@/, " ", $3); print $3 }' | sort
}

# nodes LIB: "NODE PARENT FLAG" of each version that it defines, in order.
nodes() {
	readelf -V "$1" | awk '
		function out() {
			if (name != "") { print name, (p == "" ? "-" : p), flag }
		}
		/Version needs/ { exit }
		/Flags: BASE/ { next }
		/Flags:/ { out(); name = $NF; flag = $5; p = "" }
		/Parent 1:/ { p = $NF }
		END { out() }'
}

# in_map MAP: "SYMBOL NODE" of a version script.
in_map() {
	awk '
		$2 == "{" { node = $1 }
		/^global:/ { global = 1; next }
		/^local:|^}/ { global = 0 }
		global { sub(/;/, "", $1); print $1, node }' "$1" | sort
}

# declared HEADER: functions declared there, by the compiler's own reading.
declared() {
	# shellcheck disable=SC2046,SC2086
	echo "#include \"$1\"" | $CC -xc -E -Iinclude \
		-DTEVENT_DEPRECATED -I. $($PKG_CONFIG --cflags talloc) - |
		awk -v header="$1" '
			/^# [0-9]/ { inside = index($3, header) > 0; next }
			/^#/ { next }
			inside' | tr '\n' ' ' | tr -s ';{}' '[\n*]' |
		grep -v '^ *typedef' |
		grep -oE '[A-Za-z_0-9]+ *\(' | tr -d ' (' | sort -u
}

missing_from() {
	comm -23 "$1" "$2"
}

exported "$tevent" >"$scratch/nm"
in_map engine/libtevent.map >"$scratch/map"
grep -v '^[#%]' $known | sort >"$scratch/known"
is "$(cat "$scratch/nm")" "$(cat "$scratch/map")" \
	'libtevent exports what its map says, no more and no less'
is "$(grep ' WEFT_PRIVATE$' "$scratch/nm")" 'tev_event_label WEFT_PRIVATE
tev_fd_edge WEFT_PRIVATE
tev_sim_door WEFT_PRIVATE' 'three doors for libweft, at a node of their own'
sed -i '/ WEFT_PRIVATE$/d' "$scratch/nm"
is "$(cat "$scratch/nm")" "$(cat "$scratch/known")" \
	'it is all of tevent, and nothing else, at the nodes where tevent has it'
is "$(wc -l <"$scratch/known" | tr -d ' ')" 170 'which are 170 functions'
is "$(readelf -W --dyn-syms "$tevent" |
	awk '$NF ~ /@/ && $7 ~ /^[0-9]+$/ { print $4, $5, $6 }' | sort -u)" \
	'FUNC GLOBAL DEFAULT' 'no data, nothing weak, nothing protected'

# The node of our own stands behind them.
nodes "$tevent" | grep -v '^WEFT_PRIVATE ' >"$scratch/nodes"
is "$(cut -d' ' -f1 "$scratch/nodes")" \
	"$(awk '$1 == "%node" { print $2 }' $known)" \
	'there are the 47 version nodes in order'
is "$(cut -d' ' -f1,2 "$scratch/nodes")" \
	"$(awk '$1 == "%node" { p = "-"; for (i = 3; i <= NF; i++)
		if (sub("parent=", "", $i)) { p = $i }; print $2, p }' $known)" \
	'each has its parent, the last one none'
# The last one catches what is local, with stock's linker script.
is "$(sed '$d' "$scratch/nodes" | awk '$3 == "WEAK" { print $1 }')" \
	"$(awk '$1 == "%node" && $NF == "empty" { print $2 }' $known |
		sed '$d')" 'those without symbols are weak, no others'

# Every function of the installed header, and of the one for authors.
declared include/tevent.h | grep -E '^_*tevent_' >"$scratch/header"
declared engine/author.h | grep -E '^tevent_' >>"$scratch/header"
sort -u -o "$scratch/header" "$scratch/header"
cut -d' ' -f1 "$scratch/nm" | sort -u >"$scratch/names"
is "$(missing_from "$scratch/names" "$scratch/header")" '' \
	'each exported function is declared in a header'
is "$(missing_from "$scratch/header" "$scratch/names" |
	grep -vE '_(t|fn|hook|g)$')" '' 'each declared function is exported'

exported "$weft" >"$scratch/nm"
in_map threadpool/libweft.map >"$scratch/map"
is "$(cat "$scratch/nm")" "$(cat "$scratch/map")" \
	'libweft exports what its map says, no more and no less'
is "$(grep -vE '^(_?weft|pthreadpool_tevent)_[a-z0-9_]* WEFT_0.1$' \
	"$scratch/nm")" '' \
	'each is weft_... or pthreadpool_tevent_..., at node WEFT_0.1'
{
	declared include/pthreadpool_tevent.h | grep '^pthreadpool_tevent_'
	declared include/weft.h | grep -E '^_?weft_'
} >"$scratch/header"
cut -d' ' -f1 "$scratch/nm" | sort -u >"$scratch/names"
is "$(grep -v '_fn_t$' "$scratch/header")" "$(cat "$scratch/names")" \
	'weft.h and pthreadpool_tevent.h declare exactly these'

# The oldest tevent that libweft runs on; the door is asked for at run time.
nm -D "$weft" | awk '$1 == "U" { sub(/@.*/, "", $2); print $2 }' |
	grep -E '^_*tevent_' | sort -u >"$scratch/used"
awk -v first="$first_weft" '
	/^[#%]/ { next }
	{ split($2, v, /[_.]/); split(first, f, ".")
	  if (v[2] * 1000 + v[3] < f[1] * 1000 + f[2]) { print } }
	' $known | sort -u >"$scratch/old-nodes"
cut -d' ' -f1 "$scratch/old-nodes" >"$scratch/old"
is "$(wc -l <"$scratch/old" | tr -d ' ')" 157 'tevent 0.14.1 has 157 symbols'
ok 'libweft uses tevent at all' test -s "$scratch/used"
is "$(missing_from "$scratch/used" "$scratch/old")" '' \
	'libweft needs none that tevent 0.14.1 does not have'
is "$(readelf -V "$weft" | awk '/Name: TEVENT_/ && !/WEAK/' |
	grep -oE 'TEVENT_0\.1[5-9][0-9.]*')" '' \
	'nor one of its later version nodes'

# What a drop-in brings into other people's processes.
is "$(readelf -d "$tevent" | awk '/NEEDED/ { print $NF }' |
	grep -vE 'lib(talloc\.so\.2|c\.so\.6|asan|ubsan|tsan)|ld-linux')" '' \
	'libtevent needs talloc and libc, nothing more'
is "$(readelf -d "$tevent" | awk '/SONAME/ { print $NF }')" \
	'[libtevent.so.0]' 'its soname is libtevent.so.0'
is "$(readelf -d "$weft" | awk '/SONAME/ { print $NF }')" \
	'[libweft.so.0]' 'the other soname is libweft.so.0'
is "$(readelf -d "$tevent" "$weft" | grep -E 'RPATH|RUNPATH|TEXTREL')" '' \
	'neither has a run path or text relocations'

# Private functions have names that no map could catch by accident.
is "$(nm -g --defined-only "$BUILDDIR/lib/libtevent.a" |
	awk 'NF == 3 && $3 !~ /^(tev_|_?_?_?tevent_)/ { print $3 }' |
	grep -v '^__')" '' 'global names in libtevent.a are tev_... or tevent_...'
is "$(nm -g --defined-only "$BUILDDIR/lib/libweft.a" |
	awk 'NF == 3 && $3 !~ /^(wf_|_?weft_|pthreadpool_tevent_)/ { print $3 }' |
	grep -v '^__')" '' \
	'global names in libweft.a are wf_..., weft_..., pthreadpool_tevent_...'

# The list itself, against a packaged tevent where there is one.
stock=$(find /usr/lib -name libtevent.so.0.14.1 2>/dev/null | head -n 1)
if [ -n "$stock" ]; then
	exported "$stock" >"$scratch/nm"
	is "$(cat "$scratch/nm")" "$(cat "$scratch/old-nodes")" \
		'the list is right about the packaged 0.14.1 and its nodes'
	nodes "$stock" | sed '$d' >"$scratch/stock-nodes"
	is "$(head -n "$(wc -l <"$scratch/stock-nodes")" "$scratch/nodes")" \
		"$(cat "$scratch/stock-nodes")" \
		'our nodes up to there have its parents and flags'
else
	skip 'no packaged tevent 0.14.1 to compare the list with'
	skip 'nor its nodes'
fi

done_testing
