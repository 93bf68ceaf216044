#!/usr/bin/env perl
# SPDX-License-Identifier: LGPL-3.0-or-later
# weft-shelf: how it ends.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use Test::More;
use Time::HiRes qw(time);
use shelf;

binary();
my $root = root();
endless("$root/endless");
# Long enough for a signal to come while it is read, short enough to wait for.
put("$root/large", '');
truncate "$root/large", 300_000_000 or die;
my $host = "Host: x\r\n";
my $form = 'user=alice&password=correct+horse';

sub running {
	my ($shelf, $n) = @_;
	return until_true("$n run", sub {
		my $pool = stats($shelf)->{pool};
		return $pool->{running} + $pool->{queued} == $n;
	});
}

# Nobody new comes in; that also says that the signal has been seen.
sub closed_to_others {
	my ($shelf) = @_;
	return until_true('it is closed to others', sub {
		return !IO::Socket::INET->new(PeerAddr => '127.0.0.1',
			PeerPort => $shelf->{port});
	});
}

subtest 'what was read is answered' => sub {
	my $shelf = start(qw(--workers 1 --root), $root);
	my @clients = map { connect_to($shelf) } 1 .. 3;
	my $idle = connect_to($shelf);
	send_to($idle, "GET /ping HTTP/1.1\r\n$host\r\n");
	is(hear($idle)->{status}, 200, 'a client that stays');
	send_to($_, "GET /sum/large HTTP/1.1\r\n$host\r\n") for @clients;
	# One has sent half its request when the signal comes.
	my $half = connect_to($shelf);
	send_to($half, "POST /login HTTP/1.1\r\n${host}Content-Length: "
		  . length($form) . "\r\n\r\nuser=alice");
	ok(running($shelf, 3), 'one runs, two wait');
	kill 'TERM', $shelf->{pid};
	ok(closed_to_others($shelf), 'nobody new comes in');
	send_to($half, substr $form, 10);
	my $answer = hear($half);
	is($answer->{status}, 503, 'what is complete only now is refused');
	is($answer->{header}{connection}, 'close', 'and its connection closed');
	send_to($idle, "GET /ping HTTP/1.1\r\n$host\r\n");
	is(hear($idle)->{status}, 503, 'so is a request that begins now');
	for my $client (@clients) {
		$answer = hear($client);
		is($answer->{status}, 200, 'what was read is answered');
		is($answer->{header}{connection}, 'close', 'and closed');
		ok(!defined hear($client, within => 5), 'at once');
	}
	is(stop($shelf, 'none'), 0, 'then it ends by itself');
};

subtest 'an upload' => sub {
	my $store = root();
	my $shelf = start('--root', $root, '--store', $store);
	my $half = connect_to($shelf);
	send_to($half, "PUT /o/a HTTP/1.1\r\n${host}Content-Length: 600000\r\n"
		  . "\r\n" . 'x' x 300_000);
	ok(until_true('some of it is written', sub {
		stats($shelf)->{pool}{completed} == 1;
	}), 'half of one has come');
	my $idle = connect_to($shelf);
	send_to($idle, "GET /ping HTTP/1.1\r\n$host\r\n");
	is(hear($idle)->{status}, 200, 'a client that stays');
	my $work = connect_to($shelf);
	send_to($work, "GET /sum/endless HTTP/1.1\r\n$host\r\n");
	ok(running($shelf, 1), 'work that takes long');
	kill 'TERM', $shelf->{pid};
	ok(closed_to_others($shelf), 'nobody new comes in');
	send_to($half, 'x' x 300_000);
	is(hear($half)->{status}, 503, 'the rest comes too late');
	my @files = grep { !m{/index} } glob "$store/*";
	is_deeply(\@files, [], 'and nothing is kept');
	is(stop($shelf), 0, 'the second signal: exit status 0');
};

# At whichever moment of an upload the end comes.
subtest 'many ends of an upload' => sub {
	my $store = root();
	my %seen;
	for my $part (map { $_ * 40_000 } 0 .. 20) {
		my $shelf = start('--root', $root, '--store', $store,
			qw(--drain 0));
		my $client = connect_to($shelf);
		send_to($client, "PUT /o/a$part HTTP/1.1\r\n${host}"
			  . "Content-Length: 800000\r\n\r\n" . 'x' x $part);
		$seen{ stop($shelf) }++;
	}
	is_deeply(\%seen, { 0 => 21 }, 'exit status 0 each time');
	my $shelf = start('--root', $root, '--store', $store);
	my @kept = grep { get($shelf, "/o/a$_")->{status} == 200 }
	  map { $_ * 40_000 } 0 .. 20;
	my @files = grep { !m{/index} } glob "$store/*";
	is(scalar @files, scalar @kept, 'a file for what was kept, no other');
	ok(!grep({ $_ != 800_000 } @kept), 'which was sent whole');
	is(stop($shelf), 0, 'ends as told');
};

subtest 'nothing to wait for' => sub {
	for my $signal (qw(TERM INT)) {
		my $shelf = start('--root', $root);
		my $idle = connect_to($shelf);
		send_to($idle, "GET /ping HTTP/1.1\r\n$host\r\n");
		is(hear($idle)->{status}, 200, 'a client that only stays');
		my $began = time;
		is(stop($shelf, $signal), 0, "SIG$signal: exit status 0");
		cmp_ok(time - $began, '<', 5, 'without waiting for it');
	}
};

subtest 'the time is up' => sub {
	my $shelf = start(qw(--workers 1 --drain 1 --root), $root);
	my @clients = map { connect_to($shelf) } 1 .. 2;
	send_to($_, "GET /sum/endless HTTP/1.1\r\n$host\r\n") for @clients;
	ok(running($shelf, 2), 'work without end');
	my $began = time;
	is(stop($shelf), 0, 'exit status 0');
	cmp_ok(time - $began, '>=', 0.9, 'after the drain time');
	cmp_ok(time - $began, '<', 10, 'and not much later');
	is(hear($_)->{status}, 503, 'the clients are told') for @clients;
};

subtest 'the second signal' => sub {
	my $shelf = start(qw(--workers 1 --drain 600 --root), $root);
	my $client = connect_to($shelf);
	send_to($client, "GET /sum/endless HTTP/1.1\r\n$host\r\n");
	ok(running($shelf, 1), 'work without end');
	kill 'TERM', $shelf->{pid};
	ok(closed_to_others($shelf), 'the first is heard');
	is(stop($shelf), 0, 'the second ends it: exit status 0');
	is(hear($client)->{status}, 503, 'the client is told');
};

subtest 'no time at all' => sub {
	my $shelf = start(qw(--drain 0 --root), $root);
	my $client = connect_to($shelf);
	send_to($client, "GET /sum/endless HTTP/1.1\r\n$host\r\n");
	ok(running($shelf, 1), 'work without end');
	is(stop($shelf), 0, '--drain 0: exit status 0');
	is(hear($client)->{status}, 503, 'the client is told');
};

subtest 'inline' => sub {
	my $shelf = start(qw(--inline --root), $root);
	my $client = connect_to($shelf);
	send_to($client, "GET /sum/large HTTP/1.1\r\n$host\r\n");
	is(hear($client)->{status}, 200, 'an answer');
	is(stop($shelf), 0, 'exit status 0');
};

done_testing();
