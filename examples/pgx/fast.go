// Batches, pipelines and many values at once with pgx.
//
//	fast [MODE]    through PgBouncer in transaction mode: exec, simple_protocol, cache_describe
package main

import (
	"fmt"

	"github.com/jackc/pgx/v5"
)

const (
	put  = "SELECT mvstore_put_bytea('things', $1, $2)"
	many = "SELECT key, value FROM mvstore_get_many_bytea('things', $1)"
)

func main() {
	connect()
	defer conn.Close(ctx)

	// The same text again: in cache_statement prepared at the first call, and kept.
	var keys []string
	var values [][]byte
	var pairs []pair[[]byte]
	for i := 0; i < 1000; i++ {
		pairs = append(pairs, pair[[]byte]{fmt.Sprintf("p%03d", i), []byte{byte(i)}})
		keys, values = append(keys, pairs[i].Key), append(values, pairs[i].Value)
	}
	for _, p := range pairs[:10] {
		one[int64](put, p.Key, p.Value)
	}
	if mode == "cache_statement" {
		same(one[int]("SELECT count(*) FROM pg_prepared_statements WHERE statement = $1", put), 1)
	}

	// A batch is sent at once (a pipeline, where the mode has the extended protocol), in a
	// transaction of its own, so of one version.
	batch, versions := &pgx.Batch{}, map[int64]bool{}
	for _, p := range pairs {
		batch.Queue(put, p.Key, p.Value).QueryRow(func(row pgx.Row) error {
			var version int64
			err := row.Scan(&version)
			versions[version] = true
			return err
		})
	}
	check(conn.SendBatch(ctx, batch).Close())
	same(len(versions), 1)
	same(all[pair[[]byte]]("SELECT key, value FROM mvstore_scan_bytea('things', from_key := $1)", "p"), pairs)

	// The same as one statement with two arrays: less for server and network to do.
	one[int64]("SELECT mvstore_put_many_bytea('things', $1, $2)", keys, values)
	same(all[pair[[]byte]](many, keys), pairs)

	// A transaction that reads and writes, and is of one version.
	check(pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var first, second int64
		check(tx.QueryRow(ctx, put, "a", []byte{0x00}).Scan(&first))
		check(tx.QueryRow(ctx, put, "b", []byte{0xff}).Scan(&second))
		same(first, second)
		return nil
	}))
	same(one[[]byte]("SELECT mvstore_get_bytea('things', $1)", "b"), []byte{0xff})

	// A statement prepared by hand, with a name: directly only.
	if mode != "exec" && mode != "simple_protocol" && mode != "cache_describe" {
		_, err := conn.Prepare(ctx, "put", put)
		check(err)
		same(one[int64]("put", "c", []byte{0x00, 0xff}) > 0, true)
	}
}
