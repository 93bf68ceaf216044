#!/usr/bin/env perl
# SPDX-License-Identifier: LGPL-3.0-or-later
# weft-shelf: whichever allocation fails, it refuses, or closes a connection, or
# says why it cannot start; it goes on and ends as told.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use Test::More;
use shelf;
use shelf_pictures;

my $program = binary();
my $shim = ($ENV{BUILDDIR} // 'build/release') . '/tests/shim.so';
plan(skip_all => 'no shim here') if !-f $shim;
plan(skip_all => 'sanitizers allocate for themselves')
  if $program =~ m{/(?:asan|tsan)/};

# A prime, so that neighbouring runs of this test see other allocations.
my $stride = $ENV{SHELF_OOM_STRIDE} // 3;
my $root = root();
put("$root/a.txt", "hello\n");
put("$root/p.jpg", picture('progressive'));

# No object is uploaded: libmagic runs regular expressions, whose compiler, the C
# library's, frees memory twice when it gets no more.
my $form = 'user=alice';
my @requests = (
	"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET /sum/a.txt HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET /thumb/p.jpg?w=20 HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET /stats HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET /resolve/127.0.0.1 HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET /jobs HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n",
	"PUT /ping HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab",
	"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: "
	  . length($form) . "\r\n\r\n$form",
);
my @expected = (200, 200, 200, 200, 200, 200, 404, 405, 400);

# What goes wrong when allocation $n fails: '' or what was seen; undef when
# there are not that many.
sub attempt {
	my ($n) = @_;
	my $told = "$root/../shim-$$";
	local @shelf::prefix = ('env', "SHIM_FAIL=malloc:$n",
		"LD_PRELOAD=$shim", 'SHIM_FD=9');
	put($told, '');
	my $shelf = eval { start('--root', $root, \$told) };
	return $@ if !defined $shelf;
	my $bad = '';
	my $wrong = 0;
	for my $i ($shelf->{port} ? 0 .. $#requests : ()) {
		my $answer = ask($shelf, $requests[$i]);
		my $status = defined $answer ? $answer->{status} : 0;
		next if $status == $expected[$i];
		$bad .= " request $i: $status" if $status != 503 && $status != 0;
		$wrong++;
	}
	my $status = stop($shelf, $shelf->{port} ? 'TERM' : 'none');
	my $right = $shelf->{port} ? 0 : 1;
	$bad .= " status $status" if $status ne $right;
	$bad .= ' no reason'
	  if $right == 1 && text_of($shelf->{err}) !~ /\Aweft-shelf: /;
	my $injected = text_of($told) ne '';
	unlink $told;
	# One failure is one failure.
	$bad .= " $wrong answers" if $wrong > 1;
	return $injected ? $bad : undef;
}

my @bad;
my $n = 1;
for (; ; $n += $stride) {
	my $bad = attempt($n);
	last if !defined $bad;
	push @bad, "allocation $n:$bad" if $bad ne '';
}
is_deeply(\@bad, [], 'no failing allocation shakes it');
cmp_ok($n, '>', 200, 'and there were enough of them');
done_testing();
