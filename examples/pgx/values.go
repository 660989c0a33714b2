// mvstore with pgx 5: string to the plain functions, []byte to ..._bytea and ..._raw.
//
//	values [MODE]    cache_statement (if not given), cache_describe, describe_exec, exec,
//	                 simple_protocol; through PgBouncer in transaction mode the last two
//
// Where the server is comes from PGHOST, PGDATABASE, ..., as for psql.
package main

import "time"

var blob = []byte{0x00, 0xff, '\\', 'x', '4', '1'} // no text in any encoding

func main() {
	connect()
	defer conn.Close(ctx)

	// Text, and what is not there: a pointer is nil for NULL.
	v1 := one[int64]("SELECT mvstore_put('things', $1, $2)", "apple", "größer")
	same(one[string]("SELECT mvstore_get('things', $1)", "apple"), "größer")
	same(one[*string]("SELECT mvstore_get('things', $1)", "pear"), (*string)(nil))

	// Bytes under a text key, and under a key of bytes.
	one[int64]("SELECT mvstore_put_bytea('things', $1, $2)", "blob", blob)
	same(one[[]byte]("SELECT mvstore_get_bytea('things', $1)", "blob"), blob)
	one[int64]("SELECT mvstore_put_raw($1, $2, $3)", "things", blob, []byte{})
	same(one[[]byte]("SELECT mvstore_get_raw('things', $1)", blob), []byte{})

	// Arguments by name; nil is "not given" where the function has a default.
	one[int64]("SELECT mvstore_put('things', $1, $2, ttl := $3)", "apple", "red", 24*time.Hour)
	one[int64]("SELECT mvstore_put('things', $1, $2, ttl := $3)", "apple", "ripe", nil)
	same(one[string]("SELECT mvstore_get('things', $1, as_of := $2)", "apple", v1), "größer")

	// history: the newest first; a value of nil is a tombstone.
	one[int64]("SELECT mvstore_delete('things', $1)", "apple")
	history := all[struct {
		Version int64
		Value   *string
		Expires *time.Time
	}]("SELECT * FROM mvstore_history('things', $1)", "apple")
	same(len(history), 4)
	same(history[0].Value, (*string)(nil))
	same(*history[3].Value+*history[1].Value, "größerripe")
	same(history[2].Expires.After(time.Now()), true)
	same(one[[]byte]("SELECT value FROM mvstore_history_raw('things', $1)", blob), []byte{})

	// put_if: with the version that was read, 0 for "must be absent"; nil: somebody was first.
	putIf := "SELECT mvstore_put_if('things', $1, $2, $3)"
	v := one[int64](putIf, "n", "1", 0)
	same(one[*int64](putIf, "n", "1", 0), (*int64)(nil))
	same(one[int64](putIf, "n", "2", v) > v, true)
	same(one[*int64]("SELECT mvstore_put_if_bytea('things', $1, $2, $3)", "n", blob, v), (*int64)(nil))

	// Slices are arrays; in put_many, nil deletes.
	a, b := "a", "b"
	one[int64]("SELECT mvstore_put_many('things', $1, $2)", []string{"k1", "k2", "n"}, []*string{&a, &b, nil})
	got := all[pair[*string]]("SELECT key, value FROM mvstore_get_many('things', $1)", []string{"k2", "n", "k1"})
	same(got, []pair[*string]{{"k2", &b}, {"n", nil}, {"k1", &a}})
	same(one[*int64]("SELECT mvstore_put_many('things', $1, $2)", []string{}, []string{}), (*int64)(nil))
	one[int64]("SELECT mvstore_put_many_bytea('things', $1, $2)", []string{"k3", "k4"}, [][]byte{blob, {0xff}})
	one[int64]("SELECT mvstore_put_many_raw('things', $1, $2)", [][]byte{{0xfe}, blob}, [][]byte{{0xff}, nil})

	// Pages of a scan: bounds of nil are open; the next page begins behind the last key.
	var seen []pair[[]byte]
	for start := (*string)(nil); ; {
		page := all[pair[[]byte]](`SELECT key, value FROM mvstore_scan_bytea('things',
			from_key := $1, to_key := $2, max_rows := $3)`, start, "l", 2)
		if len(page) == 0 {
			break
		}
		seen = append(seen, page...)
		next := page[len(page)-1].Key + "\x01"
		start = &next
	}
	same(seen, []pair[[]byte]{
		{"blob", blob}, {"k1", []byte("a")}, {"k2", []byte("b")}, {"k3", blob}, {"k4", []byte{0xff}}})
}
