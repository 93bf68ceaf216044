#!/usr/bin/env perl
# SPDX-License-Identifier: LGPL-3.0-or-later
# weft-shelf: more work than it takes, clients that leave, clients that take
# more than their share, too few descriptors.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use POSIX ();
use Test::More;
use Time::HiRes qw(time);
use shelf;

binary();
my $root = root();
endless("$root/endless");
put("$root/a.txt", "hello\n");
my $host = "Host: x\r\n";
my $work = "GET /sum/endless HTTP/1.1\r\n$host\r\n";
my $ping = "GET /ping HTTP/1.1\r\n$host\r\n";

sub pool {
	my ($shelf) = @_;
	return stats($shelf)->{pool};
}

subtest 'a full queue' => sub {
	my $shelf = start(qw(--workers 1 --queue 2 --root), $root);
	my @clients;
	for my $n (1 .. 3) {
		push @clients, connect_to($shelf);
		send_to($clients[-1], $work);
		ok(until_true("$n pieces of work are there", sub {
			my $pool = pool($shelf);
			return $pool->{running} == 1
			  && $pool->{running} + $pool->{queued} == $n;
		}), "$n accepted, one runs");
	}
	for (1 .. 3) {
		my $answer = get($shelf, '/sum/a.txt');
		is($answer->{status}, 503, 'the next is refused');
		is($answer->{body}, "the queue is full\n", 'says why');
		is($answer->{header}{'retry-after'}, 1, 'and when to come again');
	}
	is(get($shelf, '/ping')->{body}, "pong\n", 'the loop is not busy');

	# The one that waits leaves, then the one that runs.
	close pop @clients;
	ok(until_true('the queue is shorter', sub {
		pool($shelf)->{queued} == 1;
	}), 'a client that leaves the queue makes room');
	close shift @clients;
	close shift @clients;
	ok(until_true('nothing runs', sub {
		my $pool = pool($shelf);
		return $pool->{running} + $pool->{queued} == 0;
	}), 'work for clients that left is given up');
	is(stats($shelf)->{routes}{sum}{left}, 3, 'they are counted');
	is(get($shelf, '/sum/a.txt')->{status}, 200, 'there is room again');
	is(stop($shelf), 0, 'ends as told');
};

subtest 'half-closed and pipelining clients' => sub {
	my $shelf = start(qw(--workers 1 --root), $root);
	my $client = connect_to($shelf);
	send_to($client, $work);
	until_true('it runs', sub { pool($shelf)->{running} == 1 });
	shutdown $client, 1;
	my $answer = hear($client);
	is($answer->{status}, 503, 'one that closed its side is told');
	is($answer->{header}{connection}, 'close', 'and closed');
	ok(until_true('nothing runs', sub { pool($shelf)->{running} == 0 }),
		'its work is given up');

	# Nor can it hide behind bytes that it sent before.
	$client = connect_to($shelf);
	send_to($client, $work . $ping x 9);
	until_true('it runs', sub { pool($shelf)->{running} == 1 });
	close $client;
	ok(until_true('nothing runs', sub { pool($shelf)->{running} == 0 }),
		'one that leaves more requests behind has left all the same');

	# Bytes behind a request are not a farewell.
	$client = connect_to($shelf);
	send_to($client, "GET /sum/a.txt HTTP/1.1\r\n$host\r\n$ping");
	is(hear($client)->{status}, 200, 'one that sends on gets this answer');
	is(hear($client)->{body}, "pong\n", 'and the next');
	is(stop($shelf), 0, 'ends as told');
};

# Whoever never stops sending must not keep the others from their results:
# while it does, results still arrive.
subtest 'a client without end' => sub {
	my $shelf = start('--root', $root);
	my $greedy = fork // die;
	if ($greedy == 0) {
		my $socket = connect_to($shelf);
		my $reader = fork // die;
		if ($reader == 0) {
			1 while sysread $socket, my $bytes, 65536;
			POSIX::_exit(0);
		}
		1 while send_to($socket, $ping x 500);
		POSIX::_exit(0);
	}
	until_true('it is at it', sub {
		stats($shelf)->{routes}{ping}{answers} > 2000;
	});
	my $before = stats($shelf)->{routes}{ping}{answers};
	my @status = map { get($shelf, '/sum/a.txt')->{status} } 1 .. 20;
	is_deeply(\@status, [(200) x 20], 'others get their results');
	my $after = stats($shelf)->{routes}{ping}{answers};
	cmp_ok($after, '>', $before, 'while it went on');
	kill 'KILL', $greedy;
	waitpid $greedy, 0;
	is(stop($shelf), 0, 'ends as told');
};

subtest 'no descriptors left' => sub {
	my $shelf = start('--root', $root, '--inline');
	# All of its own, so that accepting another client fails.
	my $taken = () = glob "/proc/$shelf->{pid}/fd/*";
	plan(skip_all => 'no prlimit') if system 'prlimit -V >/dev/null 2>&1';
	system('prlimit', "--pid=$shelf->{pid}", '--nofile=' . ($taken + 3));
	my @clients = map { connect_to($shelf) } 1 .. 8;
	send_to($_, $ping) for @clients;
	is(hear($clients[0])->{body}, "pong\n", 'the first are served');
	like(text_of($shelf->{err}), qr{Too many open files},
		'too many came at once');
	close shift @clients;
	for my $client (@clients) {
		is(hear($client)->{body}, "pong\n",
			'the next is served when there is room');
		close $client;
	}
	is(get($shelf, '/ping')->{body}, "pong\n", 'so are later ones');
	is(stop($shelf), 0, 'ends as told');
};

subtest 'more clients than it takes' => sub {
	plan(skip_all => 'no prlimit') if system 'prlimit -V >/dev/null 2>&1';
	local @shelf::prefix = qw(prlimit --nofile=72);
	my $shelf = start('--root', $root, '--inline');
	my @clients = map { connect_to($shelf) } 1 .. 20;
	send_to($_, $ping) for @clients;
	my @served = splice @clients, 0, 8;
	is_deeply([map { hear($_)->{body} } @served], [("pong\n") x 8],
		'eight are served');
	ok(!IO::Select->new(@clients)->can_read(0.2), 'no more');
	undef @served;
	for my $client (@clients) {
		is(hear($client)->{body}, "pong\n",
			'the next is served when one has left');
		close $client;
	}
	is(stop($shelf), 0, 'ends as told');
};

done_testing();
