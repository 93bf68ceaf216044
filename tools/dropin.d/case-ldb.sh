# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
# ldb, whose every operation turns a tevent loop: its tools, and from Python.

ldb_people() {
	local n

	for n in {1..200}; do
		cat <<-END
			dn: cn=person$n,dc=weft
			objectClass: person
			cn: person$n
			uidNumber: $n

		END
	done
}

case_ldb() {
	export LDB_URL=tdb:///box/people.ldb

	ldb_people >/box/people.ldif
	printf '%s\n' 'dn: cn=person7,dc=weft' 'changetype: modify' \
		'add: mail' 'mail: seven@weft.test' >/box/change.ldif
	show 'ldbadd' ldbadd /box/people.ldif
	show 'ldbsearch' ldbsearch '(uidNumber>=198)' cn uidNumber
	show 'ldbmodify' ldbmodify /box/change.ldif
	show 'the change' ldbsearch '(mail=*)'
	show 'ldbrename' ldbrename cn=person8,dc=weft cn=eight,dc=weft
	show 'ldbdel' ldbdel cn=person9,dc=weft
	show 'what is left' ldbsearch -S '(uidNumber<=10)' dn
	refuse 'what is there is not added' ldbadd /box/people.ldif
	show 'from Python' python3 -c '
import ldb
base = ldb.Ldb("tdb:///box/people.ldb")
for entry in base.search(expression="(uidNumber=7)"):
    print(entry.dn, entry["mail"])
base.transaction_start()
base.add({"dn": "cn=snake,dc=weft", "cn": "snake"})
base.transaction_commit()
print(len(base.search(base="dc=weft", scope=ldb.SCOPE_SUBTREE)))'
}
