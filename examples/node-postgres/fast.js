// Prepared statements, pipelines and many values at once with node-postgres.
//
//     node fast.js [pooled]        pooled: through PgBouncer in transaction mode
const assert = require('node:assert/strict')
const pg = require('pg')

const pooled = process.argv[2] === 'pooled'
const PUT = "SELECT mvstore_put_bytea('things', $1, $2) AS version"
const pairs = Array.from({ length: 1000 }, (_, i) => [`p${String(i).padStart(3, '0')}`, Buffer.from([i % 256])])
const keys = pairs.map(([key]) => key)
const values = pairs.map(([, value]) => value).reverse()

async function main() {
  const client = new pg.Client({ pipeline: true })
  await client.connect()
  await client.query('DROP TABLE IF EXISTS things')
  await client.query("SELECT mvstore_create('things')")

  // A statement with a name is prepared once a session. A pooler in transaction mode gives
  // each transaction any of its sessions, and the statement is not there in the others: give
  // no name then.
  const put = (key, value) => client.query({ name: pooled ? undefined : 'put', text: PUT, values: [key, value] })
  for (const [key, value] of pairs.slice(0, 10)) await put(key, value)
  if (!pooled) {
    const { rows } = await client.query('SELECT statement FROM pg_prepared_statements')
    assert.deepEqual(rows, [{ statement: PUT }])
  }

  // With pipeline: true, queries are sent without waiting for the answers before them. In a
  // transaction, a thousand puts are of one version.
  client.query('BEGIN')
  const results = pairs.map(([key, value]) => put(key, value))
  await client.query('COMMIT')
  assert.equal(new Set((await Promise.all(results)).map((r) => r.rows[0].version)).size, 1)
  const scan = await client.query({
    text: "SELECT key, value FROM mvstore_scan_bytea('things', from_key := $1)", values: ['p'], rowMode: 'array' })
  assert.deepEqual(scan.rows, pairs)
  await client.end()

  // The same as one statement with two arrays: one round trip, and one version.
  const pool = new pg.Pool({ max: 3 })
  await pool.query("SELECT mvstore_put_many_bytea('things', $1, $2)", [keys, values])
  const got = await pool.query("SELECT value, version FROM mvstore_get_many_bytea('things', $1)", [keys])
  assert.deepEqual(got.rows.map((row) => row.value), values)
  assert.equal(new Set(got.rows.map((row) => row.version)).size, 1)

  // Connections of a pool write side by side: a transaction, and so a version, each.
  const many = await Promise.all(keys.map((key) => pool.query("SELECT mvstore_put('things', $1, 'x') AS version", [key])))
  assert.equal(new Set(many.map((r) => r.rows[0].version)).size, 1000)
  await pool.end()
}
main().catch((e) => { console.error(e); process.exit(1) })
