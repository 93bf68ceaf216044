#!/usr/bin/env perl
# SPDX-License-Identifier: LGPL-3.0-or-later
# The pages of docs/man say what include/weft.h and include/pthreadpool_tevent.h
# say:
#   - types in a SYNOPSIS are printed as the header has them;
#   - functions in a SYNOPSIS can be called with just these types;
#   - each EXAMPLE compiles without a warning, and runs if it is a program;
#   - each function and each type of the headers is on a page, each page has
#     its sections, and points only at pages that exist;
#   - mandoc has nothing to complain of.
use strict;
use warnings;

use File::Path qw(make_path);
use File::Temp qw(tempdir);
use FindBin;
use POSIX ();
use Test::More;

chdir "$FindBin::Bin/.." or die "chdir: $!";
my $build = $ENV{BUILDDIR} // 'build/release';
$build = POSIX::getcwd() . "/$build" if $build !~ m{^/};
make_path("$build/scratch");
my $scratch = tempdir('man.XXXXXX', DIR => "$build/scratch", CLEANUP => 1);
my $cc = $ENV{CC} || 'gcc';
my $talloc = ($ENV{PKG_CONFIG} || 'pkg-config') . ' --cflags --libs talloc';
my $flags = "-std=gnu11 -Wall -Wextra -Werror -Iinclude -L$build/lib "
  . "-Wl,--disable-new-dtags,-rpath,$build/lib";

sub text_of {
	my ($path) = @_;
	open my $file, '<', $path or die "$path: $!";
	local $/ = undef;
	return <$file>;
}

# One blank between words; none beside what parts them.
sub normal {
	my ($text) = @_;
	$text =~ s/\s+/ /g;
	$text =~ s/ ?([(){}*,;]) ?/$1/g;
	return $text;
}

my $header = join '', map { text_of("include/$_.h") }
  qw(weft pthreadpool_tevent);
my %macro = map { $_ => 1 } $header =~ /^#define (weft_\w+)\(/mg;
my $code = $header;
$code =~ s{/\*.*?\*/}{}gs;
$code =~ s/^#(?:.*\\\n)*.*$//mg;
# What a program calls: the macro, where there is one before the function.
sub called {
	my ($function) = @_;
	my $name = $function =~ s/_(?:sized|block|located)$//r;
	return $macro{$name} ? $name : $function;
}
my %header_function = (%macro, map { called($_) => 1 }
	  $code =~ /\b((?:weft|pthreadpool_tevent)_\w+)\(/g);

# The names of types that are declared in the first column.
sub types_in {
	my ($text) = @_;
	return $text =~ /^(?:struct|enum) ((?:weft|pthreadpool)_\w+)/mg,
	  $text =~ /^typedef .*?\(\*(\w+)\)/mg, $text =~ /^\} (\w+);/mg;
}

my %header_type = map { $_ => 1 } types_in($code);
$code = normal($code);

# A page: its sections by name, and what its NAME section names.
sub page_of {
	my ($path) = @_;
	my ($name) = $path =~ m{([^/]+)$};
	my (undef, %section) = split /^\.Sh (.*)\n/m, text_of($path);
	my @names = $section{NAME} =~ /^\.Nm (\S+)/mg;
	return { name => $name, section => \%section, names => \@names };
}

# The text of each literal display.
sub literal {
	my ($text) = @_;
	my @texts = ($text // '') =~ /^\.Bd -literal.*?\n(.*?)^\.Ed$/msg;
	s/\\e/\\/g, s/\\&//g for @texts;
	return @texts;
}

# Functions of a SYNOPSIS: { name, type, arguments }.
sub functions {
	my ($synopsis) = @_;
	my @found;
	my $type;
	for (split /\n/, $synopsis) {
		if (/^\.Ft (.*)/) {
			$type = $1;
		} elsif (/^\.Fn (\w+) (\w+)$/) {
			push @found,
			  { name => $1, type => $type, arguments => [$2] };
		} elsif (/^\.Fo (\w+)/) {
			push @found,
			  { name => $1, type => $type, arguments => [] };
		} elsif (/^\.Fa "(.*)"/) {
			push @{ $found[-1]{arguments} }, $1;
		}
	}
	return @found;
}

# C that calls the function with what the page says, and declares it so.
sub call_in_c {
	my ($function) = @_;
	my ($name, $type) = @$function{qw(name type)};
	# The address of a pointer, which the macros insist on.
	my $arguments = join ', ',
	  map { s/^void \*pp_block$/void **pp_block/r }
	  @{ $function->{arguments} };
	my $given = join ', ',
	  map { /\(\*(\w+)\)|(\w+)$/ && ($1 // $2) ne 'void' ? $1 // $2 : () }
	  @{ $function->{arguments} };
	my $c = $macro{$name} ? '' : "$type $name($arguments);\n";
	my $call = "$name($given)";
	return $c . <<"C";
$type page_$name($arguments);
$type page_$name($arguments)
{
	_Static_assert(__builtin_types_compatible_p(
		__typeof__($call), $type), "type of $name");
	@{[$type eq 'void' ? '' : 'return ']}$call;
}
C
}

# Return: what the compiler says.
sub compile {
	my ($c, $how) = @_;
	open my $file, '>', "$scratch/page.c" or die "page.c: $!";
	print $file $c;
	close $file or die "page.c: $!";
	my $said = qx{$cc $flags $how -o $scratch/page $scratch/page.c \\
		-lweft -ltevent `$talloc` 2>&1};
	return $? == 0 ? $said : $said || 'failed';
}

my @pages = map { page_of($_) } sort glob 'docs/man/*.[1-8]';
my %known;
for my $page (@pages) {
	my ($number) = $page->{name} =~ /(\d)$/;
	$known{"$_ $number"} = 1 for @{ $page->{names} };
}
my (%described, %declared);

for my $page (@pages) {
	my ($name, $section) = @$page{qw(name section)};
	my $all = join "\n", values %$section;
	my @unknown = grep { !$known{$_} } $all =~ /^\.Xr (weft\S* \d)/mg;
	is_deeply(\@unknown, [], "$name points at pages that exist");

	for my $example (grep { /^#include/m } literal($section->{EXAMPLES})) {
		my $runs = $example =~ /\bmain\(/;
		is(compile($example, $runs ? '' : '-c'), '',
			"$name: an example compiles");
		is(system("$scratch/page >$scratch/out 2>&1"), 0,
			"$name: an example runs")
		  if $runs;
	}

	next if $name !~ /\.3$/;
	my @missing = grep { !$section->{$_} } 'SYNOPSIS', 'DESCRIPTION',
	  'THREADS', 'RETURN VALUES', 'EXAMPLES', 'ERRORS', 'SEE ALSO';
	is_deeply(\@missing, [], "$name has its sections");
	ok((grep { /^#include/m } literal($section->{EXAMPLES})),
		"$name has an example");

	my $synopsis = $section->{SYNOPSIS};
	my @functions = functions($synopsis);
	is_deeply([ map { $_->{name} } @functions ], $page->{names},
		"$name: NAME and SYNOPSIS name the same functions");
	my ($include) = $synopsis =~ /^\.In (\S+)/m;
	is(compile(join("\n", "#include <$include>",
				map { call_in_c($_) } @functions), '-c'),
		'', "$name: its functions can be called as it says");
	$described{$_}++ for @{ $page->{names} };

	my $types = join "\n", literal($synopsis);
	$declared{$_} = 1 for types_in($types);
	for ($types =~
		/^((?:struct|enum|typedef)\b[^{;]*(?:\{.*?^\}[^;]*)?;)/msg) {
		my $type = normal($_);
		ok(index($code, $type) >= 0,
			"$name: in the header: " . substr $type, 0, 40);
	}
}

is_deeply([ sort keys %described ], [ sort keys %header_function ],
	'each function of the header is on a page');
is_deeply([ grep { $described{$_} > 1 } sort keys %described ], [],
	'and on one only');
is_deeply([ sort keys %declared ], [ sort keys %header_type ],
	'each type of the header is on a page');

SKIP: {
	skip('there is no mandoc', 1) if !qx{command -v mandoc 2>/dev/null};
	my @said = grep { !/: referenced manual not found:/ }
	  split /^/m, qx{mandoc -T lint docs/man/*.[1-8] 2>/dev/null};
	is(join('', @said), '', 'mandoc has nothing to complain of');
}

done_testing();
