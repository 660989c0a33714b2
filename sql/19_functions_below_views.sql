--
-- What views are made of answers by itself, too; and a store in the catalog goes out and
-- comes in as it is.
--
SELECT mvstore_create('s', feed := true), mvstore_create('plain');
SELECT mvstore_drop_lock_class() > 0 AS lock_class, mvstore_max_attempts() AS attempts;
SELECT mvstore_pin_lives(now() + interval '1 h') AS lives, mvstore_pin_lives(now() - interval '1 h') AS is_over, mvstore_pin_lives('infinity') AS lives;
SELECT mvstore_stat_feed('s'::regclass), mvstore_stat_feed('plain'::regclass);
-- Nothing is under way once all is done.
SELECT mvstore_flush();
SELECT * FROM mvstore_stat_progress() WHERE command <> 'vacuum';
-- The event trigger's function is for that alone, and so is the catalog's guard.
SELECT mvstore_keep_guard();

-- By name, by number, of what there is not; and the functions by themselves.
SELECT mvstore_regclass_in('s'), mvstore_regclass_out(mvstore_regclass_in('plain')), mvstore_regclass_in('4711'), mvstore_regclass_in('-');
SELECT mvstore_regclass_in('no_such_store');
SELECT encode(mvstore_regclass_send('s'::mvstore_regclass), 'hex') = lpad(to_hex('s'::regclass::oid::bigint), 8, '0') AS "an OID in network order";
-- Such a number comes in, by mvstore_regclass_recv: 4711 is 0x1267.
CREATE TABLE taken (store mvstore_regclass);
COPY taken FROM PROGRAM $$printf 'PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0\0\1\0\0\0\4\0\0\022\147\377\377'$$ (FORMAT binary);
SELECT * FROM taken;
DROP TABLE s, plain, taken;
