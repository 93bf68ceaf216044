#!/usr/bin/env perl
# SPDX-License-Identifier: LGPL-3.0-or-later
# weft-top: what it shows of weft-shelf, on a pipe and on a terminal, and of
# programs that do not answer as they should.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use IO::Socket::UNIX;
use IPC::Open3;
use JSON::PP qw(decode_json);
use POSIX ();
use Symbol qw(gensym);
use Test::More;
use shelf;

my $top = ($ENV{BUILDDIR} // 'build/release') . '/bin/weft-top';
plan(skip_all => 'weft-top is not built here') if !-x $top;
binary();

# Return: its exit status, what it wrote, what it complained of.
sub run_top {
	my $pid = open3(my $in, my $out, my $err = gensym, $top, @_);
	close $in;
	my ($said, $complained) = map { local $/ = undef; scalar <$_> // '' }
	  $out, $err;
	waitpid $pid, 0;
	return ($? & 127 ? "signal $?" : $? >> 8, $said, $complained);
}

my $dir = root();
my $path = "$dir/monitor";
endless("$dir/endless");

# ---- the command line ----

my ($status, $said, $complained) = run_top('--help');
is($status, 0, '--help');
like($said, qr/^Usage: weft-top /, 'says how it is used');
($status, $said) = run_top('--version');
like($said, qr/^weft-top \d+\.\d+\.\d+$/, '--version');
for my $bad ([], ['--what'], [$path, $path], ['--interval', 1, $path],
	['--interval', 'x', $path], ['--stop', 1, $path]) {
	($status, $said, $complained) = run_top(@$bad);
	is($status, 2, "bad use: @$bad");
	like($complained, qr/weft-top: /, 'says why');
}
($status, $said, $complained) = run_top('--once', $path);
is($status, 1, 'nobody is there');
is($complained, "weft-top: $path: No such file or directory\n", 'which is said');
($status, $said, $complained) = run_top('--once', 'x' x 200);
is($status, 1, 'nor can be there');

# ---- a daemon ----

my $shelf = start('--root', $dir, '--monitor', $path);
is((stat $path)[2] & 0777, 0600, 'the socket is its user\'s');
my $busy = connect_to($shelf);
send_to($busy, "GET /sum/endless HTTP/1.1\r\nHost: x\r\n\r\n");
until_true('a job runs', sub {
	my ($status, $said) = run_top('--json', $path);
	return 0 if $status != 0;
	return decode_json($said)->{pools}[0]{running} == 1;
});

($status, $said) = run_top('--once', $path);
is($status, 0, '--once');
like($said, qr/^weft-shelf, process $shelf->{pid}, weft \d/m, 'the program');
like($said, qr/^LOOP +THREAD +TID +LAG +CPU% +WAITING$/m, 'loops');
like($said, qr/^main +weft-shelf +$shelf->{pid} +\d/m, 'its loop');
like($said, qr/^pool shelf: workers 1, idle 0,.* 1 run, 0 wait/m, 'its pool');
like($said, qr/^  cpu +1\/\d+ +0 /m, 'its lanes');
like($said, qr{ running .* cpu +shelf-1 +sum  tools/shelf/\w+\.c:\d+  \d+ of }m,
	'its job, with the line that sent it and its progress');
unlike($said, qr/[ \t]$/m, 'no blanks at the ends of lines');

my (undef, $json) = run_top('--json', $path);
my $snapshot = decode_json($json);
is($snapshot->{pid}, $shelf->{pid}, '--json');
my ($job) = @{ $snapshot->{pools}[0]{jobs} };
is($job->{name}, 'sum', 'has the job');
is_deeply([ map { $_->{name} } @{ $snapshot->{pools}[0]{lanes} } ],
	[qw(shelf cpu login disk slow)], 'and the lanes');

# Two pages on a pipe; the reader then goes.
open my $pages, '-|', $top, '--interval', 100, $path or die "weft-top: $!";
my $titles = 0;
while (<$pages>) {
	$titles++ if /^weft-shelf, process/;
	last if $titles == 2 && m{^  cpu +1/\d+ +0 +0\.0/s};
}
close $pages;
is($titles, 2, 'on a pipe pages follow each other, with rates');

# ---- a terminal ----

# Keys are typed as soon as the screen shows what is awaited.
sub on_terminal {
	my ($awaited, $keys) = @_;
	my $command = "TERM=xterm script -qec '$top --interval 100 $path' "
	  . '/dev/null';
	my $pid = open3(my $in, my $out, undef, 'sh', '-c',
		"stty rows 30 cols 120 2>/dev/null; $command");
	my $screen = '';
	while (sysread $out, my $bytes, 4096) {
		$screen .= $bytes;
		if ($keys ne '' && $screen =~ $awaited) {
			syswrite $in, $keys;
			$keys = '';
		}
	}
	waitpid $pid, 0;
	return ($? >> 8, $screen);
}

SKIP: {
	skip('there is no script(1)', 3)
	  if !qx{command -v script 2>/dev/null};
	($status, $said) = on_terminal(qr/endless|sum  tools/, 'q');
	is($status, 0, 'on a terminal q ends');
	like($said, qr/LOOP.*pool shelf/s, 'the same page is there');
	like($said, qr/\e\[\?1049l/, 'and the terminal is as it was');
}

# ---- stopping ----

($status, $said, $complained) = run_top('--stop', 12345, 'shelf', $path);
is($status, 1, 'a job that is not there');
like($complained, qr/no such job runs/, 'is none');
($status) = run_top('--stop', $job->{id}, 'shelf', $path);
is($status, 0, 'a job is told to stop');
until_true('it has stopped', sub {
	return decode_json((run_top('--json', $path))[1])->{pools}[0]{running}
	  == 0;
});
pass('and it does');

stop($shelf);
ok(!-e $path, 'the socket goes with the daemon');

# ---- programs that are no monitors ----

my $fake = IO::Socket::UNIX->new(Local => $path, Listen => 1)
  or die "$path: $!";
for my $case (
	["hello\n", qr/talks nonsense/, 'one that talks nonsense'],
	["[1]\n", qr/talks nonsense/, 'or JSON of its own'],
	['', qr/has hung up/, 'one that hangs up'],
	['{"weft":', qr/has hung up/, 'in the middle'],
  ) {
	my ($answer, $why, $name) = @$case;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		my $client = $fake->accept;
		my $line = <$client>;
		print {$client} $answer;
		close $client;
		POSIX::_exit(0);
	}
	($status, $said, $complained) = run_top('--once', $path);
	waitpid $pid, 0;
	is($status, 1, $name);
	like($complained, $why, 'is told apart');
}
my $pid = fork // die "fork: $!";
if ($pid == 0) {
	my $client = $fake->accept;
	my $line = <$client>;
	print {$client} '{"program":"\u001b[2J","pid":1,"loops":[],'
	  . '"pools":[]}' . "\n";
	close $client;
	POSIX::_exit(0);
}
($status, $said) = run_top('--once', $path);
waitpid $pid, 0;
like($said, qr/^\?\[2J, process 1/, 'no name reaches the terminal as a command');

done_testing();
