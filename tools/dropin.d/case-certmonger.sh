# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
# certmonger: on a bus of its own it makes a certificate that it signs itself.

certmonger_setup() {
	users messagebus:101
	mkdir -p /run/dbus /run/certmonger /box/certs
	# Nobody but we starts it.
	rm /usr/share/dbus-1/system-services/org.fedorahosted.certmonger.service
	dbus-uuidgen --ensure
	dbus-daemon --system --nofork --nopidfile >/log/dbus.out 2>&1 </dev/null &
	until_ok 20 dbus-send --system --print-reply \
		--dest=org.freedesktop.DBus / org.freedesktop.DBus.ListNames
}

case_certmonger() {
	check 'there is a bus' certmonger_setup || return
	started certmonger -n -d 2
	check 'certmonger answers' until_ok 30 getcert list-cas || return
	show 'its authorities' authorities
	check 'a certificate is asked for' getcert request -c SelfSign \
		-f /box/certs/weft.pem -k /box/certs/weft.key \
		-N CN=weft.test -I weft
	check 'and comes' until_ok 60 monitored
	show 'for the name' openssl x509 -in /box/certs/weft.pem -noout \
		-subject -issuer
	check 'of the key' key_fits
	check 'another is asked for' getcert resubmit -i weft -N CN=two.test
	check 'and comes too' until_ok 60 renewed
	check 'tracking stops' getcert stop-tracking -i weft
	show 'nothing is tracked' getcert list
	uses certmonger
	check 'SIGTERM ends it' ends 0
}

authorities() {
	getcert list-cas | grep '^CA'
}

monitored() {
	getcert list -i weft | grep -q 'status: MONITORING'
}

renewed() {
	monitored && openssl x509 -in /box/certs/weft.pem -noout -subject |
		grep -q two.test
}

key_fits() {
	cmp <(openssl x509 -in /box/certs/weft.pem -noout -pubkey) \
		<(openssl pkey -in /box/certs/weft.key -pubout)
}
