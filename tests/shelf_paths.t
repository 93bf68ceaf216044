#!/usr/bin/env perl
# SPDX-License-Identifier: LGPL-3.0-or-later
# weft-shelf: nothing outside the root, and nothing but regular files.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use IO::Socket::UNIX;
use POSIX qw(mkfifo);
use Test::More;
use shelf;
use shelf_pictures;

binary();
my $top = root();
my $root = "$top/root";
mkdir $root;
mkdir "$root/dir";
mkdir "$top/root-too";
my $secret = put("$top/secret", "secret\n");
put("$top/root-too/secret", "secret\n");
put("$root/a.txt", "hello\n");
mkfifo("$root/fifo", 0600) or die;
my $socket = IO::Socket::UNIX->new(Local => "$root/socket", Listen => 1);
symlink $secret, "$root/absolute";
symlink '../secret', "$root/relative";
symlink '..', "$root/dir/up";
symlink '../..', "$root/dir/upup";
symlink 'absolute', "$root/twice";
symlink '/', "$root/slash";
symlink '/proc/self/root', "$root/magic";
symlink 'loop', "$root/loop";
symlink 'gone', "$root/dangling";
symlink '/dev/zero', "$root/zero";
put("$root/closed", "x\n");
chmod 0, "$root/closed";

my $shelf = start('--root', $root);

# The same file through every spelling of the way out.
my @cases = (
	(map { [$_, 403, 'outside the root'] }
		'../secret', '%2e%2e/secret', '..%2fsecret', '%2e%2e%2fsecret',
		'dir/../../secret', 'dir/up/../../secret', '../root-too/secret',
		"/$secret", $secret, "%2f$secret",
		'/etc/passwd', '%2fetc%2fpasswd', './../secret', './/../secret',
		'../root/../secret', 'absolute', 'relative', 'twice',
		'slash/etc/passwd', 'dir/upup/secret', 'zero',
		'../../../../../../../../etc/passwd', '..', 'loop'),
	['magic/etc/passwd', 403, 'outside the root'],
	['fifo', 403, 'not a regular file'],
	['dir', 403, 'not a regular file'],
	['.', 403, 'not a regular file'],
	['dir/up', 403, 'not a regular file'],
	['socket', 403, 'not a regular file'],
	['dangling', 404, 'no such file'],
	['a.txt/', 404, 'no such file'],
	['a.txt/..', 404, 'no such file'],
	['nothing', 404, 'no such file'],
	['..%5csecret', 404, 'no such file'],
	['%252e%252e/secret', 404, 'no such file'],
	['%c0%ae%c0%ae/secret', 404, 'no such file'],
	['a.txt%00.jpg', 400, 'bad escape in the path'],
	['%00', 400, 'bad escape in the path'],
	['x' x 300, 414, 'the name is too long'],
	['d/' x 2500, 414, 'the name is too long'],
);
push @cases, ['closed', 403, 'not readable'] if $> != 0;
for my $route (qw(sum thumb)) {
	for my $case (@cases) {
		my ($path, $status, $line) = @$case;
		my $answer = get($shelf, "/$route/$path");
		my $short = substr $path, 0, 40;
		is($answer->{status}, $status, "$route $short: $status");
		is($answer->{body}, "$line\n", "$route $short: says why");
	}
}
is(get($shelf, '/sum/dir/up/a.txt')->{status}, 200,
	'a link up that stays inside is followed');
is(get($shelf, '/sum/./dir/../a.txt')->{status}, 200, 'so are dots');
is(get($shelf, '/sum//a.txt')->{status}, 403, 'an absolute path is not ours');

# What is a device anywhere is none of ours either.
SKIP: {
	skip 'needs root to make a device', 1 if $> != 0;
	my $made = system("mknod $root/null c 1 3 2>/dev/null") == 0;
	skip 'cannot make a device here', 1 if !$made;
	is(get($shelf, '/sum/null')->{status}, 403, 'a device');
}

# A link that swings between inside and outside while it is asked for: each
# answer is the inside file, or a refusal, never the secret.
my $right = get($shelf, '/sum/a.txt')->{body};
my $swinger = fork // die;
if ($swinger == 0) {
	my $turn = 0;
	while (getppid != 1) {
		symlink $turn++ % 2 ? $secret : 'a.txt', "$root/new$$";
		rename "$root/new$$", "$root/swing";
	}
	POSIX::_exit(0);
}
until_true('the link swings', sub { -l "$root/swing" });
my %seen = ($right => 0, 403 => 0);
my $client = connect_to($shelf);
for (1 .. 20_000) {
	send_to($client, "GET /sum/swing HTTP/1.1\r\nHost: x\r\n\r\n");
	my $answer = hear($client);
	my $got = $answer->{status} == 200 ? $answer->{body} : $answer->{status};
	$seen{$got}++;
	last if $seen{$right} > 100 && $seen{403} > 100;
}
kill 'KILL', $swinger;
waitpid $swinger, 0;
cmp_ok($seen{$right}, '>', 100, 'a swinging link is followed inside');
cmp_ok($seen{403}, '>', 100, 'and refused outside');
delete @seen{$right, 403, 503};
is_deeply(\%seen, {}, 'and never leads out');

is(stop($shelf), 0, 'ends as told');
done_testing();
