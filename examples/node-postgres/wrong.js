// What happens in node-postgres where the type is not that of the function.
const assert = require('node:assert/strict')
const pg = require('pg')

async function main() {
  const client = new pg.Client()
  await client.connect()
  const refused = async (code, query, ...args) => {
    const error = await client.query(query, args).then(() => assert.fail(`not refused: ${query}`), (e) => e)
    assert.equal(error.code, code, `${query}: ${error.message}`)
    return error.hint
  }
  const get = async (key) =>
    (await client.query("SELECT mvstore_get_bytea('things', $1) AS value", [key])).rows[0].value

  await client.query('DROP TABLE IF EXISTS things')
  await client.query("SELECT mvstore_create('things')")

  // node-postgres sends a Buffer as it is and says no type: to a function of text it is
  // taken as UTF-8. Bytes that are no text are refused, others are stored as they are.
  const no_text = '22021'
  await refused(no_text, "SELECT mvstore_put('things', $1, $2)", 'k', Buffer.from([0x00, 0xff]))
  await refused(no_text, "SELECT mvstore_put('things', $1, $2)", 'k', Buffer.from([0xff]))
  await refused(no_text, "SELECT mvstore_get('things', $1)", Buffer.from([0xff]))
  await refused(no_text, "SELECT mvstore_put('things', $1, $2)", 'k', 'a\0b')
  await client.query("SELECT mvstore_put('things', $1, $2)", ['text', Buffer.from('größer')])
  assert.deepEqual(await get('text'), Buffer.from('größer'))

  // A Buffer within an array is sent in the text form of bytea, and that is what a function
  // of text stores: say text[] or bytea[], and it is an error.
  await client.query("SELECT mvstore_put_many('things', $1, $2)", [['many'], [Buffer.from('A')]])
  assert.deepEqual(await get('many'), Buffer.from('\\x41'))
  await refused('42883', "SELECT mvstore_put_many('things', $1, $2::bytea[])", ['many'], [Buffer.from('A')])

  // A string to a function of bytes is what PostgreSQL's input of bytea makes of it.
  await client.query("SELECT mvstore_put_bytea('things', $1, $2)", ['hex', '\\x41'])
  assert.deepEqual(await get('hex'), Buffer.from('A'))
  await refused('42883', "SELECT mvstore_put_bytea('things', $1, $2::text)", 'k', '\\x41')
  await refused('42883', "SELECT mvstore_put('things', $1, $2::bytea)", 'k', Buffer.from('A'))
  await refused('22P02', "SELECT mvstore_put_bytea('things', $1, $2)", 'k', 'back\\slash')

  // binary: true gives bytea as a string in which bytes are lost (pg 8): do not ask for it.
  await client.query("SELECT mvstore_put_bytea('things', 'blob', $1)", [Buffer.from([0x00, 0xff])])
  const query = { text: "SELECT mvstore_get_bytea('things', $1) AS value", values: ['blob'], binary: true }
  assert.equal((await client.query(query)).rows[0].value, '\0\ufffd')

  // null and undefined are "not given" for a ttl, and never a key, a value, a version or all keys.
  const no_null = '22004'
  await refused(no_null, "SELECT mvstore_put('things', $1, $2)", 'k', null)
  await refused(no_null, "SELECT mvstore_put('things', $1, $2)", undefined, 'v')
  await refused(no_null, "SELECT mvstore_put($1, 'k', 'v')", null)
  await refused(no_null, "SELECT mvstore_put_if('things', 'k', 'v', $1)", null)
  await refused(no_null, "SELECT mvstore_get('things', 'k', as_of := $1)", undefined)
  await refused(no_null, "SELECT mvstore_put_many('things', $1, $2)", [null], ['v'])
  await refused(no_null, "SELECT mvstore_drop('things', $1)", null)

  // Bytes that are no text, read as text: the error says which function reads them.
  assert.match(await refused(no_text, "SELECT mvstore_get('things', $1)", 'blob'), /mvstore_get_bytea/)
  assert.match(await refused(no_text, "SELECT * FROM mvstore_scan('things')"), /mvstore_scan_bytea/)

  const { rows } = await client.query("SELECT key FROM mvstore_scan_bytea('things')")
  assert.deepEqual(rows.map((row) => row.key), ['blob', 'hex', 'many', 'text'])
  await client.end()
}
main().catch((e) => { console.error(e); process.exit(1) })
