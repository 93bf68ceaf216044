#!/usr/bin/env perl
# SPDX-License-Identifier: LGPL-3.0-or-later
# weft-shelf: what it answers when it is asked properly, with a pool and inline.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use Digest::SHA qw(sha256_hex);
use Test::More;
use shelf;
use shelf_pictures;

my $program = binary();

sub output_of {
	my ($line) = @_;
	my $text = qx($line 2>&1);
	return ($? >> 8, $text);
}

my ($status, $text) = output_of("$program --help");
is($status, 0, '--help: exit status 0');
like($text, qr/\AUsage: weft-shelf /, '--help: says how it is used');
($status, $text) = output_of("$program --version");
is($status, 0, '--version: exit status 0');
like($text, qr/\Aweft-shelf \d+\.\d+\.\d+\n\z/, '--version: one line');
for my $bad ('--nonsense', 'stray', '--port', '--port 65536', '--port x',
	'--queue 0', '--workers -1', '--drain 1x', '--nice 20', '--nice ""') {
	($status, $text) = output_of("$program $bad");
	is($status, 2, "$bad: exit status 2");
	like($text, qr/\A[^\n]*weft-shelf[^\n]*\n\z/, "$bad: one line says why");
}
($status, $text) = output_of("$program --root /nonexistent --port 0");
is($status, 1, 'no such root: exit status 1');
like($text, qr/cannot serve \/nonexistent: No such/, 'and says so');

my $root = root();
mkdir "$root/sub";
my %files = (
	empty => '',
	'a.txt' => "hello\n",
	'sub/b c%d' => join('', map { chr(($_ * 7) % 256) } 1 .. 200_000),
	"\xc3\xbc.bin" => "\0" x 65536,
);
put("$root/$_", $files{$_}) for keys %files;
put("$root/$_.jpg", picture($_)) for qw(colour progressive grey);
symlink 'sub', "$root/inside";

sub escaped {
	my ($path) = @_;
	$path =~ s/([^A-Za-z0-9._\/-])/sprintf '%%%02x', ord $1/ge;
	return $path;
}

sub sums {
	my ($shelf) = @_;
	for my $name (sort keys %files) {
		my $answer = get($shelf, '/sum/' . escaped($name));
		is($answer->{status}, 200, "sum of '" . escaped($name) . "'");
		is($answer->{body}, sha256_hex($files{$name}) . "\n",
			'is its SHA-256');
	}
	is(get($shelf, '/sum/inside/b%20c%25d')->{body},
		sha256_hex($files{'sub/b c%d'}) . "\n",
		'a link that stays inside is followed');
	is(get($shelf, "/sum/\xc3\xbc.bin")->{status}, 200,
		'bytes above ASCII need no escape');
	my $answer = ask($shelf, "HEAD /sum/a.txt HTTP/1.1\r\nHost: x\r\n\r\n",
		head => 1);
	is($answer->{header}{'content-length'}, 65, 'HEAD has the length');
}

sub thumbs {
	my ($shelf) = @_;
	my @sizes = ([colour => 24, 24, 16], [colour => 1, 1, 1],
		[colour => 47, 47, 31], [colour => 48, 48, 32],
		[colour => 1024, 48, 32], [progressive => 17, 17, 11],
		[grey => 20, 20, 13]);
	for (@sizes) {
		my ($name, $w, @expected) = @$_;
		my $answer = get($shelf, "/thumb/$name.jpg?w=$w");
		is($answer->{status}, 200, "thumb of $name, w=$w");
		is($answer->{header}{'content-type'}, 'image/jpeg', 'a JPEG');
		is_deeply([(sof($answer->{body}))[0, 1]], \@expected,
			"of @expected pixels");
	}
	is((sof(get($shelf, '/thumb/colour.jpg')->{body}))[0], 48,
		'without w, and never larger than it was');
}

sub logins {
	my ($shelf) = @_;
	my $answer = post($shelf, '/login',
		'user=alice&password=correct+horse',
		'Content-Type: application/x-www-form-urlencoded');
	is($answer->{status}, 200, 'alice logs in');
	is($answer->{body}, "welcome, alice\n", 'and is welcome');
	is(post($shelf, '/login', 'password=correct%20horse&user=%61lice')
		  ->{status}, 200, 'however the form is written');
	is(post($shelf, '/login', 'user=alice&password=correct+hors')->{status},
		403, 'a wrong password');
	is(post($shelf, '/login', 'user=bob&password=correct+horse')->{status},
		403, "somebody else's password");
	is(post($shelf, '/login', 'user=eve&password=')->{status},
		403, 'an unknown user');
}

# Several requests on one connection, and one after the other in one write.
sub kept {
	my ($shelf) = @_;
	my $socket = connect_to($shelf);
	my $one = "GET %s HTTP/1.1\r\nHost: x\r\n\r\n";
	my @targets = qw(/ping /sum/a.txt /ping /sum/empty /nothing /ping);
	my @status;
	for my $target (@targets) {
		send_to($socket, sprintf $one, $target);
		push @status, hear($socket)->{status};
	}
	is_deeply(\@status, [200, 200, 200, 200, 404, 200],
		'one connection, one request after the other');
	send_to($socket, join '', map { sprintf $one, $_ } @targets);
	@status = map { hear($socket)->{status} } @targets;
	is_deeply(\@status, [200, 200, 200, 200, 404, 200],
		'all in one write, answered in order');
	send_to($socket, "GET /ping HTTP/1.0\r\n\r\n");
	is(hear($socket)->{header}{connection}, 'close', 'HTTP/1.0 is closed');
	ok(!defined hear($socket, within => 5), 'and is');
	is(get($shelf, 'http://127.0.0.1/ping')->{body}, "pong\n",
		'a target with a host in it');
}

for my $mode ([], ['--inline']) {
	my $shelf = start('--root', $root, @$mode);
	my $name = @$mode ? 'inline' : 'pool';
	subtest $name => sub {
		is(get($shelf, '/ping')->{body}, "pong\n", 'ping');
		sums($shelf);
		thumbs($shelf);
		logins($shelf);
		kept($shelf);
		my $stats = stats($shelf);
		is($stats->{mode}, $name, 'stats: the mode');
		is($stats->{routes}{login}{'2xx'}, 2, 'stats: log-ins');
		is($stats->{routes}{login}{'4xx'}, 3, 'stats: refused ones');
		ok($stats->{routes}{login}{latency_us}{p50} > 1000,
			'stats: a log-in takes time');
		ok($stats->{routes}{ping}{latency_us}{max} > 0,
			'stats: so does a ping');
		if ($name eq 'pool') {
			my $pool = $stats->{pool};
			is($pool->{submitted}, $pool->{completed},
				'stats: what was submitted came back');
			is($pool->{queued} + $pool->{running}, 0,
				'stats: nothing is left');
		} else {
			is($stats->{pool}, undef, 'stats: no pool');
		}
		is(stop($shelf), 0, 'SIGTERM: exit status 0');
	};
}

done_testing();
