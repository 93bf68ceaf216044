#!/usr/bin/env perl
# SPDX-License-Identifier: LGPL-3.0-or-later
# weft-shelf: what it costs while nobody wants anything: nothing.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use Test::More;
use Time::HiRes qw(sleep);
use shelf;

binary();
my $seconds = $ENV{SHELF_IDLE_SECONDS} // 2;
my $root = root();
put("$root/a.txt", "hello\n");

sub threads {
	my ($shelf) = @_;
	my @tasks = glob "/proc/$shelf->{pid}/task/*";
	return scalar @tasks;
}

# All switches of all threads so far.
sub switches {
	my ($shelf) = @_;
	my $n = 0;
	for my $status (glob "/proc/$shelf->{pid}/task/*/status") {
		$n += $_ for text_of($status) =~ /ctxt_switches:\t(\d+)/g;
	}
	return $n;
}

sub settled {
	my ($shelf) = @_;
	my $last = -1;
	return until_true('it sleeps', sub {
		my $now = switches($shelf);
		my $same = $now == $last;
		$last = $now;
		sleep 0.1;
		return $same;
	});
}

# Here, for once, time itself is the condition.
sub is_idle {
	my ($shelf, $what) = @_;
	settled($shelf);
	my $before = switches($shelf);
	sleep $seconds;
	is(switches($shelf) - $before, 0, "$what: 0 switches in $seconds s");
}

my $shelf = start('--root', $root);
is(threads($shelf), 1, 'no thread before the first work');
is_idle($shelf, 'after the start');

my @clients = map { connect_to($shelf) } 1 .. 20;
for my $client (@clients) {
	send_to($client, "GET /ping HTTP/1.1\r\nHost: x\r\n\r\n");
	is(hear($client)->{status}, 200, 'a client that stays');
}
is(threads($shelf), 1, 'no thread for a ping');
is_idle($shelf, 'with 20 idle clients');

SKIP: {
	skip 'the thread sanitizer has a thread of its own', 4
	  if binary() =~ m{/tsan/};
	is(get($shelf, '/sum/a.txt')->{status}, 200, 'some work');
	is(threads($shelf), 2, 'one thread for one piece of work');
	ok(until_true('it is gone again', sub { threads($shelf) == 1 }),
		'which leaves when there is no more');
	is_idle($shelf, 'after it');
}

is(stop($shelf), 0, 'ends as told');
done_testing();
