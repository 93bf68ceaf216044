#!/usr/bin/env perl
# SPDX-License-Identifier: LGPL-3.0-or-later
# The programs of docs/between-threads.md and docs/pool.md, tests/tutorial/*.c:
# the pages print them as they are, from the first #include, and what they
# print. Taken from the page each compiles without a warning and does that. The
# first comment of a program says what it prints, as those of tests/seeds.t do.
# wrong.c has a mistake: weft-owner finds it and says what the page says it
# does. It finds nothing in the others.
#
# STOCK=PREFIX takes the libtevent there, STOCK=1 the system's, instead of ours.
use strict;
use warnings;

use File::Path qw(make_path);
use File::Temp qw(tempdir);
use FindBin;
use POSIX ();
use Test::More;

# Nothing here may hang: prove would wait for ever.
my $limit = 240 * ($ENV{TEST_SCALE} // 1);
$SIG{ALRM} = sub { print "Bail out! $0 took over $limit s\n"; exit 255 };
alarm $limit;

chdir "$FindBin::Bin/.." or die "chdir: $!";
my $build = $ENV{BUILDDIR} // 'build/release';
$build = POSIX::getcwd() . "/$build" if $build !~ m{^/};
my $stock = $ENV{STOCK} // '';
$stock = '/usr' if $stock eq '1';
make_path("$build/scratch");
my $scratch = tempdir('tutorial.XXXXXX', DIR => "$build/scratch", CLEANUP => 1);
$ENV{LC_ALL} = 'C';

my $pages = join '', map { text_of("docs/$_.md") } qw(between-threads pool);

sub text_of {
	my ($path) = @_;
	open my $file, '<', $path or return '';
	local $/ = undef;
	return scalar(<$file>) // '';
}

# Return: what the first comment says is printed, and whether sorted.
sub output_of {
	my ($source) = @_;
	my ($head) = $source =~ m{\*/\n/\*(.*?)\n \*/}s;
	$head =~ /\n \* Output(, in any order)?:\n(.*)\z/s or return;
	my ($sorted, $output) = ($1, "$2\n");
	$output =~ s/^ \*(?:      )?//gm;
	return ($output, $sorted);
}

# Return: what the compiler says.
sub compile {
	my ($source, $program) = @_;
	my $include = $stock ? "-I$build/stock/include -I$stock/include"
	  : '-Iinclude';
	my @lib = $stock ? ("$build/stock/lib", "$stock/lib") : "$build/lib";
	my $lib = join ' ', map { "-L$_ -Wl,-rpath,$_" } @lib;
	my ($cc, $config, $flags) = @ENV{qw(CC PKG_CONFIG VARIANT_FLAGS)};
	$cc ||= 'gcc';
	$flags //= '';
	my $talloc = ($config || 'pkg-config') . ' --cflags --libs talloc';
	my $said = qx{$cc -g -rdynamic -Wall -Wextra -Wno-unused-parameter \\
		$flags $include -o $program $source $lib -lweft -ltevent \\
		`$talloc` -pthread 2>&1};
	return $? == 0 ? $said : $said || 'failed';
}

# Return: the signal that ended it, or its exit status.
sub run {
	my ($program, @before) = @_;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		open STDOUT, '>', "$program.out" or die;
		open STDERR, '>', "$program.err" or die;
		exec @before, $program or die "exec: $!";
	}
	waitpid $pid, 0;
	return $? & 127 ? 'signal ' . ($? & 127) : $? >> 8;
}

# The blocks of the pages that follow the link to the program.
sub blocks_after {
	my ($path) = @_;
	my $start = index $pages, "($path)";
	return if $start < 0;
	return substr($pages, $start) =~ /^```\w+\n(.*?)^```$/msg;
}

# A report without what differs from run to run, and without frames.
sub report {
	my ($text) = @_;
	$text =~ s/0x[0-9a-f]+/0x/g;
	$text =~ s/thread \d+/thread/g;
	$text =~ s{ at \S*/}{ at }g;
	return join '', grep { /^weft-owner|^  \w/ } split /^/m, $text;
}

my $checker = "$build/bin/weft-owner";
my $unchecked = '';
if (($ENV{VARIANT_FLAGS} // '') =~ /sanitize/) {
	$unchecked = 'weft-owner is not for sanitizers';
} elsif ($stock && !-x $checker) {
	$unchecked = 'weft-owner has not been built';
}

for my $source (sort glob 'tests/tutorial/*.c') {
	my ($name) = $source =~ m{([^/]+)\.c$};
	my $program = "$scratch/$name";
	my $text = text_of($source);
	my ($printed, $shown) = blocks_after("../$source");
	is($printed, $text =~ s/\A.*?(?=^#include)//rms,
		"$name: the page prints it as it is");
	open my $pasted, '>', "$program.c" or die "$program.c: $!";
	print $pasted $printed // '';
	close $pasted or die "$program.c: $!";
	is(compile("$program.c", $program), '',
		"$name compiles without a warning");

	if ($name eq 'wrong') {
	  SKIP: {
			skip($unchecked, 2) if $unchecked;
			is(run($program, $checker), 'signal 6', "$name is found out");
			is(report(text_of("$program.err")), report($shown),
				"$name: the page says how");
		}
		next;
	}
	my ($output, $sorted) = output_of($text);
	is($shown, $output, "$name: the page says what it prints");
	is(run($program), 0, "$name ends as it should");
	is(text_of("$program.err"), '', "$name has nothing to complain of");
	my $said = text_of("$program.out");
	$said = join '', sort split /^/m, $said if $sorted;
	is($said, $output, "$name prints that");

  SKIP: {
		skip($unchecked, 1) if $unchecked;
		is(run($program, $checker), 0, "$name keeps the rules of talloc");
	}
}

done_testing();
