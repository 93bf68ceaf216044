#!/usr/bin/env perl
# SPDX-License-Identifier: LGPL-3.0-or-later
# weft-shelf: requests that must be refused, each with one clear line, and
# none of which may shake it.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use Test::More;
use shelf;
use shelf_pictures;

binary();
my $root = root();
put("$root/a.txt", "hello\n");
my $picture = picture('colour');
put("$root/colour.jpg", $picture);
put("$root/short.jpg", substr $picture, 0, length($picture) - 200);
put("$root/noise.jpg",
	substr($picture, 0, 640) . "\xff\xd0" x 50 . "\xff\xd9");
put("$root/cmyk.jpg", picture('cmyk'));
put("$root/empty.jpg", '');

# A frame of 60000 x 60000 pixels is a claim of ten bytes.
my $claim = $picture;
my (undef, undef, $at) = sof($claim);
substr $claim, $at + 5, 4, pack 'nn', 60000, 60000;
put("$root/claim.jpg", $claim);

# A progressive picture whose first scan comes again and again.
my $scans = picture('progressive');
$scans =~ s{(\xff\xda(?:[^\xff]|\xff\0)+)}{$1 x 200}e;
put("$root/scans.jpg", $scans);

my $shelf = start('--root', $root);
my $big = 'x' x 3000;
my $host = "Host: x\r\n";

# name, bytes, status, what the body says (undef: the HTTP library's own page)
my @cases = (
	['two lengths', "POST /login HTTP/1.1\r\n${host}Content-Length: 3\r\n"
		  . "Content-Length: 4\r\n\r\nabcd",
		400, 'more than one Content-Length'],
	['the same length twice',
		"POST /login HTTP/1.1\r\n${host}Content-Length: 4\r\n"
		  . "content-length: 4\r\n\r\nabcd",
		400, 'more than one Content-Length'],
	['a list of lengths',
		"POST /login HTTP/1.1\r\n${host}Content-Length: 4, 4\r\n\r\nabcd",
		400, undef],
	['a length, then an encoding',
		"POST /login HTTP/1.1\r\n${host}Content-Length: 4\r\n"
		  . "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		400, 'Content-Length together with Transfer-Encoding'],
	['an encoding, then a length',
		"POST /login HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n"
		  . "Content-Length: 4\r\n\r\n0\r\n\r\n",
		400, 'Content-Length together with Transfer-Encoding'],
	['an encoding alone',
		"POST /login HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n"
		  . "\r\n3\r\nabc\r\n0\r\n\r\n",
		411, 'a body needs a Content-Length'],
	['a strange encoding',
		"POST /login HTTP/1.1\r\n${host}Transfer-Encoding: identity\r\n"
		  . "\r\nabc",
		411, 'a body needs a Content-Length'],
	['no length', "POST /login HTTP/1.1\r\n${host}\r\n",
		411, 'a body needs a Content-Length'],
	['a body over the limit',
		"POST /login HTTP/1.1\r\n${host}Content-Length: 3000\r\n\r\n$big",
		413, 'the body is over the limit of 2048 bytes'],
	['a length as large as they come',
		"POST /login HTTP/1.1\r\n${host}"
		  . "Content-Length: 18446744073709551615\r\n\r\n",
		413, 'the body is over the limit of 2048 bytes'],
	['a length larger than that',
		"POST /login HTTP/1.1\r\n${host}"
		  . "Content-Length: 99999999999999999999\r\n\r\n",
		413, undef],
	['a negative length',
		"POST /login HTTP/1.1\r\n${host}Content-Length: -1\r\n\r\n",
		400, undef],
	['too much, asked for first',
		"POST /login HTTP/1.1\r\n${host}Content-Length: 100000\r\n"
		  . "Expect: 100-continue\r\n\r\n",
		413, 'the body is over the limit of 2048 bytes'],
	['a body where none is taken',
		"GET /ping HTTP/1.1\r\n${host}Content-Length: 3\r\n\r\nabc",
		413, 'no body is taken here'],
	['a space in a header name',
		"POST /login HTTP/1.1\r\n${host}Content-Length : 4\r\n\r\nabcd",
		400, 'malformed header line'],
	['a length on a continued line',
		"POST /login HTTP/1.1\r\n${host}Content-Length:\r\n 3\r\n\r\nabc",
		400, 'malformed header line'],
	['an encoding on a continued line',
		"GET /ping HTTP/1.1\r\n${host}Transfer-Encoding:\r\n chunked\r\n"
		  . "\r\n0\r\n\r\n",
		400, 'malformed header line'],
	['a lone CR in a header',
		"GET /ping HTTP/1.1\r\n${host}X: a\rContent-Length: 3\r\n\r\nabc",
		400, 'malformed header line'],
	['no host', "GET /ping HTTP/1.1\r\n\r\n", 400, 'no Host'],
	['two hosts', "GET /ping HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		400, 'more than one Host'],
	['an unknown path', "GET /nothing HTTP/1.1\r\n$host\r\n",
		404, 'no such route'],
	['a route without its path', "GET /sum/ HTTP/1.1\r\n$host\r\n",
		404, 'no such route'],
	['a route with too much path', "GET /ping/x HTTP/1.1\r\n$host\r\n",
		404, 'no such route'],
	['the server as a whole', "OPTIONS * HTTP/1.1\r\n$host\r\n",
		404, 'no such route'],
	['a space in the path', "GET /pi ng HTTP/1.1\r\n$host\r\n",
		400, 'space or control character in the target'],
	['a control character', "GET /ping\x01 HTTP/1.1\r\n$host\r\n",
		400, 'space or control character in the target'],
	['half an escape', "GET /sum/a%4 HTTP/1.1\r\n$host\r\n",
		400, 'bad escape in the path'],
	['no escape at all', "GET /sum/a%zz HTTP/1.1\r\n$host\r\n",
		400, 'bad escape in the path'],
	['a long target', 'GET /' . 'a' x 9000 . " HTTP/1.1\r\n$host\r\n",
		414, 'the target is too long'],
	['a form of another type',
		"POST /login HTTP/1.1\r\n${host}Content-Length: 2\r\n"
		  . "Content-Type: application/json\r\n\r\n{}",
		415, 'send application/x-www-form-urlencoded'],
	(map {
			["the form '$_'",
				"POST /login HTTP/1.1\r\n${host}Content-Length: "
				  . length($_) . "\r\n\r\n$_",
				400, 'send user=NAME&password=PASSWORD']
		} '', 'user=alice', 'password=x', 'user=a&user=b&password=x',
		'user=%00&password=x', 'user=a&password=%', "user=a&password=x\0",
		'xuser=a&password=x'),
	['a very long password',
		"POST /login HTTP/1.1\r\n${host}Content-Length: 316\r\n\r\n"
		  . 'user=a&password=' . 'x' x 300,
		400, 'user name or password is too long'],
	(map {
			["w='$_'", "GET /thumb/colour.jpg?w=$_ HTTP/1.1\r\n$host\r\n",
				400, 'w must be a number from 1 to 1024']
		} '', '0', '-1', '1025', '00001', '1e2', 'x', '%31%00',
		'99999999999999999999', '5&w=5'),
	(map {
			["a thumb of $_->[0]",
				"GET /thumb/$_->[0] HTTP/1.1\r\n$host\r\n", @$_[1, 2]]
		} ['a.txt', 415, 'not a JPEG'], ['empty.jpg', 415, 'not a JPEG'],
		['short.jpg', 422, 'the JPEG ends early'],
		['noise.jpg', 422, 'a damaged JPEG'],
		['cmyk.jpg', 415, 'neither a colour nor a grey JPEG'],
		['claim.jpg', 422, 'the picture has too many pixels'],
		['scans.jpg', 422, 'the JPEG has too many scans']),
);
for my $case (@cases) {
	my ($name, $bytes, $status, $line) = @$case;
	my $answer = ask($shelf, $bytes);
	is($answer->{status}, $status, "$name: $status");
	is($answer->{body}, "$line\n", "$name: says why") if defined $line;
}

# The methods of each route.
for (['/ping', 'GET, HEAD'], ['/sum/a.txt', 'GET, HEAD'],
	['/stats', 'GET, HEAD'], ['/login', 'POST']) {
	my ($target, $allow) = @$_;
	for my $method (qw(PUT DELETE get GE POS FOO),
		$allow eq 'POST' ? 'GET' : 'POST') {
		my $answer = ask($shelf, "$method $target HTTP/1.1\r\n$host"
			  . "Content-Length: 0\r\n\r\n");
		is($answer->{status}, 405, "$method $target: 405");
		is($answer->{header}{allow}, $allow, 'says what is allowed');
	}
}

# After a refusal whose end is known the connection goes on.
my $socket = connect_to($shelf);
send_to($socket, "POST /nothing HTTP/1.1\r\n${host}Content-Length: 3000\r\n"
	  . "\r\n${big}GET /ping HTTP/1.1\r\n$host\r\n");
is(hear($socket)->{status}, 404, 'a refused body is read');
is(hear($socket)->{body}, "pong\n", 'and the connection goes on');

# So is a long one; one that is too long to read is answered all the same.
$socket = connect_to($shelf);
send_to($socket, "POST /login HTTP/1.1\r\n${host}Content-Length: 900000\r\n"
	  . "\r\n" . 'x' x 900_000 . "GET /ping HTTP/1.1\r\n$host\r\n");
is(hear($socket)->{status}, 413, 'a long refused body is read');
is(hear($socket)->{body}, "pong\n", 'and the connection goes on');
$socket = connect_to($shelf);
send_to($socket, "POST /login HTTP/1.1\r\n${host}Content-Length: 9000000\r\n\r\n");
is(hear($socket)->{status}, 413, 'a longer one is not waited for');

# After one whose end is not known it does not: what looks like a second
# request in the body is never taken for one.
$socket = connect_to($shelf);
send_to($socket, "POST /login HTTP/1.1\r\n${host}Content-Length: 1\r\n"
	  . "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
	  . "GET /ping HTTP/1.1\r\n$host\r\n");
is(hear($socket)->{status}, 400, 'an ambiguous end');
ok(!defined hear($socket, within => 5), 'ends the connection');

# Bytes that are no HTTP: refused, or the connection is dropped.
for my $garbage ("\x16\x03\x01\x02\0\1\0\r\n\r\n", "GET\r\n\r\n",
	'GET /' . 'a' x 60000, "GET /ping HTTP/1.1\r\nX: " . 'a' x 60000,
	"GET /ping HTTP/1.1\r\n" . "X: a\r\n" x 9000) {
	$socket = connect_to($shelf);
	send_to($socket, $garbage);
	my $answer = hear($socket, within => 5);
	ok(!defined $answer || $answer->{status} >= 400,
		'garbage: refused or dropped');
}

# Beginnings that never go on; their clients leave.
for my $beginning ("\0" x 5000, "\r\n" x 3000, 'G', "GET /ping HTTP/1.1\r\n",
	"POST /login HTTP/1.1\r\n${host}Content-Length: 9\r\n\r\nuser") {
	close $socket if $socket;
	$socket = connect_to($shelf);
	send_to($socket, $beginning);
}
close $socket;
is(get($shelf, '/ping')->{body}, "pong\n", 'it still answers');
is(stop($shelf), 0, 'and ends as told');
done_testing();
