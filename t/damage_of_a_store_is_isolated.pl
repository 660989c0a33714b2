# One store's trouble is nobody else's: beside a damaged page, a table that is
# being altered, and a key with very many versions, all else is dropped as ever.
# What fails is tried again with growing delays, and then set aside where it is
# seen, to be done when the damage is repaired.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);

my $page_size = 8192;
my $node = mvstore_node('trouble', conf => "mvstore.sweep_interval = '1 h'\nfsync = off");

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub stat_of { return sql("SELECT $_[0] FROM mvstore_stats WHERE database = 'postgres'"); }

# The first page of a table: what it holds, and put something else in its place.
sub first_page
{
	my ($path, $new) = @_;

	open(my $file, '+<:raw', $path) or die "$path: $!";
	read($file, my $old, $page_size) == $page_size or die "$path: short";
	if (defined $new)
	{
		seek($file, 0, 0) or die "$path: $!";
		print $file $new;
	}
	close($file) or die "$path: $!";
	return $old;
}

# A key whose oldest versions lie in the first page of a table, and whose newest
# do not; and a key that has nothing there.
sub lay_out
{
	my ($store) = @_;

	sql("SELECT mvstore_put('$store', 'near', 'v1')");
	sql("SELECT count(mvstore_put('$store', 'filler ' || k, repeat('x', 1500))) FROM generate_series(1, 30) k");
	sql("SELECT mvstore_put('$store', 'far', 'v1')");
	sql("SELECT mvstore_put('$store', k, 'v2') FROM unnest('{near,far}'::text[]) k");
	return is(sql("SELECT string_agg(((ctid::text::point)[0] = 0)::text, ' ' ORDER BY key, version) FROM $store WHERE key IN ('near', 'far')"),
		'false false true false', "$store: the first page has the oldest version of one key");
}

# All is requested while nothing is dropped. big is the store with the lowest OID,
# so the first of a batch.
sql(q{SELECT mvstore_create('big'), mvstore_create('bad'), mvstore_create('policy', keep_versions := 1),
             mvstore_create('altered'), mvstore_create('good')});
is(sql('SELECT mvstore_flush()'), 't', 'nothing is to be done');
sql('SELECT mvstore_pause()');
sql(q{INSERT INTO big (key, version, value) SELECT 'k', v, convert_to('v' || v, 'UTF8') FROM generate_series(1, 200000) v});
lay_out($_) for ('bad', 'policy');
sql(qq{SELECT mvstore_put_at('$_', 'k', 'v' || v, v) FROM generate_series(1, 3) v}) for ('altered', 'good');
sql(q{SELECT mvstore_drop('big', 'k'), mvstore_drop('bad', 'near'), mvstore_drop('bad', 'far'), mvstore_drop('altered', 'k'), mvstore_drop('good', 'k')});
# (Ask before the page is damaged; a clean shutdown keeps all that was requested.)
my %path = map { $_ => $node->data_dir . '/' . sql("SELECT pg_relation_filepath('$_')") } ('bad', 'policy');
$node->stop('fast');
my %page = map { $_ => first_page($path{$_}, "\xff" x $page_size) } keys %path;
$node->start;
is(stat_of('queue_length > 5'), 't', 'all requests are waiting');

my $altering = $node->background_psql('postgres');
$altering->query_safe('BEGIN; ALTER TABLE altered ADD COLUMN note text');
sql('SELECT mvstore_resume()');

# The others go on.
wait_until($node, 'postgres', 'SELECT count(*) = 1 FROM good', 'beside all that another store is served');
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM mvstore_history('bad', 'far')}, 'in the damaged store, what is not in the damaged page');
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM mvstore_history('policy', 'far')}, 'likewise by a policy');
wait_until($node, 'postgres', 'SELECT count(*) = 1 FROM big', '200,000 versions of one key go');
is(sql(q{SELECT string_agg(value, ' ') FROM mvstore_history('big', 'k')}), 'v200000', 'all but the newest');
# In 40 transactions, of which only the first can have been before that of the other store.
cmp_ok(sql(q{SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint - xmin::text::bigint FROM mvstore_floor WHERE store = 'good'::regclass}),
	'>=', 39, 'and others had their turn in between');
sql(q{SELECT mvstore_put('good', 'later', 'v1')});
sql(q{SELECT mvstore_put('good', 'later', 'v2'), mvstore_drop('good', 'later')});
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM mvstore_history('good', 'later')}, 'new requests are served');

# The table that is being altered.
is(sql(q{SELECT kind, store, requests, holds_back FROM mvstore_blockers WHERE store = 'altered'::regclass}), 'lock|altered|1|all drops from the store', 'mvstore_blockers tells what is locked');
is(sql(q{SELECT state, attempts FROM mvstore_requests WHERE store = 'altered'::regclass}), 'queued|0', 'which is no failure');
$altering->query_safe('COMMIT');
$altering->quit;
wait_until($node, 'postgres', 'SELECT count(*) = 1 FROM altered', 'when it has been altered it is served');
wait_until($node, 'postgres', q{SELECT count(*) = 0 FROM mvstore_blockers WHERE kind = 'lock'}, 'and blocks no more');

# The damaged ones: attempt by attempt.
my @seen;
my $deadline = time() + $PostgreSQL::Test::Utils::timeout_default;
while (!$seen[5] && time() < $deadline)
{
	my ($attempts, $error, $state) =
	  split(/\|/, sql(q{SELECT attempts, last_error, state FROM mvstore_requests WHERE store = 'bad'::regclass}));
	if ($attempts && !$seen[$attempts])
	{
		$seen[$attempts] = time();
		like($error, qr/invalid page in block 0/, "after attempt $attempts its error is shown");
		is($state, $attempts < 5 ? 'queued' : 'failed', "and what it waits for: $state");
		is(sql(q{SELECT kind, store FROM mvstore_blockers WHERE holds_back LIKE 'invalid page in block 0%' ORDER BY store}),
			"error|bad\nerror|policy", 'mvstore_blockers names both stores') if $attempts == 3;
	}
	usleep(50_000);
}
ok($seen[5], 'after five attempts it is set aside');
# The delays are 1, 2, 4 and 8 s at least, and we may see an attempt two seconds late.
cmp_ok($seen[4] - $seen[3], '>', 2, 'between attempts there is more time');
cmp_ok($seen[5] - $seen[4], '>', 6, 'and more');
wait_until($node, 'postgres', q{SELECT requests_failed = 2 FROM mvstore_stats WHERE database = 'postgres'}, "so is the policy's own request");
is(sql(q{SELECT store, convert_from(key, 'UTF8'), keep, id IS NOT NULL, attempts, last_error LIKE 'invalid page in block 0%', state
           FROM mvstore_requests ORDER BY store}),
	"bad|near|1|t|5|t|failed\npolicy|near||t|5|t|failed", 'mvstore_requests shows both, with their errors');
is(sql(q{SELECT kind, store, requests, holds_back FROM mvstore_blockers WHERE kind = 'error' ORDER BY store}),
	"error|bad|1|requests that failed, see mvstore_requests\nerror|policy|1|requests that failed, see mvstore_requests", 'mvstore_blockers names the stores');
is(sql('SELECT mvstore_flush()'), 'f', 'mvstore_flush tells that not all is done');
my $log = slurp_file($node->logfile);
is(scalar(() = $log =~ /ERROR:  invalid page in block 0/g), 2, 'the log has one line for each, not for each attempt');
is(scalar(() = $log =~ /was set aside after 5 attempts/g), 2, 'and one when it was set aside');

# Set aside, they disturb nobody, whether the server goes or the worker.
$node->restart;
my $worker = worker_pid($node, 'postgres');
sql("SELECT pg_terminate_backend($worker)");
wait_until($node, 'postgres', "SELECT worker_pid <> $worker FROM mvstore_stats WHERE database = 'postgres'", 'another worker comes');
sql(q{SELECT mvstore_put('good', 'k', 'v4'), mvstore_drop('good', 'k')});
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM mvstore_history('good', 'k')}, 'over a restart others are served');
stays($node, 'postgres', q{SELECT count(*) = 2 AND bool_and(state = 'failed' AND attempts = 5) FROM mvstore_requests}, 'and the failed ones left alone');
is(stat_of('requests_failed'), 2, 'and counted');
is(sql('SELECT mvstore_flush()'), 'f', 'mvstore_flush goes on telling of them');

# Asked for while the damage is still there, they fail anew.
is(sql(q{SELECT mvstore_retry_failed('policy')}), 1, 'a failed request is to be tried again');
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM mvstore_requests WHERE store = 'policy'::regclass AND attempts BETWEEN 1 AND 4 AND state = 'queued'},
	'which begins with new attempts');
is(stat_of('requests_failed'), 1, 'the other one stays set aside');

# Repaired, they can be done. What was in its attempts is done by itself.
$node->stop('fast');
first_page($path{$_}, $page{$_}) for keys %path;
$node->start;
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM mvstore_history('policy', 'near')}, 'after the repair, what was being tried is done');
is(sql(q{SELECT count(*) FROM mvstore_history('bad', 'near')}), 2, 'what was set aside, not yet');
is(sql(q{SELECT mvstore_retry_failed('bad')}), 1, 'it is to be tried again');
is(sql('SELECT mvstore_flush()'), 't', 'and is done');
is(sql(q{SELECT string_agg(value, ' ') FROM mvstore_history('bad', 'near')}), 'v2', 'all of it');
is(sql('SELECT count(*) FROM mvstore_requests'), 0, 'nothing is left');
is(sql(q{SELECT count(*) FROM mvstore_blockers WHERE kind <> 'snapshot'}), 0, 'and nothing blocks');

# Very many versions of a key under a policy: by a request, and in a sweep.
sql(q{SELECT mvstore_pause()});
sql(q{INSERT INTO policy (key, version, value) SELECT 'many', v, convert_to('v' || v, 'UTF8') FROM generate_series(1, 60000) v});
sql(q{SELECT mvstore_put('policy', 'many', 'last')});
sql(q{SELECT mvstore_create('swept', keep_versions := 2);
      INSERT INTO swept (key, version, value) SELECT k, v, convert_to('v' || v, 'UTF8') FROM unnest('{a,b,c}'::bytea[]) k, generate_series(1, 30000) v;
      SELECT mvstore_sweep('swept')});
sql(q{SELECT mvstore_resume()});
is(sql('SELECT mvstore_flush()'), 't', 'keys with very many versions are worked off under policies, too');
is(sql(q{SELECT string_agg(value, ' ') FROM mvstore_history('policy', 'many')}), 'last', 'by requests');
is(sql(q{SELECT string_agg(convert_from(value, 'UTF8'), ' ' ORDER BY key, version) FROM swept}), 'v29999 v30000 v29999 v30000 v29999 v30000', 'and by sweeps');

$node->stop;
done_testing();
