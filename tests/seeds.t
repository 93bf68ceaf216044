#!/usr/bin/env perl
# SPDX-License-Identifier: LGPL-3.0-or-later
# The programs of the tevent tutorial and of SSSD's guide, tests/seeds/*.c, as a
# reader would try them: each compiles with no warning but the text's own, runs,
# and prints what the text says. Its first comment tells the test:
#
#       Warnings: OPTION [NAME], ...    those of -Wall; none without this line
#       Output:                         the lines below, seven columns in
#       Output, in any order:           the same, sorted
#       Stock: WHY                      it is not run on another libtevent
#
# STOCK=PREFIX takes the libtevent there, STOCK=1 the system's, instead of ours.
use strict;
use warnings;

use File::Path qw(make_path);
use File::Temp qw(tempdir);
use FindBin;
use IO::Socket::INET;
use POSIX ();
use Test::More;
use Time::HiRes qw(time sleep);

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
my $scratch = tempdir('seeds.XXXXXX', DIR => "$build/scratch", CLEANUP => 1);
$ENV{LC_ALL} = 'C';

my %running;
END { local $?; kill 'KILL', $_ for keys %running }

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
		return 1 if $condition->();
		sleep 0.002;
	}
	diag("waited in vain until $what");
	return;
}

# What the first comment tells.
sub directives {
	my ($source) = @_;
	my ($head) = text_of($source) =~ m{\*/\n/\*(.*?)\n \*/}s;
	my %says = (warnings => '');
	if ($head =~ s/\n \* Output(, in any order)?:\n(.*)\z//s) {
		($says{sorted}, $says{output}) = ($1, "$2\n");
		$says{output} =~ s/^ \*(?:      )?//gm;
	}
	$head =~ s/\n \* (?=[a-z])/ /g;
	if ($head =~ /^ \* Warnings: (.*)$/m) {
		$says{warnings} = join ', ', sort split /, /, $1;
	}
	$says{stock} = $1 if $head =~ /^ \* Stock: (.*)$/m;
	return \%says;
}

# Return: whether it compiles, and the warnings in the words of the directive.
sub compile {
	my ($source, $program) = @_;
	my ($include, $lib) =
	  $stock ? ("$stock/include", "$stock/lib") : ('include', "$build/lib");
	my ($cc, $config, $flags) = @ENV{qw(CC PKG_CONFIG VARIANT_FLAGS)};
	$cc ||= 'gcc';
	$flags //= '';
	my $talloc = ($config || 'pkg-config') . ' --cflags --libs talloc';
	my $said = qx{$cc -g -Wall $flags -I$include -o $program $source \\
		-L$lib -Wl,-rpath,$lib -ltevent `$talloc` -pthread 2>&1};
	my $compiled = $? == 0;
	my @warnings;
	for (split /\n/, $said) {
		next if !/\bwarning: (.*?)(?: \[-W([a-z-]+)=?\])?$/;
		my ($text, $option) = ($1, $2 // $_);
		$option .= " $1" if $option =~ /^unused/ && $text =~ /'(.*?)'/;
		push @warnings, $option;
	}
	diag($said) if !$compiled;
	return ($compiled, join ', ', sort @warnings);
}

sub start {
	my ($program, @args) = @_;
	my $run = { out => "$program.out", err => "$program.err" };
	$run->{pid} = fork // die "fork: $!";
	if ($run->{pid} == 0) {
		open STDOUT, '>', $run->{out} or die;
		open STDERR, '>', $run->{err} or die;
		exec $program, @args or die "exec: $!";
	}
	$running{ $run->{pid} } = 1;
	return $run;
}

# Return: the signal that ended it, or its exit status.
sub ended {
	my ($run) = @_;
	until_true('it ends', sub { waitpid($run->{pid}, POSIX::WNOHANG()) })
	  or return 'still running';
	delete $running{ $run->{pid} };
	return $? & 127 ? 'signal ' . ($? & 127) : $? >> 8;
}

# Sends a signal that the program has got a handler for by then.
sub send_signal {
	my ($run, $name) = @_;
	my $bit = 1 << (POSIX->can("SIG$name")->() - 1);
	until_true("SIG$name is caught", sub {
		my ($caught) = text_of("/proc/$run->{pid}/status") =~
		  /^SigCgt:\s*[0-9a-f]{8}([0-9a-f]{8})$/m;
		return hex($caught // 0) & $bit;
	});
	kill $name, $run->{pid};
}

sub until_it_says {
	my ($run, $text) = @_;
	until_true("it says $text", sub { text_of($run->{out}) =~ $text });
}

# Programs that need somebody outside; each gives the status it ends with.
my %outside = (
	signal => sub {
		my ($run) = @_;
		send_signal($run, 'INT');
		return 0;
	},
	sssd_signal => sub {
		my ($run) = @_;
		send_signal($run, 'USR1');
		until_it_says($run, qr/received\.\n/);
		send_signal($run, 'USR1');
		until_it_says($run, qr/received\.\n.*received\.\n/s);
		kill 'TERM', $run->{pid};
		return 'signal 15';
	},
	sssd_fd => sub {
		my ($run, $server) = @_;
		my $client = $server->accept or die "accept: $!";
		for my $line (qw(hello world)) {
			syswrite $client, "$line\n";
			until_it_says($run, qr/Data read: $line\n\n/);
		}
		kill 'TERM', $run->{pid};
		return 'signal 15';
	},
);

for my $source (sort glob 'tests/seeds/*.c') {
	my ($name) = $source =~ m{([^/]+)\.c$};
	my $program = "$scratch/$name";
	my $says = directives($source);
	my ($compiled, $warnings) = compile($source, $program);
	ok($compiled, "$name compiles") or next;
	is($warnings, $says->{warnings}, "$name: no warning but the text's");

  SKIP: {
		skip("$name: $says->{stock}", 1) if $stock && $says->{stock};
		my $server = IO::Socket::INET->new(
			LocalAddr => '127.0.0.1',
			Listen => 1) // die "listen: $!";
		my $run = start($program,
			$name eq 'sssd_fd' ? $server->sockport : ());
		my $status =
		  $outside{$name} ? $outside{$name}->($run, $server) : 0;
		is(ended($run), $status, "$name ends as it should");
		is(text_of($run->{err}), '', "$name has nothing to complain of");
		my $text = text_of($run->{out});
		$text = join '', sort split /^/m, $text if $says->{sorted};
		if ($name eq 'timer') {
			my $lines = () = $text =~ /\n/g;
			my $whole = join '',
			  map { "Data value: $_\n" } 0 .. $lines - 1;
			is($text, $whole, "$name counts up");
			ok($lines > 1 && $lines <= 31,
				"$name repeats at most 30 times");
		} else {
			is($text, $says->{output}, "$name: its output");
		}
	}
}

done_testing();
