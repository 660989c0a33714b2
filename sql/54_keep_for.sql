--
-- keep_for: what was superseded longer ago goes, and nothing younger; its age
-- counts from when it was superseded, not from when it was written.
--
\pset null '(null)'
CREATE FUNCTION regress_ago(ago interval) RETURNS bigint LANGUAGE sql AS $$ SELECT mvstore_version_at(now() - ago) $$;
CREATE FUNCTION regress_entries(store regclass, key text) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(coalesce(value, 'deleted'), ', ') FROM mvstore_history(store, key) $$;
SELECT mvstore_create('s', keep_for := '30 min');

-- Written long ago, superseded just now: it is young. And the reverse. (A minute
-- more or less is the slowest machine's.)
SELECT mvstore_put_at('s', 'young', 'of 10 days ago', regress_ago('10 days')),
       mvstore_put_at('s', 'young', 'of 29 min ago', regress_ago('29 min')),
       mvstore_put_at('s', 'old', 'of 32 min ago', regress_ago('32 min')),
       mvstore_put_at('s', 'old', 'of 31 min ago', regress_ago('31 min')),
       mvstore_put_at('s', 'old', 'of 30 min ago', regress_ago('30 min'));
-- The newest entry stays, however old.
SELECT mvstore_put_at('s', 'alone', 'of 10 days ago', regress_ago('10 days'));
SELECT mvstore_flush();
SELECT k, regress_entries('s', k) FROM unnest('{young,old,alone}'::text[]) k;
-- A read as of any time in the last 30 minutes is complete, and one of before is
-- not answered wrongly.
SELECT mvstore_get('s', 'young', regress_ago('29 min') - 1000000), mvstore_get('s', 'old', regress_ago('29 min'));
SELECT count(*) FROM mvstore_scan('s', as_of := regress_ago('29 min'));
SELECT floor BETWEEN regress_ago('31 min') - 60000000 AND regress_ago('30 min') AS floor
  FROM mvstore_store_stats WHERE store = 's'::regclass;
\set VERBOSITY sqlstate
SELECT mvstore_get('s', 'old', regress_ago('31 min') - 60000000);
SELECT count(*) FROM mvstore_scan('s', as_of := regress_ago('1 hour'));
\set VERBOSITY default

-- In whatever order entries arrive: each goes when its successor is old enough.
DROP TABLE s;
SELECT mvstore_create('s', keep_for := '30 min');
SELECT mvstore_put_at('s', 'k', 'of 10 min ago', regress_ago('10 min'));
SELECT mvstore_put_at('s', 'k', 'of 60 min ago', regress_ago('60 min'));
SELECT mvstore_flush();
SELECT regress_entries('s', 'k');
-- One comes between, and gives the eldest an end that is old.
SELECT mvstore_put_at('s', 'k', 'of 40 min ago', regress_ago('40 min'));
SELECT mvstore_flush();
SELECT regress_entries('s', 'k');
-- One comes between that does not; and one behind it.
SELECT mvstore_put_at('s', 'k', 'of 20 min ago', regress_ago('20 min'));
SELECT mvstore_put('s', 'k', 'of now') > 0 AS put;
SELECT mvstore_flush();
SELECT mvstore_sweep('s');
SELECT mvstore_flush();
SELECT regress_entries('s', 'k');
-- Many in one transaction, backwards.
BEGIN;
SELECT count(mvstore_put_at('s', 'many', 'of ' || i || ' min ago', regress_ago(make_interval(mins => i))))
  FROM generate_series(35, 23, -3) i;
COMMIT;
SELECT mvstore_flush();
SELECT regress_entries('s', 'many');

-- With keep_versions, both limits must be passed.
SELECT mvstore_create('limits', keep_versions := 3, keep_for := '30 min');
SELECT count(mvstore_put_at('limits', 'old', 'of ' || i || ' min ago', regress_ago(make_interval(mins => i)))),
       count(mvstore_put_at('limits', 'young', 'of ' || i / 10 || ' min ago', regress_ago(make_interval(mins => i / 10))))
  FROM generate_series(40, 80, 10) i;
SELECT count(mvstore_put_at('limits', 'few', 'of ' || i || ' min ago', regress_ago(make_interval(mins => i))))
  FROM generate_series(40, 60, 10) i;
SELECT count(mvstore_put_at('limits', 'mixed', 'of ' || i || ' min ago', regress_ago(make_interval(mins => i))))
  FROM generate_series(5, 65, 10) i;
SELECT mvstore_flush();
SELECT k, regress_entries('limits', k) FROM unnest('{old,young,few,mixed}'::text[]) k;

-- keep_for := '0': all that is superseded, without waiting for anything. The
-- worker sees to it by itself.
SELECT mvstore_create('zero', keep_for := '0');
SELECT mvstore_put('zero', 'k', 'v1') > 0 AS put;
SELECT mvstore_put('zero', 'k', 'v2') > 0 AS put;
SELECT mvstore_put('zero', 'k', 'v3') > 0 AS put;
DO $$
BEGIN
  FOR i IN 1 .. 10000 LOOP
    EXIT WHEN regress_entries('zero', 'k') = 'v3';
    PERFORM pg_sleep(0.01);
  END LOOP;
END $$;
SELECT regress_entries('zero', 'k');

-- Longer than there is time: nothing goes.
SELECT mvstore_create('ever', keep_for := '100000 days');
SELECT mvstore_put_at('ever', 'k', 'v1', 1), mvstore_put_at('ever', 'k', 'v2', 2), mvstore_delete_at('ever', 'k', 3);
SELECT mvstore_sweep('ever');
SELECT mvstore_flush();
SELECT regress_entries('ever', 'k');

-- A shorter keep_for holds for what is there, and a longer one keeps what comes.
SELECT mvstore_set_policy('s', keep_for := '15 min');
SELECT mvstore_flush();
SELECT k, regress_entries('s', k) FROM unnest('{k,many}'::text[]) k;
SELECT mvstore_set_policy('s', keep_for := '3 hours');
SELECT mvstore_put_at('s', 'late', 'of 12 min ago', regress_ago('12 min')), mvstore_put('s', 'late', 'of now') > 0 AS put;
SELECT mvstore_sweep('s');
SELECT mvstore_flush();
SELECT k, regress_entries('s', k) FROM unnest('{k,many,late}'::text[]) k;

-- An explicit drop may ask for more.
SELECT mvstore_drop('s', 'late');
SELECT mvstore_flush();
SELECT regress_entries('s', 'late');

-- What was superseded by plain SQL a sweep finds.
INSERT INTO s (key, version, value)
  SELECT 'plain', regress_ago(make_interval(mins => i)), convert_to('of ' || i || ' min ago', 'UTF8')
    FROM unnest('{400,300,200,100}'::int[]) i;
SELECT mvstore_sweep('s');
SELECT mvstore_flush();
SELECT regress_entries('s', 'plain');

DROP TABLE s, limits, zero, ever;
DROP FUNCTION regress_ago, regress_entries;
