// wrong [MODE]: what becomes of other types than the function's.
package main

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	putText        = "SELECT mvstore_put('things', $1, $2)"
	putMany        = "SELECT mvstore_put_many('things', $1, $2)"
	putBytea       = "SELECT mvstore_put_bytea('things', $1, $2)"
	noText, noNull = "22021", "22004"
)

// It must fail with the SQLSTATE, or "pgx" for an error of pgx's own. Returns the hint.
func refused(sqlstate, query string, args ...any) string {
	_, err := conn.Exec(ctx, query, args...)
	var pgErr *pgconn.PgError
	switch {
	case err == nil:
		fail("not refused: " + query)
	case errors.As(err, &pgErr):
		same(pgErr.Code, sqlstate)
		return pgErr.Hint
	default:
		same("pgx", sqlstate)
	}
	return ""
}

func main() {
	connect()
	defer conn.Close(ctx)

	raw := []byte{0x00, 0xff}
	if mode == "exec" || mode == "simple_protocol" {
		// pgx does not ask what type is wanted, and sends []byte as the text form of bytea:
		// neither side can tell that this text was not meant.
		run(putText, "k", raw)
		run(putMany, []string{"many"}, [][]byte{raw})
		same(one[string]("SELECT mvstore_get('things', $1)", "k"), `\x00ff`)
		same(one[string]("SELECT mvstore_get('things', $1)", "many"), `\x00ff`)
	} else {
		// []byte is sent as it is: bytes that are no text are refused, others stored so.
		refused(noText, putText, "k", raw)
		refused(noText, putMany, []string{"many"}, [][]byte{raw})
		run(putMany, []string{"k"}, [][]byte{[]byte("many")})
		refused(noText, "SELECT mvstore_get('things', $1)", raw)
		refused("pgx", putText, "k", 1)
		run(putText, "k", []byte("größer"))
		same(one[string]("SELECT mvstore_get('things', $1)", "k"), "größer")
	}

	// With the type in the query it is an error.
	refused("42883", "SELECT mvstore_put('things', $1, $2::bytea)", "k", raw)
	refused("42883", "SELECT mvstore_put_bytea('things', $1, $2::text)", "k", "v")

	// A string to a function of bytes is what PostgreSQL's input of bytea makes of it.
	run(putBytea, "k", `\x41`)
	same(one[string]("SELECT mvstore_get('things', $1)", "k"), `A`)

	// nil is "not given" for a ttl, and never a key, a value, a version or all keys.
	refused(noNull, putText, "k", nil)
	refused(noNull, putText, nil, "v")
	refused(noNull, putBytea, "k", []byte(nil))
	refused(noNull, "SELECT mvstore_put($1, 'k', 'v')", nil)
	refused(noNull, "SELECT mvstore_put_if('things', 'k', 'v', $1)", nil)
	refused(noNull, "SELECT mvstore_get('things', 'k', as_of := $1)", nil)
	refused(noNull, putMany, []*string{nil}, []string{"v"})
	refused(noNull, "SELECT mvstore_drop('things', $1)", nil)

	// Bytes that are no text, read as text: the error says which function reads them.
	run(putBytea, "blob", raw)
	same(refused(noText, "SELECT mvstore_get('things', $1)", "blob"), "mvstore_get_bytea() returns values as bytea.")
	refused(noText, "SELECT * FROM mvstore_scan('things')")
}
