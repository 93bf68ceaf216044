# SPDX-License-Identifier: LGPL-3.0-or-later
# What the tests of weft-shelf share: a root with files in it, a daemon on a
# free port, requests as bytes, answers as hashes, and an end that is looked at.
package shelf;
use strict;
use warnings;

use Exporter 'import';
use File::Temp qw(tempdir);
use IO::Select;
use IO::Socket::INET;
use JSON::PP qw(decode_json);
use POSIX ();
use Test::More;
use Time::HiRes qw(time sleep);

our @EXPORT = qw(root put endless start connect_to send_to hear ask get post
  stats until_true stop text_of binary sof);

# Nothing here may hang: prove would wait for ever.
my $limit = $ENV{TEST_TIMEOUT} // 60;
$SIG{ALRM} = sub { print "Bail out! $0 took over $limit s\n"; exit 255 };
alarm $limit;
$SIG{PIPE} = 'IGNORE';

# What stands before the program on its command line.
our @prefix;

my %running;

sub binary {
	my $program = ($ENV{BUILDDIR} // 'build/release') . '/bin/weft-shelf';
	return $program if -x $program;
	plan(skip_all => 'weft-shelf is not built here');
}

# A new root, removed at the end.
sub root {
	return tempdir('shelf-XXXXXX', TMPDIR => 1, CLEANUP => 1);
}

sub put {
	my ($path, $bytes) = @_;
	open my $file, '>:raw', $path or die "$path: $!";
	print $file $bytes;
	close $file or die "$path: $!";
	return $path;
}

# A file whose sum nobody will live to see, and which takes no room.
sub endless {
	my ($path) = @_;
	put($path, '');
	truncate $path, 2**42 or die "$path: $!";
	return $path;
}

# A daemon that accepts: { pid, port, out, err }; without a port if it could not
# start. A reference to a path among the options is where its descriptor 9 goes.
sub start {
	my ($told) = map { $$_ } grep { ref } @_;
	my @options = grep { !ref } @_;
	my $dir = root();
	my ($out, $err) = ("$dir/out", "$dir/err");
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		open STDOUT, '>', $out or die;
		open STDERR, '>', $err or die;
		if (defined $told) {
			open my $file, '>', $told or die;
			POSIX::dup2(fileno $file, 9) or die;
		}
		exec @prefix, binary(), '--port', 0, @options or die "exec: $!";
	}
	my $shelf = { pid => $pid, out => $out, err => $err };
	$running{$pid} = 1;
	until_true('it listens or ends', sub {
		($shelf->{port}) = text_of($out) =~
		  m{\Alistening on http://127\.0\.0\.1:(\d+)\n\z};
		return $shelf->{port} || text_of("/proc/$pid/stat") =~ / Z /;
	}) or die text_of($err);
	return $shelf;
}

# Waits for a condition; false when it does not come.
sub until_true {
	my ($what, $condition) = @_;
	my $end = time + 20;
	while (time < $end) {
		my $got = $condition->();
		return $got if $got;
		sleep 0.01;
	}
	diag("waited in vain until $what");
	return;
}

sub text_of {
	my ($path) = @_;
	open my $file, '<:raw', $path or return '';
	local $/ = undef;
	return scalar(<$file>) // '';
}

sub connect_to {
	my ($shelf) = @_;
	return IO::Socket::INET->new(
		PeerAddr => '127.0.0.1',
		PeerPort => $shelf->{port},
		Proto => 'tcp') // die "connect: $!";
}

sub send_to {
	my ($socket, $bytes) = @_;
	while (length $bytes) {
		my $n = syswrite $socket, $bytes;
		return 0 if !defined $n;
		substr($bytes, 0, $n) = '';
	}
	return 1;
}

# One answer: { status, header => {name => value}, body }, or undef when the
# connection ends without one. @o{head}: no body follows.
sub hear {
	my ($socket, %o) = @_;
	my $select = IO::Select->new($socket);
	my $got = \${*$socket}{shelf_got};
	$$got //= '';
	my $more = sub {
		return 0 if !$select->can_read($o{within} // 30);
		return sysread $socket, $$got, 65536, length $$got;
	};
	while ($$got !~ /\r\n\r\n/) {
		return if !$more->();
	}
	$$got =~ s/\A(.*?)\r\n\r\n//s or return;
	my ($line, @lines) = split /\r\n/, $1;
	my %answer = (head => join("\n", $line, @lines));
	($answer{status}) = $line =~ m{\AHTTP/1\.1 (\d{3}) };
	for my $l (@lines) {
		my ($name, $value) = split /:\s*/, $l, 2;
		$answer{header}{ lc $name } = $value;
	}
	return \%answer if $answer{status} == 100;
	my $size = $o{head} ? 0 : $answer{header}{'content-length'} // 0;
	while (length $$got < $size) {
		return if !$more->();
	}
	$answer{body} = substr $$got, 0, $size, '';
	return \%answer;
}

# One request on a connection of its own.
sub ask {
	my ($shelf, $bytes, %o) = @_;
	my $socket = connect_to($shelf);
	send_to($socket, $bytes);
	return hear($socket, %o);
}

sub get {
	my ($shelf, $target, @headers) = @_;
	return ask($shelf, join("\r\n", "GET $target HTTP/1.1", 'Host: x',
		@headers, '', ''));
}

sub post {
	my ($shelf, $target, $body, @headers) = @_;
	return ask($shelf, join("\r\n", "POST $target HTTP/1.1", 'Host: x',
		'Content-Length: ' . length $body, @headers, '', $body));
}

sub stats {
	my ($shelf) = @_;
	my $answer = get($shelf, '/stats');
	return decode_json($answer->{body});
}

# Width and height in a JPEG's frame header, and where that stands.
sub sof {
	my ($jpeg) = @_;
	my $at = 2;
	while ($at + 9 <= length $jpeg) {
		my ($mark, $size) = unpack "x$at n n", $jpeg;
		if ($mark >= 0xffc0 && $mark <= 0xffc2) {
			my ($h, $w) = unpack 'x' . ($at + 5) . ' n n', $jpeg;
			return ($w, $h, $at);
		}
		$at += 2 + $size;
	}
	return;
}

# Tells it to end, waits, and returns its exit status; a sanitizer's report or
# a leak is a failure of the test.
sub stop {
	my ($shelf, $signal) = @_;
	kill $signal // 'TERM', $shelf->{pid} if ($signal // '') ne 'none';
	until_true('it has ended', sub {
		return waitpid($shelf->{pid}, 1) == $shelf->{pid};
	}) or return 'runs';
	my $status = $?;
	delete $running{ $shelf->{pid} };
	my $err = text_of($shelf->{err});
	fail("no sanitizer has a complaint"), diag($err)
	  if $err =~ /Sanitizer|runtime error/;
	return $status & 127 ? "signal $status" : $status >> 8;
}

END {
	local $?;
	kill "KILL", $_ for keys %running;
}

1;
