#!/usr/bin/env perl
# SPDX-License-Identifier: LGPL-3.0-or-later
# The echo server of tests/echo/: many clients, and clients of every bad kind.
# Whatever they do, the server afterwards consists of as many talloc blocks as
# before, serves on, and ends with 0 and nothing to complain of.
#
# STOCK=PREFIX takes the server that was built with another libtevent.
use strict;
use warnings;

use Errno;
use File::Temp qw(tempdir);
use FindBin;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use Socket qw(SOL_SOCKET SO_LINGER);
use Test::More;
use Time::HiRes qw(time sleep);

# Nothing here may hang: prove would wait for ever.
my $limit = 240 * ($ENV{TEST_SCALE} // 1);
$SIG{ALRM} = sub { print "Bail out! $0 took over $limit s\n"; exit 255 };
alarm $limit;
$SIG{PIPE} = 'IGNORE';

chdir "$FindBin::Bin/.." or die "chdir: $!";
my $build = $ENV{BUILDDIR} // 'build/release';
my $stock = $ENV{STOCK};
my $plain = ($ENV{VARIANT} // 'release') !~ /san/;
my $program = $build . ($stock ? '/stock' : '') . '/tests/echo_server';
plan(skip_all => "there is no $program") if !-x $program;
# Not below $build: the name of a socket is short.
my $scratch = tempdir('echo-XXXXXX', TMPDIR => 1, CLEANUP => 1);

my %running;
END { local $?; kill 'KILL', $_ for keys %running }

# Bytes in which a piece that is lost, doubled or moved shows.
my $bytes = join '', map { pack 'N', $_ * 2654435761 & 0xffffffff } 1 .. 2**20;

sub text_of {
	my ($path) = @_;
	open my $file, '<', $path or return '';
	local $/ = undef;
	return scalar(<$file>) // '';
}

# Waits for a condition; false when it does not come.
sub until_true {
	my ($what, $condition) = @_;
	my $end = time + 60;
	while (time < $end) {
		my $got = $condition->();
		return $got if $got;
		sleep 0.005;
	}
	diag("waited in vain until $what");
	return;
}

# What stands before the program on its command line.
our @prefix;
my $servers = 0;

# A server that listens, or has ended: { pid, out, err, at }.
sub launch {
	my (@options) = @_;
	my $at = "$scratch/" . ++$servers;
	my $server = { out => "$at.out", err => "$at.err" };
	$server->{pid} = fork // die "fork: $!";
	if ($server->{pid} == 0) {
		open STDOUT, '>', $server->{out} or die;
		open STDERR, '>', $server->{err} or die;
		exec @prefix, $program, @options or die "exec: $!";
	}
	$running{ $server->{pid} } = 1;
	until_true('it listens or ends', sub {
		($server->{at}) =
		  text_of($server->{out}) =~ /\Alistening on (.*)\n/;
		return $server->{at}
		  || text_of("/proc/$server->{pid}/stat") =~ / Z /;
	});
	return $server;
}

sub start {
	my $server = launch(@_);
	die text_of($server->{err}) if !$server->{at};
	$server->{before} = counts($server)->{blocks};
	return $server;
}

# What the server says of itself.
sub counts {
	my ($server) = @_;
	my $lines = () = text_of($server->{out}) =~ /\n/g;
	my @lines;
	kill 'USR1', $server->{pid};
	until_true('it tells', sub {
		@lines = text_of($server->{out}) =~ /^(.*)\n/mg;
		return @lines > $lines;
	}) or die text_of($server->{err});
	my %counts = split / /, $lines[-1];
	return \%counts;
}

# Nobody is left, and nothing of them.
sub quiet {
	my ($server, $after) = @_;
	my $counts;
	until_true('all have left', sub {
		$counts = counts($server);
		return $counts->{open} == 0
		  && $counts->{blocks} == $server->{before};
	});
	is($counts->{open}, 0, "nobody is left after $after");
	is($counts->{blocks}, $server->{before}, '... nor anything of them');
	return $counts;
}

# Return: the status as waitpid has it; none if it does not end.
sub end {
	my ($server) = @_;
	kill 'TERM', $server->{pid};
	until_true('it ends', sub {
		waitpid $server->{pid}, POSIX::WNOHANG();
	}) or return;
	delete $running{ $server->{pid} };
	return $?;
}

sub stop {
	my ($server) = @_;
	is(end($server), 0, 'it ends as told');
	is(text_of($server->{err}), '', '... and has nothing to complain of');
}

sub client {
	my ($server) = @_;
	my $socket = $server->{at} =~ m{^/}
	  ? IO::Socket::UNIX->new(Peer => $server->{at})
	  : IO::Socket::INET->new(PeerAddr => $server->{at});
	die "connect: $!" if !$socket;
	$socket->blocking(0);
	return $socket;
}

# Closes with a reset instead of a farewell.
sub reset_it {
	my ($socket) = @_;
	setsockopt $socket, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0);
	close $socket;
}

# Each client sends its text, closes its side, and listens until the end, all
# at the same time. Return: how many got back what they had sent.
sub exchange {
	my ($texts, @clients) = @_;
	my (%left, %got, %to_send);
	my ($readers, $writers) = (IO::Select->new, IO::Select->new);
	for my $n (0 .. $#clients) {
		my $fd = fileno $clients[$n];
		($left{$fd}, $got{$fd}, $to_send{$fd}) = ($n, '', $texts->[$n]);
		$readers->add($clients[$n]);
		$writers->add($clients[$n]);
	}
	my $same = 0;
	while ($readers->count) {
		my ($can_read, $can_write) =
		  IO::Select::select($readers, $writers, undef, 60);
		last if !defined $can_read;
		for my $socket (@$can_write) {
			my $text = \$to_send{ fileno $socket };
			my $n = syswrite $socket, $$text, 65536;
			substr($$text, 0, $n) = '' if defined $n;
			next if $$text ne '' && ($n || $!{EAGAIN});
			$writers->remove($socket);
			shutdown $socket, 1;
		}
		for my $socket (@$can_read) {
			my $fd = fileno $socket;
			my $n = sysread $socket, $got{$fd}, 65536,
			  length $got{$fd};
			next if $n || (!defined $n && $!{EAGAIN});
			$same++ if $got{$fd} eq $texts->[ $left{$fd} ];
			$readers->remove($socket);
		}
	}
	return $same;
}

# What comes from the server, at most so much.
sub hear {
	my ($socket, $size) = @_;
	my $got = '';
	my $select = IO::Select->new($socket);
	while (length $got < $size && $select->can_read(60)) {
		sysread $socket, $got, $size - length $got, length $got or last;
	}
	return $got;
}

# One client's text there and back.
sub ping {
	my ($socket, $text) = @_;
	syswrite $socket, $text;
	return hear($socket, length $text) eq $text;
}

# All send without reading, until the server takes no more from any of them.
# Return: how much from each.
sub stuff {
	my ($most, @clients) = @_;
	my $select = IO::Select->new(@clients);
	my %sent = map { fileno $_ => 0 } @clients;
	while (my @ready = $select->can_write(0.3)) {
		for my $socket (@ready) {
			my $sent = \$sent{ fileno $socket };
			my $n = syswrite $socket, $bytes, 65536, $$sent;
			$$sent += $n // 0;
			$select->remove($socket)
			  if $$sent >= $most || !defined $n && !$!{EAGAIN};
		}
	}
	return map { $sent{ fileno $_ } } @clients;
}

sub memory_of {
	my ($server) = @_;
	my ($kb) = text_of("/proc/$server->{pid}/status") =~ /^VmRSS:\s*(\d+)/m;
	return $kb;
}

sub many {
	my ($server, $count) = @_;
	my @sizes = (0, 1, 2, 1000, 16383, 16384, 16385, 65536, 200_000);
	my @texts = map {
		substr $bytes, $_ * 1000, $sizes[ $_ % @sizes ]
	} 1 .. $count;
	my @clients = map { client($server) } 1 .. $count;
	is(exchange(\@texts, @clients), $count,
		"$count clients at once get back what they send");
	close $_ for @clients;
	my $counts = quiet($server, 'them');
	is($counts->{closed}, $count, 'all ended well');
}

# Clients that leave in the middle; each way is taken $count times. One that has
# closed its side before is noticed when it is idle; the others at once, except
# before 0.16.
sub abrupt {
	my ($server, $count) = @_;
	my @ways = (
		sub { reset_it($_[0]) },
		sub { close $_[0] },
		sub { syswrite $_[0], 'x'; reset_it($_[0]) },
		sub { syswrite $_[0], substr($bytes, 0, 100_000); close $_[0] },
		sub { syswrite $_[0], substr($bytes, 0, 10**6); reset_it($_[0]) },
		sub { ping($_[0], 'x'); reset_it($_[0]) },
		sub { syswrite $_[0], $bytes; shutdown $_[0], 1; close $_[0] },
		sub { shutdown $_[0], 1; reset_it($_[0]) },
	);
	for (1 .. $count) {
		my @clients = map { client($server) } @ways;
		$ways[$_]->($clients[$_]) for 0 .. $#ways;
	}
	my $counts = quiet($server, 'clients that break off');
	cmp_ok($counts->{broken}, '>=', $count, 'the server has seen it');
	cmp_ok($counts->{timed_out}, '<=', $count, '... at once') if !$stock;
	ok(ping(client($server), 'still there'), 'others are served on');
	quiet($server, 'that');
}

subtest 'many clients' => sub {
	my $server = start();
	many($server, 250);
	stop($server);
};

subtest 'many clients on a local socket' => sub {
	my $server = start('-u', "$scratch/socket");
	many($server, 250);
	stop($server);
	ok(!-e "$scratch/socket", 'the socket is gone');
};

subtest 'large and small pieces' => sub {
	my $server = start();
	is(exchange([$bytes], client($server)), 1, '4 MB come back whole');
	my $socket = client($server);
	my $same = grep { ping($socket, substr $bytes, $_, 1) } 1 .. 500;
	is($same, 500, 'single bytes come back one by one');
	for (1 .. 2000) {
		syswrite($socket, substr $bytes, $_, 1) == 1 or die "write: $!";
	}
	shutdown $socket, 1;
	ok(hear($socket, 2001) eq substr($bytes, 1, 2000),
		'single bytes at once come back to a half-closed client');
	close $socket;
	quiet($server, 'them');
	stop($server);
};

subtest 'clients that break off' => sub {
	my $server = start(qw(-i 1000));
	abrupt($server, 40);
	stop($server);
};

subtest 'clients that break off a local socket' => sub {
	my $server = start(qw(-i 1000 -u), "$scratch/socket");
	abrupt($server, 40);
	stop($server);
};

subtest 'other ways to wait' => sub {
	for my $backend (qw(poll poll_mt)) {
		my $server = start('-b', $backend);
		many($server, 50);
		stop($server);
		$server = start('-b', $backend, '-i', 1000);
		abrupt($server, 5);
		stop($server);
	}
};

# On a local socket, where the system's own buffers are small.
subtest 'clients that do not read' => sub {
	my $server = start('-u', "$scratch/socket");
	my $before = memory_of($server);
	my @clients = map { client($server) } 1 .. 20;
	my @sent = stuff(2**21, @clients);
	my ($most) = sort { $b <=> $a } @sent;
	cmp_ok($most, '<', 2**20, 'little is taken from one that does not');
  SKIP: {
		skip('memory is the sanitizer\'s', 1) if !$plain;
		cmp_ok(memory_of($server) - $before, '<', 20 * 200 + 2048,
			'20 such clients cost kilobytes each');
	}
	ok(ping(client($server), 'hello'), 'others are served meanwhile');

	# One reads after all; the others leave.
	my $reader = shift @clients;
	ok(hear($reader, $sent[0]) eq substr($bytes, 0, $sent[0]),
		'who reads after all gets everything');
	close $reader;
  SKIP: {
		skip('before 0.16 noticed when idle, in a minute', 2) if $stock;
		close $_ for @clients;
		quiet($server, 'the others');
	}
	stop($server);
};

subtest 'clients that do nothing' => sub {
	my $server = start('-i', 1000);
	my $began = time;
	my ($idle, $stuffed, $busy) = map { client($server) } 1 .. 3;
	stuff(2**21, $stuffed);
	my $alive = 1;
	my $select = IO::Select->new($idle);
	$alive &&= ping($busy, 'x')
	  while !$select->can_read(0) && time < $began + 60;
	cmp_ok(time - $began, '>=', 1, 'one that is idle is sent away in time');
	ok(!sysread($idle, my $text, 1), '... without a word');
	$alive &&= ping($busy, 'x') while time < $began + 2.5;
	ok($alive, 'one that is not is kept');
	close $busy;
	is(quiet($server, 'them')->{timed_out}, 2,
		'one that sends and does not read was sent away as well');
	stop($server);
};

subtest 'too few descriptors' => sub {
	plan(skip_all => 'no prlimit') if system 'prlimit -V >/dev/null 2>&1';
	my $server = start();
	my $taken = () = glob "/proc/$server->{pid}/fd/*";
	system 'prlimit', "--pid=$server->{pid}", '--nofile=' . ($taken + 4);
	my $began = time;
	my @clients = map { client($server) } 1 .. 12;
	for my $n (1 .. 12) {
		ok(ping($clients[0], "I am $n"), "client $n is served");
		ok(until_true('the next is too many', sub {
			counts($server)->{pauses} > 0;
		}), 'accepting has paused') if $n == 1;
		close shift @clients;
	}
	my $counts = quiet($server, 'them');
	cmp_ok($counts->{pauses}, '<=', (time - $began) * 20 + 2,
		'waiting for descriptors is waiting');
	stop($server);
};

# The first allocation fails, then the second, until all have.
subtest 'too little memory' => sub {
	my $shim = "$build/tests/shim.so";
	plan(skip_all => 'it is ours that has to survive')
	  if $stock || !$plain || !-r $shim;
	my ($nth, $good, $bad, $failed) = (0, 0, 0, 1);
	while ($failed && $nth < 1000) {
		local @prefix = ('env', 'SHIM_FD=2',
			'SHIM_FAIL=malloc:' . ++$nth, "LD_PRELOAD=$shim");
		my $server = launch('-u', "$scratch/socket");
		for (1 .. ($server->{at} ? 4 : 0)) {
			eval { ping(client($server), 'x' x 5000) };
		}
		my $status = end($server) // 'none';
		my $text = text_of($server->{err});
		$failed = $text =~ s/^shim: malloc failed\n//;
		unlink "$scratch/socket";
		# It served on, or gave up and said why, perhaps while we told
		# it to end.
		if ($status eq '0' && $text eq '') {
			$good++;
		} elsif ($status !~ /\A(?:15|256)\z/ || $text !~ /memory/) {
			diag("allocation $nth: status $status, $text");
			$bad++;
		}
	}
	ok(!$failed, "each of $nth allocations has failed once");
	is($bad, 0, 'it gives up in order');
	cmp_ok($good, '>', 1, 'or serves on');
};

subtest 'told to stop in the middle' => sub {
	my $server = start();
	my @clients = map { client($server) } 1 .. 20;
	ping($_, 'hello') for @clients;
	stuff(100_000, @clients[ 0 .. 9 ]);
	stop($server);
};

subtest 'under valgrind' => sub {
	plan(skip_all => 'a sanitizer looks already') if !$plain;
	local @prefix = (qw(valgrind -q --leak-check=full --error-exitcode=99),
		'--show-leak-kinds=definite,indirect',
		'--errors-for-leak-kinds=definite,indirect');
	plan(skip_all => 'no valgrind that could read the program')
	  if system("@prefix $program -x 2>/dev/null") >> 8 != 2;
	my $server = start();
	many($server, 60);
	stop($server);

	$server = start('-i', 1000);
	abrupt($server, 5);
	my @clients = map { client($server) } 1 .. 4;
	stuff(2**21, @clients);
	quiet($server, 'time-outs');
	@clients = map { client($server) } 1 .. 4;
	stuff(2**21, @clients);
	stop($server);
};

is(system("$program -x 2>/dev/null") >> 8, 2, 'an unknown option is refused');
done_testing();
