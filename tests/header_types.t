#!/usr/bin/env perl
# SPDX-License-Identifier: LGPL-3.0-or-later
# include/tevent.h as a compiler sees it: in every language and variant that
# programs use it in, and beside the header of a packaged tevent.
#
# For the comparison both headers are preprocessed and cut into declarations.
# The packaged one's get new names, then one source holds both and an assertion
# for each function, handler, struct member and constant. Macros are compared by
# their text.
use strict;
use warnings;

use FindBin;
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Test::More;

chdir "$FindBin::Bin/.." or die;
my $build = $ENV{BUILDDIR} // 'build/release';
make_path("$build/scratch");
my $scratch = tempdir("$build/scratch/header_types.XXXXXX", CLEANUP => 1);
my $cc = $ENV{CC} // 'gcc';
my $pkg_config = $ENV{PKG_CONFIG} // 'pkg-config';
chomp(my $talloc = `$pkg_config --cflags talloc`);
my ($cxx) = grep { system("command -v $_ >$scratch/which 2>&1") == 0 }
	grep { $_ } $ENV{CXX}, qw(g++ clang++ clang++-14);
my $stock = first_readable($ENV{STOCK} && "$ENV{STOCK}/include/tevent.h",
	'/usr/include/tevent.h');
my $ours = 'include/tevent.h';

sub first_readable {
	return (grep { $_ && -r $_ } @_)[0];
}

sub put {
	my ($name, $text) = @_;
	open my $file, '>', "$scratch/$name" or die "$name: $!";
	print $file $text;
	close $file or die "$name: $!";
	return "$scratch/$name";
}

# What the command prints, and whether it succeeds.
sub run {
	my ($command) = @_;
	my $said = `$command 2>&1`;
	return ($said, $? == 0);
}

sub compiles {
	my ($name, $command) = @_;
	my ($said, $good) = run($command);
	ok($good, $name) or diag(substr($said, 0, 4000));
	return;
}

# compiles_not NAME COMMAND PATTERN: refused, and for the right reason.
sub compiles_not {
	my ($name, $command, $why) = @_;
	my ($said, $good) = run($command);
	ok(!$good && $said =~ $why, $name) or diag(substr($said, 0, 4000));
	return;
}

# ---- In every language -----------------------------------------------------

# Every macro in use, in C that is C++ as well.
my $program = put('program.c', <<'END');
#include <tevent.h>
struct state { int value; };
static void on_fd(struct tevent_context *ev, struct tevent_fd *fde,
		  uint16_t flags, void *data)
{ (void)ev; (void)fde; (void)flags; (void)data; }
static void on_timer(struct tevent_context *ev, struct tevent_timer *te,
		     struct timeval now, void *data)
{ (void)ev; (void)te; (void)now; (void)data; }
static void on_immediate(struct tevent_context *ev, struct tevent_immediate *im,
			 void *data)
{ (void)ev; (void)im; (void)data; }
static void on_signal(struct tevent_context *ev, struct tevent_signal *se,
		      int signum, int count, void *info, void *data)
{ (void)ev; (void)se; (void)signum; (void)count; (void)info; (void)data; }
static void on_done(struct tevent_req *req)
{ struct state *s = tevent_req_data(req, struct state);
  struct state *d = tevent_req_callback_data(req, struct state);
  void *v = tevent_req_callback_data_void(req);
  (void)s; (void)d; (void)v; }
static bool on_cancel(struct tevent_req *req) { (void)req; return true; }
static void on_cleanup(struct tevent_req *req, enum tevent_req_state state)
{ (void)req; (void)state; }
static void on_turn(struct tevent_req *req, void *data)
{ (void)req; (void)data; }
int main(void)
{
	struct tevent_context *ev = tevent_context_init(NULL);
	struct tevent_immediate *im = tevent_create_immediate(ev);
	struct tevent_queue *queue = tevent_queue_create(ev, "queue");
	struct state *state = NULL;
	struct tevent_req *req = tevent_req_create(ev, &state, struct state);
	struct tevent_fd *fde = tevent_add_fd(ev, ev, 0, TEVENT_FD_READ, on_fd,
					      NULL);
	struct tevent_queue_entry *entry = NULL;
	struct tevent_threaded_context *tctx =
		tevent_threaded_context_create(ev, ev);

	tevent_add_timer(ev, ev, tevent_timeval_current(), on_timer, NULL);
	tevent_add_signal(ev, ev, 1, 0, on_signal, NULL);
	tevent_schedule_immediate(im, ev, on_immediate, NULL);
	tevent_threaded_schedule_immediate(tctx, im, on_immediate, NULL);
	tevent_req_set_callback(req, on_done, NULL);
	tevent_req_set_cancel_fn(req, on_cancel);
	tevent_req_set_cleanup_fn(req, on_cleanup);
	(tevent_req_set_callback)(req, on_done, NULL);
	entry = tevent_queue_add_entry(queue, ev, req, on_turn, NULL);
	tevent_queue_add_optimize_empty(queue, ev, req, on_turn, NULL);
	if (entry == NULL || !tevent_queue_add(queue, ev, req, on_turn, NULL) ||
	    tevent_req_nomem(state, req) || tevent_req_error(req, 5)) {
		tevent_req_oom(req);
	}
	tevent_thread_call_depth_reset_from_req(req);
	tevent_req_cancel(req);
	tevent_req_notify_callback(req);
	tevent_req_done(req);
	TEVENT_FD_READABLE(fde);
	TEVENT_FD_WRITEABLE(fde);
	TEVENT_FD_WANTERROR(fde);
	TEVENT_FD_NOT_READABLE(fde);
	TEVENT_FD_NOT_WRITEABLE(fde);
	TEVENT_FD_NOT_WANTERROR(fde);
#ifdef TEVENT_DEPRECATED
	tevent_loop_allow_nesting(ev);
#endif
#ifdef TEVENT_COMPAT_DEFINES
	struct event_context *old = event_context_init(ev);
	struct fd_event *oldfd = event_add_fd(old, old, 0, EVENT_FD_READ, on_fd,
					      NULL);
	EVENT_FD_NOT_READABLE(oldfd);
	ev_set_debug_stderr(old);
#endif
	return tevent_loop_once(ev) + tevent_loop_wait(ev);
}
END

my @languages = (
	[ 'C99', "$cc -std=c99 -pedantic -xc" ],
	[ 'C11', "$cc -std=c11 -pedantic -xc" ],
	[ 'GNU C', "$cc -std=gnu11 -xc" ],
	$cxx ? ([ 'C++98', "$cxx -std=c++98 -pedantic -Wno-long-long -xc++" ],
		[ 'C++17', "$cxx -std=c++17 -pedantic -xc++" ]) : (),
);
my $strict = "-Iinclude $talloc -Wall -Wextra -Werror " .
	'-Wno-deprecated-declarations -Wno-unused-value -fsyntax-only';
for my $language (@languages) {
	for my $variant ('', '-DTEVENT_DEPRECATED', '-DTEVENT_COMPAT_DEFINES',
		'-DTEVENT_DEPRECATED -DTEVENT_COMPAT_DEFINES') {
		compiles("a program in $language->[0] " . ($variant || 'as it is'),
			"$language->[1] $strict $variant $program");
	}
}
SKIP: {
	skip 'no C++ compiler', 1 unless $cxx;
	my $two = put('two.cc', "extern \"C\" {\n#include <tevent.h>\n}\n" .
		"#include <tevent.h>\nint main() { return " .
		"tevent_timeval_is_zero(nullptr); }\n");
	compiles('C++ may wrap it in extern "C"',
		"$cxx -std=c++11 $strict $two");
}

my $nesting = put('nesting.c', "#include <tevent.h>\n" .
	"void f(struct tevent_context *ev);\n" .
	"void f(struct tevent_context *ev) { tevent_loop_allow_nesting(ev); }\n");
my $plain = "$cc -std=gnu11 -Iinclude $talloc -Wall -Werror -fsyntax-only";
compiles_not('what is deprecated is not seen by default', "$plain $nesting",
	qr/implicit declaration/);
compiles_not('and warned of otherwise', "$plain -DTEVENT_DEPRECATED $nesting",
	qr/is deprecated/);

# Stock declares the variable and does not export it either.
my $hidden = put('hidden.c', "#include <tevent.h>\n" .
	"int main(void) { return " .
	"tevent_thread_call_depth_state_g.cb != NULL; }\n");
compiles_not('the thread state is declared but not to be had',
	"$cc -std=gnu11 -Iinclude $talloc -o $scratch/hidden $hidden " .
	"-L$build/lib -ltevent -ltalloc", qr/tevent_thread_call_depth_state_g/);

my $author = put('author.c', <<'END');
#include "engine/author.h"
#define NOTHING(...)
#define AUTHOR(name, result, ...) _Static_assert( \
	__builtin_types_compatible_p(__typeof__(name), \
				     __typeof__(result(__VA_ARGS__))), #name);
#define SIG NOTHING
#define LATER NOTHING
#define HANDLER NOTHING
#define LATER_HANDLER NOTHING
#define VALUE NOTHING
#define LATER_VALUE NOTHING
#define OPS NOTHING
#define WRAPPER NOTHING
#include "tests/abi/tevent-types.def"
END
compiles('what only authors of backends call has its types',
	"$cc -std=gnu11 -I. -Iinclude $talloc -Wall -Werror -fsyntax-only $author");

# ---- Beside the packaged header --------------------------------------------

# Declarations of a header, each in one line, without what it includes.
sub declarations {
	my ($header) = @_;
	my ($text, $inside, $depth, $piece) = ('', 0, 0, '');
	my @pieces;
	my $source = put('only.c', "#define TEVENT_DEPRECATED 1\n" .
		"#include \"$header\"\n");
	for (split /\n/, `$cc -std=gnu11 -I. -E $talloc $source`) {
		if (/^# \d+ "([^"]*)"/) {
			$inside = $1 =~ /\Q$header\E$/;
		} elsif ($inside && !/^#/) {
			$text .= "$_ ";
		}
	}
	$text =~ s/extern "C" \{//;
	$text =~ s/__attribute__\s*(\((?:[^()]++|(?1))*\))//g;
	$text =~ s/\s+/ /g;
	for my $char (split //, $text) {
		$depth += $char eq '{' ? 1 : $char eq '}' ? -1 : 0;
		if ($char eq ';' && $depth == 0) {
			push @pieces, $piece =~ s/^ | $//gr;
			$piece = '';
		} else {
			$piece .= $char;
		}
	}
	return @pieces;
}

# The names of a kind in declarations.
sub functions {
	return map { /^(?!typedef)[^{(]*?\b(\w+) ?\(/ ? $1 : () } @_;
}

sub handlers {
	return map { /^typedef .*?\( ?\*(\w+)\)/ ? $1 : () } @_;
}

sub definitions {
	my ($kind, @from) = @_;
	return map { /^$kind (\w+) \{(.*)\}$/ ? [ $1, $2 ] : () } @from;
}

sub constants {
	my ($body) = @_;
	return map { /(\w+)/ ? $1 : () } split /,/, $body;
}

sub members {
	my ($body) = @_;
	return map { /\(\*(\w+)\)/ ? $1 : /(\w+)\s*$/ ? $1 : () }
		split /;/, $body;
}

# Macros of a header: name => [ parameters or undef, text ]; parameters are
# numbered, blanks gone.
sub macros {
	my ($header) = @_;
	my (%macro, $inside);
	my $source = put('macros.c', "#define TEVENT_DEPRECATED 1\n" .
		"#define TEVENT_COMPAT_DEFINES 1\n#include \"$header\"\n");
	for (split /\n/, `$cc -std=gnu11 -I. -E -dD $talloc $source`) {
		if (/^# \d+ "([^"]*)"/) {
			$inside = $1 =~ /\Q$header\E$/;
			next;
		}
		next unless $inside && /^#define (\w+)(?:\(([^)]*)\))?\s*(.*)/;
		my ($name, $parameters, $text) = ($1, $2, $3);
		my @names = split /\s*,\s*/, $parameters // '';
		for my $i (0 .. $#names) {
			$text =~ s/\b\Q$names[$i]\E\b/<$i>/g;
		}
		$text =~ s/\s+//g;
		$macro{$name} = [ defined $parameters ? scalar @names : undef,
			$text ];
	}
	return %macro;
}

sub compare_types {
	my ($mine, $theirs) = @_;
	my @functions = functions(@$theirs);
	my @handlers = handlers(@$theirs);
	my %is_mine = map { $_ => 1 } functions(@$mine), handlers(@$mine);
	my ($text, @checks) = ('');
	my $renamed = join '|', map { quotemeta } @functions, @handlers;

	is(join(' ', grep { !$is_mine{$_} } @functions, @handlers), '',
		'every function and handler of the packaged header is declared');
	push @checks, map { [ $_, "__typeof__($_), __typeof__(stock_$_)" ] }
		@functions, @handlers;
	for my $piece (@$theirs) {
		my $copy = $piece;
		if ($copy =~ /^(enum|struct) (\w+) \{(.*)\}$/) {
			my ($kind, $tag, $body) = ($1, $2, $3);
			$body =~ s/\b(TEVENT_\w+)/stock_$1/g if $kind eq 'enum';
			$copy = "$kind stock_$tag { $body }";
		}
		$copy =~ s/\b($renamed)\b/stock_$1/g;
		$text .= "$copy;\n";
	}
	for (definitions('struct', @$theirs)) {
		my ($tag, $body) = @$_;
		push @checks, map { [ "$tag.$_",
			"__typeof__(((struct $tag *)0)->$_), " .
			"__typeof__(((struct stock_$tag *)0)->$_)" ] }
			members($body);
		$text .= "_Static_assert(sizeof(struct $tag) == " .
			"sizeof(struct stock_$tag), \"$tag\");\n";
		$text .= "_Static_assert(__builtin_offsetof(struct $tag, $_) == " .
			"__builtin_offsetof(struct stock_$tag, $_), " .
			"\"$tag.$_\");\n" for members($body);
	}
	for (definitions('enum', @$theirs)) {
		my ($tag, $body) = @$_;
		$text .= "_Static_assert($_ == stock_$_, \"$_\");\n"
			for constants($body);
		$text .= "_Static_assert(sizeof(enum $tag) == " .
			"sizeof(enum stock_$tag), \"$tag\");\n";
	}
	$text .= "_Static_assert(__builtin_types_compatible_p($_->[1]), " .
		"\"$_->[0]\");\n" for @checks;

	# No macros here: both headers stand in it as they came out.
	my $unit = put('both.c', "#include <stdbool.h>\n#include <stdint.h>\n" .
		"#include <sys/time.h>\n#include <talloc.h>\n" .
		join('', map { "$_;\n" } @$mine) . $text);
	my $asserts = () = $text =~ /_Static_assert/g;
	compiles(scalar(@functions) . ' functions, ' . scalar(@handlers) .
		" handlers, structs and constants are the same ($asserts " .
		'assertions)', "$cc -std=gnu11 -w $talloc -fsyntax-only $unit");

	# The comparison notices a difference.
	my $wrong = join '', map { "$_;\n" } @$mine;
	$wrong =~ s/tevent_fd_get_flags\( ?struct/tevent_fd_get_flags(int, struct/
		or die;
	put('wrong.c', "#include <stdbool.h>\n#include <stdint.h>\n" .
		"#include <sys/time.h>\n#include <talloc.h>\n$wrong$text");
	compiles_not('another parameter would be noticed',
		"$cc -std=gnu11 -w $talloc -fsyntax-only $scratch/wrong.c",
		qr/"tevent_fd_get_flags"/);
	cmp_ok(scalar @functions, '>=', 120, 'the packaged header was read');
	return;
}

# What 0.15 and later made of macros that 0.14 had, and one that took a
# variable of its caller's for its argument.
my %changed = map { $_ => 1 } qw(tevent_req_create ev_set_debug_stderr);

sub compare_macros {
	my %mine = macros($ours);
	my %theirs = macros($stock);

	for my $name (sort keys %theirs) {
		next if $name =~ /^_/;
		my ($parameters, $text) = @{ $theirs{$name} };
		my $same = exists $mine{$name} &&
			($parameters // -1) == ($mine{$name}[0] // -1) &&
			($changed{$name} || $text eq $mine{$name}[1]);
		ok($same, "macro $name") or
			diag("here: $mine{$name}[1]\nthere: $text");
	}
	return;
}

SKIP: {
	skip 'no packaged tevent.h to compare with', 1 unless $stock;
	compare_types([ declarations($ours) ], [ declarations($stock) ]);
	compare_macros();
}

done_testing();
