#!/usr/bin/env perl
# SPDX-License-Identifier: LGPL-3.0-or-later
# weft-shelf: what is kept, and comes back; whoever is refused, leaves, or comes
# at the same time, an object is always whole, and nothing else is left behind.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use Digest::SHA qw(sha256_hex);
use JSON::PP qw(decode_json);
use POSIX ();
use Test::More;
use shelf;
use shelf_pictures;

binary();
my $root = root();

sub put_object {
	my ($shelf, $name, $bytes, @headers) = @_;
	return ask($shelf, join("\r\n", "PUT /o/$name HTTP/1.1", 'Host: x',
		'Content-Length: ' . length $bytes, @headers, '', $bytes));
}

# The files that objects are in.
sub files {
	my ($store) = @_;
	return grep { m{/[0-9a-f]{32}\z} } glob "$store/*";
}

# No two bytes in a row say much about the next; the same ones each time.
sub noise {
	my ($size) = @_;
	my $seed = 1;
	return pack 'V*', map {
		$seed = ($seed * 1664525 + 1013904223) % 2**32
	} 1 .. $size / 4;
}

my %objects = (
	empty => '',
	one => 'x',
	'text.txt' => "hello\n" x 3,
	piece => noise(262_144),
	'piece-and-one' => noise(262_144) . 'x',
	block => noise(131_072),
	large => noise(3_000_000),
	packed => 'abc' x 1_000_000,
	'A-Za-z0-9 _~!' => "spaced\n",
	'n' x 128 => 'the longest name',
);

sub escaped {
	my ($name) = @_;
	$name =~ s/([^A-Za-z0-9._-])/sprintf '%%%02x', ord $1/ge;
	return $name;
}

sub kept {
	my ($shelf, $store) = @_;
	for my $name (sort keys %objects) {
		my $bytes = $objects{$name};
		my $short = substr $name, 0, 20;
		my $answer = put_object($shelf, escaped($name), $bytes);
		is($answer->{status}, 201, "$short: kept");
		my $said = decode_json($answer->{body});
		is_deeply([@$said{qw(name size sha256)}],
			[$name, length $bytes, sha256_hex($bytes)],
			"$short: name, size and sum");
		$answer = get($shelf, '/o/' . escaped($name));
		is($answer->{status}, 200, "$short: comes back");
		ok($answer->{body} eq $bytes, "$short: the same bytes");
		is($answer->{header}{'content-type'}, $said->{type},
			"$short: of its type");
		is($answer->{header}{etag}, '"' . sha256_hex($bytes) . '"',
			"$short: with its sum");
	}
	is(scalar files($store), scalar keys %objects, 'a file for each');
	my $answer = put_object($shelf, 'picture', picture('colour'));
	like($answer->{body}, qr{"type": "image/jpeg; }, 'a type is found out');
	$answer = put_object($shelf, 'one', 'y');
	is($answer->{status}, 200, 'another one of that name');
	is(get($shelf, '/o/one')->{body}, 'y', 'is the one that is kept');
	is(scalar files($store), 1 + keys %objects, 'and the old file is gone');
	$answer = ask($shelf, "HEAD /o/large HTTP/1.1\r\nHost: x\r\n\r\n",
		head => 1);
	is($answer->{header}{'content-length'}, length $objects{large},
		'HEAD has the length');
	is(get($shelf, '/o/nothing')->{status}, 404, 'what is not there');
}

for my $mode ([], ['--inline']) {
	my $store = root() . '/store';
	my @options = ('--root', $root, '--store', $store, @$mode);
	my $shelf = start(@options);
	subtest @$mode ? 'inline' : 'pool' => sub {
		kept($shelf, $store);
		my $second = start('--root', $root, '--store', $store);
		is($second->{port}, undef, 'nobody else may have its store');
		like(text_of($second->{err}), qr/cannot open the store/,
			'and is told');
		is(stop($second, 'none'), 1, 'exit status 1');
		is(stop($shelf), 0, 'ends as told');
		put("$store/" . '0' x 32, 'left by a crash');
		$shelf = start(@options);
		ok(!-e "$store/" . '0' x 32, 'what has no row is removed');
		ok(get($shelf, '/o/large')->{body} eq $objects{large},
			'what has one is there');
		is(stop($shelf), 0, 'ends as told');
	};
}

subtest 'refused' => sub {
	my $store = root();
	my $shelf = start('--root', $root, '--store', $store, '--max-upload', 1);
	for my $name ('.hidden', '..', 'a/b', 'a%2fb', '%0a', '%c3%bc',
		'n' x 129) {
		my $answer = put_object($shelf, $name, 'x');
		my $short = substr $name, 0, 20;
		is($answer->{status}, 400, "PUT '$short'");
		is($answer->{body}, "not a name for an object\n", 'says why');
		is(get($shelf, "/o/$name")->{status}, 400, "GET '$short'");
	}
	is(put_object($shelf, '', 'x')->{status}, 404, 'no name');
	is(put_object($shelf, 'a', 'x' x (1024 * 1024))->{status}, 201, 'a MiB');
	my $answer = put_object($shelf, 'b', 'x' x (1024 * 1024 + 1));
	is($answer->{status}, 413, 'more than a MiB');
	is($answer->{body}, "the body is over the limit of 1048576 bytes\n",
		'says why');
	$answer = ask($shelf, "DELETE /o/a HTTP/1.1\r\nHost: x\r\n\r\n");
	is($answer->{status}, 405, 'another method');
	is($answer->{header}{allow}, 'GET, HEAD, PUT', 'says what is allowed');
	is(stop($shelf), 0, 'ends as told');
	$shelf = start('--root', $root);
	is(put_object($shelf, 'a', 'x')->{status}, 404, 'PUT without a store');
	is(get($shelf, '/o/a')->{status}, 404, 'GET without a store');
	is(stop($shelf), 0, 'ends as told');
};

subtest 'more uploads than it takes' => sub {
	my $store = root();
	my $shelf = start('--root', $root, '--store', $store, '--queue', 2);
	my @clients = map { connect_to($shelf) } 1 .. 2;
	send_to($_, "PUT /o/a HTTP/1.1\r\nHost: x\r\n"
		  . "Content-Length: 600000\r\n\r\n" . 'x' x 300_000)
	  for @clients;
	ok(until_true('both have begun', sub {
		stats($shelf)->{lanes}{disk}{completed} == 2;
	}), 'a piece of each is written');
	my $answer = put_object($shelf, 'b', 'x');
	is($answer->{status}, 503, 'the next is refused');
	is($answer->{body}, "too many uploads\n", 'says why');
	is($answer->{header}{'retry-after'}, 1, 'and when to come again');
	send_to($clients[0], 'x' x 300_000);
	is(hear($clients[0])->{status}, 201, 'one is through');
	is(put_object($shelf, 'b', 'x')->{status}, 201, 'there is room again');
	close pop @clients;
	ok(until_true('one is left', sub {
		put_object($shelf, 'c', 'x')->{status} =~ /201|200/;
	}), 'one that leaves makes room as well');
	is(scalar files($store), 3, 'and leaves nothing behind');
	is(stop($shelf), 0, 'ends as told');
};

subtest 'clients that leave' => sub {
	my $store = root();
	my $shelf = start('--root', $root, '--store', $store, '--workers', 1);
	my $bytes = noise(600_000);
	my $head = "PUT /o/a HTTP/1.1\r\nHost: x\r\nContent-Length: 600000\r\n\r\n";
	for my $part (0, 1, 100_000, 262_144, 599_999, (600_000) x 20) {
		my $client = connect_to($shelf);
		send_to($client, $head . substr $bytes, 0, $part);
		close $client;
	}
	ok(until_true('all is done', sub {
		my $pool = stats($shelf)->{pool};
		return 0
		  if $pool->{queued} + $pool->{running} + $pool->{orphans} != 0;
		my $answer = get($shelf, '/o/a');
		return $answer->{status} == 404
		  ? files($store) == 0
		  : $answer->{body} eq $bytes && files($store) == 1;
	}), 'the object is whole or not there, and nothing else is left');
	is(stop($shelf), 0, 'ends as told');
};

subtest 'killed' => sub {
	my $store = root();
	my $bytes = noise(200_000);
	for my $round (1 .. 5) {
		my $shelf = start('--root', $root, '--store', $store);
		my @clients = map { connect_to($shelf) } 1 .. 6;
		send_to($clients[$_], "PUT /o/k$_ HTTP/1.1\r\nHost: x\r\n"
			  . "Content-Length: 200000\r\n\r\n$bytes")
		  for 0 .. 5;
		hear($clients[$_]) for 0 .. $round;
		is(stop($shelf, 'KILL'), 'signal 9', 'in the middle');
		$shelf = start('--root', $root, '--store', $store);
		my @kept = grep { $_->{status} == 200 }
		  map { get($shelf, "/o/k$_") } 0 .. 5;
		cmp_ok(scalar @kept, '>', $round, 'what was told is kept');
		ok(!grep({ $_->{body} ne $bytes } @kept), 'all of it whole');
		is(scalar files($store), scalar @kept, 'and nothing else');
		is(stop($shelf), 0, 'ends as told');
	}
};

# Writers of one name and readers of it: each answer is what one of the writers
# has sent, each writer is told of what it sent itself.
subtest 'at the same time' => sub {
	my $store = root();
	my $shelf = start('--root', $root, '--store', $store);
	my @bytes = map { chr(65 + $_) x 300_000 . noise(4 * ($_ + 1)) } 0 .. 3;
	my %whole = map { sha256_hex($_) => 1 } @bytes;
	is(put_object($shelf, 'a', $bytes[0])->{status}, 201, 'the first');
	my @writers;
	for my $mine (@bytes) {
		my $pid = fork // die;
		if ($pid == 0) {
			my $bad = 0;
			for (1 .. 20) {
				my $answer = put_object($shelf, 'a', $mine);
				next if $answer->{status} == 503;
				$bad++ if $answer->{status} != 200;
				$bad++ if index($answer->{body},
					sha256_hex($mine)) < 0;
			}
			POSIX::_exit($bad ? 1 : 0);
		}
		push @writers, $pid;
	}
	my $bad = 0;
	for (1 .. 60) {
		my $answer = get($shelf, '/o/a');
		next if $answer->{status} == 503;
		my $sum = sha256_hex($answer->{body} // '');
		$bad++ if !$whole{$sum} || $answer->{header}{etag} ne "\"$sum\"";
	}
	is($bad, 0, 'a reader gets what one of them has written');
	for my $pid (@writers) {
		waitpid $pid, 0;
		is($?, 0, 'a writer is told of its own');
	}
	is(scalar files($store), 1, 'one file is left');
	is(stop($shelf), 0, 'ends as told');
};

done_testing();
