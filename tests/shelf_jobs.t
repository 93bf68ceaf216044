#!/usr/bin/env perl
# SPDX-License-Identifier: LGPL-3.0-or-later
# weft-shelf: what the pool does is told, ended on request, and named when it is
# left behind.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use JSON::PP qw(decode_json);
use Test::More;
use shelf;

binary();
my $root = root();
endless("$root/endless");
my $work = "GET /sum/endless HTTP/1.1\r\nHost: x\r\n\r\n";

sub jobs {
	my ($shelf) = @_;
	return @{ decode_json(get($shelf, '/jobs')->{body}) };
}

sub cancel {
	my ($shelf, $id) = @_;
	return ask($shelf, "DELETE /jobs/$id HTTP/1.1\r\nHost: x\r\n\r\n");
}

sub count {
	my ($shelf, $n) = @_;
	return until_true("$n jobs are there", sub { jobs($shelf) == $n });
}

subtest 'the list' => sub {
	my $shelf = start(qw(--workers 1 --root), $root);
	is_deeply([jobs($shelf)], [], 'nothing at first');
	my @clients = map { connect_to($shelf) } 1 .. 2;
	send_to($_, $work) for @clients;
	ok(count($shelf, 2), 'two pieces of work');
	ok(until_true('it comes on', sub {
		(jobs($shelf))[0]{progress}{done} > 0;
	}), 'one makes progress');
	my ($first, $second) = jobs($shelf);
	is($first->{state}, 'running', 'the first runs');
	is($first->{name}, 'sum', 'has a name');
	is($first->{lane}, 'cpu', 'a lane');
	is($first->{progress}{total}, 2**42, 'something to reach');
	like($first->{worker}, qr/\Ashelf-\d+\z/, 'a worker');
	ok(-d "/proc/$shelf->{pid}/task/$first->{tid}", 'which is a thread');
	ok(!$first->{overdue}, 'and is not overdue');
	is($second->{state}, 'queued', 'the second waits');
	is($second->{worker}, '', 'without a worker');
	is($second->{progress}{done}, 0, 'has done nothing');
	cmp_ok($first->{id}, '!=', $second->{id}, 'and is another one');
	my ($file, $line) = $first->{location} =~ /\A([\w\/.]+):(\d+)\z/;
	ok(defined $line, 'the line that sent it is told');
	like(text_of("$FindBin::Bin/../$file"), qr/work_send/, 'and is there');
	my $done = $first->{progress}{done};
	ok(until_true('it goes on', sub {
		(jobs($shelf))[0]{progress}{done} > $done;
	}), 'the first goes on');

	my $answer = cancel($shelf, $second->{id});
	is($answer->{status}, 200, 'one that waits is cancelled');
	is(hear($clients[1])->{status}, 503, 'its client is told');
	is(cancel($shelf, $second->{id})->{status}, 404, 'only once');
	is(cancel($shelf, $first->{id})->{status}, 200, 'one that runs, too');
	is(hear($clients[0])->{body}, "the work was cancelled\n",
		'its client is told');
	ok(count($shelf, 0), 'and it ends');
	is(cancel($shelf, $_)->{status}, 404, "no job '$_'")
	  for 0, 'x', '1x', '-1', $first->{id}, '9' x 19, '9' x 30;
	is(stop($shelf), 0, 'ends as told');
};

subtest 'the lanes' => sub {
	my $shelf = start('--root', $root);
	my $form = 'user=alice&password=x';
	is(post($shelf, '/login', $form)->{status}, 403, 'a log-in');
	my $lanes = stats($shelf)->{lanes};
	is($lanes->{login}{completed}, 1, 'is counted in its lane');
	is($lanes->{cpu}{completed}, 0, 'and in no other');
	cmp_ok($lanes->{login}{run_us}{max}, '>', 1000, 'it took its time');
	is(stop($shelf), 0, 'ends as told');
};

subtest 'what is left' => sub {
	my $shelf = start(qw(--workers 1 --drain 1 --root), $root);
	my $client = connect_to($shelf);
	send_to($client, $work);
	ok(count($shelf, 1), 'work without end');
	is(stop($shelf), 0, 'exit status 0');
	like(text_of($shelf->{err}),
		qr/^weft-shelf:\ left:\ sum\ \([\w\/.]+:\d+\),
			\ waited\ \d+\ ms,\ ran\ \d+\ ms\ on\ shelf-\d+$/mx,
		'says what was left');
};

subtest 'inline' => sub {
	my $shelf = start('--inline', '--root', $root);
	is_deeply([jobs($shelf)], [], 'there are no jobs');
	is(cancel($shelf, 1)->{status}, 404, 'and none to cancel');
	is(stop($shelf), 0, 'ends as told');
};

done_testing();
