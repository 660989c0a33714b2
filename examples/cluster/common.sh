# shellcheck shell=bash
# What the scripts that move shards share. Servers are named by the services proxy, old and new.

set -e -o pipefail

# on SERVICE [DATABASE]: run the SQL that comes in; what it answers, and nothing else, goes out.
on() { psql -qXAt -v ON_ERROR_STOP=1 -v "databases=$databases" "service=$1 ${2:+dbname=$2}" "${@:3}"; }

# The databases of shards, in braces, as their addresses name them.
databases_of() {
	on proxy '' -v "shards={${*// /,}}" <<-'SQL'
		SELECT array_agg(substring(mvstore_cluster_address(n) FROM 'dbname *= *''?([^ '']+)')) FROM unnest(:'shards'::int[]) n
	SQL
}

# Whether anybody may connect to the databases, on a server.
door() {
	on "$1" <<-SQL
		SELECT format('ALTER DATABASE %I ALLOW_CONNECTIONS $2', d) FROM unnest(:'databases'::text[]) d \\gexec
	SQL
}

# Hold the calls of the proxy, have this script do what is to be done meanwhile, and point the shards to NEW. All or
# nothing: without a yes at its end the addresses stay, and the calls go on.
switch() {
	psql -qX -o /dev/null "$NEW dbname=postgres" -c 'SELECT 1'
	on proxy '' -v "shards={${shards// /,}}" -v "new=$NEW" -o /dev/null <<-SQL
		BEGIN;
		SELECT mvstore_cluster_hold();
		\\set switched \`bash '$0' --held $shards >&2 && echo yes\`
		SELECT :'switched' = 'yes' AS switched \\gset
		\\if :switched
		SELECT mvstore_cluster_repoint(n, :'new' || ' dbname=' || d) FROM unnest(:'shards'::int[], :'databases'::text[]) AS s (n, d);
		COMMIT;
		\\else
		DO \$\$ BEGIN RAISE 'nothing has been switched'; END \$\$;
		\\endif
	SQL
}

# shellcheck disable=SC2034 # of the scripts that source this
step=switch
# shellcheck disable=SC2034
[[ $1 != --* ]] || { step=${1#--}; shift; }
shards=$*
[[ $shards =~ ^[0-9]+(\ [0-9]+)*$ ]] || { echo "usage: NEW='host=... port=...' $0 [--STEP] SHARD ..." >&2; exit 2; }
databases={} databases=$(databases_of "$shards")
