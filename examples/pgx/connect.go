// What the programs have in common: the connection in one of pgx's query modes, a new
// store, and queries whose errors end the program.
package main

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"runtime"

	"github.com/jackc/pgx/v5"
)

var (
	ctx  = context.Background()
	conn *pgx.Conn
	mode = "cache_statement"
)

type pair[V any] struct {
	Key   string
	Value V
}

func connect() {
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	var err error
	conn, err = pgx.Connect(ctx, "default_query_exec_mode="+mode)
	check(err)
	run("DROP TABLE IF EXISTS things")
	run("SELECT mvstore_create('things')")
}

func check(err error) {
	if err != nil {
		fail(err)
	}
}

func same(got, want any) {
	if !reflect.DeepEqual(got, want) {
		fail(fmt.Sprintf("got %#v, not %#v", got, want))
	}
}

func fail(what any) {
	for i := 2; i < 4; i++ {
		_, file, line, _ := runtime.Caller(i)
		fmt.Fprintf(os.Stderr, "%s:%d: ", file, line)
	}
	fmt.Fprintln(os.Stderr, mode, what)
	os.Exit(1)
}

func run(query string, args ...any) {
	_, err := conn.Exec(ctx, query, args...)
	check(err)
}

// The first column of the only row.
func one[T any](query string, args ...any) (value T) {
	check(conn.QueryRow(ctx, query, args...).Scan(&value))
	return
}

// All rows, as structs.
func all[T any](query string, args ...any) []T {
	rows, err := conn.Query(ctx, query, args...)
	check(err)
	result, err := pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	check(err)
	return result
}
