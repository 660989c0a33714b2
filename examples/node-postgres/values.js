// mvstore with node-postgres: strings to the plain functions, Buffers to ..._bytea and ..._raw.
//
//     node values.js       directly or through PgBouncer in transaction mode: a query
//                          without a name is not kept prepared
// Where the server is comes from PGHOST, PGDATABASE, ..., as for psql.
const assert = require('node:assert/strict')
const pg = require('pg')

// A version is a bigint, which node-postgres gives as a string: exact, and fine to hand
// back. BigInt does as well; a Number would do until the year 2255.
pg.types.setTypeParser(pg.types.builtins.INT8, BigInt)
const ANY = Buffer.from([0x00, 0xff, 0x5c, 0x78, 0x34, 0x31])      // no text in any encoding

async function main() {
  const client = new pg.Client()
  await client.connect()
  const rows = async (query, ...args) => (await client.query({ text: query, values: args, rowMode: 'array' })).rows
  const one = async (...call) => (await rows(...call))[0][0]

  await client.query('DROP TABLE IF EXISTS things')
  await one("SELECT mvstore_create('things')")

  // Text, and what is not there.
  const v1 = await one("SELECT mvstore_put('things', $1, $2)", 'apple', 'größer')
  assert.equal(await one("SELECT mvstore_get('things', $1)", 'apple'), 'größer')
  assert.equal(await one("SELECT mvstore_get('things', $1)", 'pear'), null)

  // Bytes under a text key, and under a key of bytes.
  await one("SELECT mvstore_put_bytea('things', $1, $2)", 'blob', ANY)
  assert.deepEqual(await one("SELECT mvstore_get_bytea('things', $1)", 'blob'), ANY)
  await one('SELECT mvstore_put_raw($1, $2, $3)', 'things', ANY, Buffer.alloc(0))
  assert.deepEqual(await one("SELECT mvstore_get_raw('things', $1)", ANY), Buffer.alloc(0))

  // Arguments by name; null and undefined are "not given" where the function has a default.
  await one("SELECT mvstore_put('things', $1, $2, ttl := $3)", 'apple', 'red', '1 day')
  await one("SELECT mvstore_put('things', $1, $2, ttl := $3)", 'apple', 'ripe', undefined)
  assert.equal(await one("SELECT mvstore_get('things', $1, as_of := $2)", 'apple', v1), 'größer')

  // history: the newest first; a value of null is a tombstone.
  await one("SELECT mvstore_delete('things', $1)", 'apple')
  const history = await rows("SELECT * FROM mvstore_history('things', $1)", 'apple')
  assert.deepEqual(history.map((h) => h[1]), [null, 'ripe', 'red', 'größer'])
  assert.ok(history[2][2] > new Date() && history[1][2] === null)
  assert.deepEqual(await one("SELECT value FROM mvstore_history_raw('things', $1)", ANY), Buffer.alloc(0))

  // put_if: with the version that was read, 0 for "must be absent"; null: somebody was first.
  const v = await one("SELECT mvstore_put_if('things', $1, $2, $3)", 'n', '1', 0)
  assert.equal(await one("SELECT mvstore_put_if('things', $1, $2, $3)", 'n', '1', 0), null)
  assert.ok((await one("SELECT mvstore_put_if('things', $1, $2, $3)", 'n', '2', v)) > v)
  assert.equal(await one("SELECT mvstore_put_if_bytea('things', $1, $2, $3)", 'n', ANY, v), null)

  // Arrays are arrays; in put_many, null deletes.
  await one("SELECT mvstore_put_many('things', $1, $2)", ['k1', 'k2', 'n'], ['a', 'b', null])
  assert.deepEqual(await rows("SELECT key, value FROM mvstore_get_many('things', $1)", ['k2', 'n', 'k1']),
    [['k2', 'b'], ['n', null], ['k1', 'a']])
  assert.equal(await one("SELECT mvstore_put_many('things', $1, $2)", [], []), null)
  await one("SELECT mvstore_put_many_bytea('things', $1, $2)", ['k3', 'k4'], [ANY, Buffer.from([0xff])])
  await one("SELECT mvstore_put_many_raw('things', $1, $2)", [Buffer.from([0xfe]), ANY], [ANY, null])
  assert.deepEqual(await rows("SELECT value FROM mvstore_get_many_raw('things', $1)", [ANY, Buffer.from([0xfe])]),
    [[null], [ANY]])

  // Pages of a scan: bounds of null are open; the next page begins behind the last key.
  const seen = []
  for (let start = null, page; ; start = page.at(-1)[0] + '\x01') {
    page = await rows(`SELECT key, value FROM mvstore_scan_bytea('things',
                         from_key := $1, to_key := $2, max_rows := $3)`, start, 'l', 2)
    if (page.length === 0) break
    seen.push(...page)
  }
  assert.deepEqual(seen, [['blob', ANY], ['k1', Buffer.from('a')], ['k2', Buffer.from('b')],
    ['k3', ANY], ['k4', Buffer.from([0xff])]])
  assert.deepEqual(await rows("SELECT key, value FROM mvstore_scan('things', $1, $2)", 'k', 'k3'),
    [['k1', 'a'], ['k2', 'b']])
  await client.end()
}
main().catch((e) => { console.error(e); process.exit(1) })
