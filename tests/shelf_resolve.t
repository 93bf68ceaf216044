#!/usr/bin/env perl
# SPDX-License-Identifier: LGPL-3.0-or-later
# weft-shelf: hosts' addresses; and a server that never answers, which keeps
# only those waiting who ask for it, and these not for long.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use IO::Socket::INET;
use JSON::PP qw(decode_json);
use Test::More;
use Time::HiRes qw(time);
use shelf;
use shelf_pictures;

binary();
my $root = root();
put("$root/p.jpg", picture('colour'));

# The daemon's own view of how names are looked up: a mount namespace.
my $etc = root();
my @own = ('unshare', '-m', 'sh', '-c',
	"mount --bind '$etc/resolv.conf' /etc/resolv.conf &&"
	  . " mount --bind '$etc/nsswitch.conf' /etc/nsswitch.conf &&"
	  . ' exec "$@"',
	'sh');

sub own_view {
	put("$etc/$_", '') for qw(nsswitch.conf resolv.conf);
	return -e '/etc/resolv.conf' && -e '/etc/nsswitch.conf'
	  && system(@own, 'true') == 0;
}

sub jobs {
	my ($shelf) = @_;
	return @{ decode_json(get($shelf, '/jobs')->{body}) };
}

for my $mode ([], ['--inline']) {
	my $shelf = start('--root', $root, @$mode);
	subtest @$mode ? 'inline' : 'pool' => sub {
		my $answer = get($shelf, '/resolve/127.0.0.9');
		is($answer->{status}, 200, 'an address');
		is_deeply(decode_json($answer->{body}),
			{ host => '127.0.0.9', addresses => ['127.0.0.9'] },
			'is its own');
		$answer = get($shelf, '/resolve/%3a%3a1');
		is_deeply(decode_json($answer->{body})->{addresses}, ['::1'],
			'one of the newer kind, too');
		SKIP: {
			# It is in /etc/hosts, if the system has one.
			skip 'no localhost in this system', 2
				unless gethostbyname('localhost');
			$answer = get($shelf, '/resolve/localhost');
			is($answer->{status}, 200, 'localhost');
			ok(scalar(grep { /\A(?:127\.0\.0\.1|::1)\z/ }
				@{ decode_json($answer->{body})->{addresses} }),
				'is here');
		}
		for my $bad ('a%20b', 'a%2fb', 'x' x 254) {
			is(get($shelf, "/resolve/$bad")->{status}, 400,
				"'" . substr($bad, 0, 20) . "' is no name");
		}
		is(stop($shelf), 0, 'ends as told');
	};
}

subtest 'no such name' => sub {
	plan(skip_all => 'no mount namespace of its own here') if !own_view();
	put("$etc/nsswitch.conf", "hosts: files\n");
	local @shelf::prefix = @own;
	my $shelf = start('--root', $root);
	is(get($shelf, '/resolve/no-such-host.example')->{status}, 404, 'is not found');
	is(stop($shelf), 0, 'ends as told');
};

subtest 'a server that never answers' => sub {
	plan(skip_all => 'no mount namespace of its own here') if !own_view();
	my $silent = IO::Socket::INET->new(
		LocalAddr => '127.0.0.77',
		LocalPort => 53,
		Proto => 'udp');
	plan(skip_all => 'port 53 is not to be had here') if !$silent;
	put("$etc/nsswitch.conf", "hosts: dns\n");
	put("$etc/resolv.conf",
		"nameserver 127.0.0.77\noptions timeout:30 attempts:2\n");
	local @shelf::prefix = @own;
	my $shelf = start(qw(--drain 1 --root), $root);
	my $began = time;
	my @clients = map { connect_to($shelf) } 1 .. 64;
	send_to($clients[$_],
		"GET /resolve/h$_.example HTTP/1.1\r\nHost: x\r\n\r\n")
	  for 0 .. $#clients;
	my %seen;
	$seen{ hear($_)->{status} }++ for @clients;
	is_deeply(\%seen, { 504 => 64 }, '64 look-ups: 504');
	cmp_ok(time - $began, '>=', 0.5, 'not before their deadline');
	my $late = stats($shelf)->{routes}{resolve}{latency_us}{max};
	cmp_ok($late, '<', 5_000_000, 'nor at the resolver\'s');
	my @stuck = jobs($shelf);
	cmp_ok(scalar @stuck, '>', 0, 'workers are stuck');
	for my $job (@stuck) {
		is_deeply([@$job{qw(name lane state)}],
			[qw(resolve slow stopping)], 'each stands in the list');
		ok($job->{overdue}, 'as overdue');
		like($job->{worker}, qr/\Ashelf-/, 'with its worker');
	}
	is_deeply([map { get($shelf, '/thumb/p.jpg')->{status} } 1 .. 20],
		[(200) x 20], 'meanwhile other work is done');
	is(scalar(jobs($shelf)), scalar @stuck, 'they are stuck all the time');
	$began = time;
	is(stop($shelf), 0, 'SIGTERM: exit status 0');
	cmp_ok(time - $began, '<', 5, 'it does not wait for the resolver');
	my @named = text_of($shelf->{err}) =~ /^weft-shelf: left: (\w+) \(/mg;
	is_deeply(\@named, [('resolve') x @stuck], 'what is left is named');
};

done_testing();
