# shellcheck shell=bash
#
# ./dev packages: what people install, made of this tree and installed where nothing was
# before; then the tour of the README on a server that is set up as the package says. Sourced
# by ./dev, whose functions and variables this uses.
#
# A way to install is a job, a function job_WAY with a directory of its own, which is the /tmp of
# the root trees that its steps run in. Each step that passes or fails counts as a test; where
# one fails, the rest of its job is not tried.

# shellcheck disable=SC2154 # set in ./dev
: "$root" "$work"

# shellcheck source=tools/servers.bash
source "$root/tools/servers.bash"

readonly WAYS="container debian-15 debian-17 debian-18 meta pgxn source rpm"
readonly AT_ONCE=2

# PGXN's own check of META.json, and the version of that.
readonly PGXN_META=pgxn_meta@0.7.0

release=	# the version in META.json
job=		# the job that runs, in a process of its own
place=		# its directory

# ---- Steps ----------------------------------------------------------------

# step WHAT COMMAND ...: run it, and say on a line what came of it.
step() {
	local what=$1 start=$SECONDS
	shift
	if "$@" >"$place/step.log" 2>&1; then
		printf '%-10s %-66s ... ok     %4d s\n' "$job" "$what" $((SECONDS - start))
		return
	fi
	printf '%-10s %-66s ... FAILED %4d s\n' "$job" "$what" $((SECONDS - start))
	tail -n 60 "$place/step.log" | sed 's/^/    /'
	return 1
}

# in_root TREE SCRIPT: run the lines of a script in a root tree, which stays as it is. $1 there
# is the major, $2 the version.
in_root() {
	over_tree "$1" "$place" bash -exc "cd /tmp; $2" bash "$major" "$release"
}

# Several of these servers run at a time, in one network: none takes the port.
readonly NO_PORT="mkdir -p /etc/postgresql-common/createcluster.d
	echo \"listen_addresses = ''\" >/etc/postgresql-common/createcluster.d/mvstore-dev.conf
	[[ ! -e /etc/postgresql/15/main ]] || pg_conftool 15 main set listen_addresses ''"

# from_nothing HOW TREE COMMANDS README [LATER]: the commands that somebody types, a line each, in a root
# tree; then the tour, and other commands. Say how many they were.
from_nothing() {
	local count
	count=$(grep -c . <<<"$3")
	step "$1, $count commands to the tour" in_root "$2" "$NO_PORT
		$3
		runuser -u postgres -- perl /tmp/tour/tools/tour.pl $4
		${5:-}"
}

# A proxy with two shards beside it, by the extension for that as it is installed.
readonly TRY_CLUSTER='runuser -u postgres -- psql -X -v ON_ERROR_STOP=1 -f /tmp/tour/cluster.sql'

write_cluster_sql() {
	cat >"$place/tour/cluster.sql" <<-'SQL'
		CREATE DATABASE mv00;
		CREATE DATABASE mv01;
		CREATE DATABASE proxy ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0;
		\c mv00
		CREATE EXTENSION mvstore;
		\c mv01
		CREATE EXTENSION mvstore;
		\c proxy
		CREATE EXTENSION mvstore_cluster CASCADE;
		-- (Of the root trees that are tried at the same time the others may have the usual port.)
		SELECT format('CREATE SERVER mvstore_cluster FOREIGN DATA WRAPPER plproxy OPTIONS (p0 %L, p1 %L)', host || 'mv00', host || 'mv01')
		  FROM (SELECT 'host=/var/run/postgresql port=' || current_setting('port') || ' dbname=') at (host) \gexec
		CREATE USER MAPPING FOR PUBLIC SERVER mvstore_cluster OPTIONS (user 'postgres');
		SELECT mvstore_cluster_configure(), mvstore_create('fruit');
		SELECT mvstore_put_many('fruit', ARRAY(SELECT 'k' || n FROM generate_series(1, 20) n), array_fill('ripe'::text, '{20}'));
		DO $$ BEGIN
			ASSERT (SELECT count(*) = 20 AND count(DISTINCT version) = 1 AND min(value) = 'ripe' FROM mvstore_scan('fruit'));
		END $$;
	SQL
}

# ---- Jobs -----------------------------------------------------------------

job_archive() { step "make dist makes mvstore-$release.zip" make_archive; }

# What is committed in the copy is what is in the archive.
make_archive() {
	local git=(as_server git -C "$work/src" -c user.name=dev -c user.email=dev)
	"${git[@]}" init -q && "${git[@]}" add -A && "${git[@]}" commit -q -m "mvstore $release" &&
		make_ dist && [[ -s $work/src/mvstore-$release.zip ]]
}

job_meta() {
	if ! command -v cargo >/dev/null; then
		say "$job: META.json is not checked, as there is no cargo to build $PGXN_META with"
		return
	fi
	step "$PGXN_META is there" get_pgxn_meta || return
	step "META.json is what PGXN wants" "$cache/pgxn-meta/bin/pgxn_meta" "$work/src/META.json"
}

get_pgxn_meta() {
	local status=0
	open_cache pgxn-meta
	if ! fresh pgxn-meta "$PGXN_META"; then
		cargo install -q --locked --root "$cache/pgxn-meta" "$PGXN_META" &&
			echo "$PGXN_META" >"$cache/pgxn-meta.made" || status=$?
	fi
	close_cache
	return $status
}

# shellcheck disable=SC2016 # for the shell that runs it
job_debian() {
	local tree=packages-$major packages=build-essential,debhelper,fakeroot,lintian,autopkgtest
	packages+=,postgresql-all,postgresql-server-dev-all,postgresql-$major-plproxy
	step "root trees" eval 'make_root "$tree" "$packages" "$major" && make_root "clean-$major" "" "$major"' || return
	git -C "$work/src" archive --prefix="mvstore-$release/" HEAD | tar -x -C "$place"
	# debian/control is that of the newest suite.
	step "postgresql-$major-mvstore and -cluster are built" in_root "$tree" '
		tar -czf "mvstore_$2.orig.tar.gz" --exclude "mvstore-$2/debian" "mvstore-$2"
		cd "mvstore-$2"
		[[ $1 -eq 18 ]] || pg_buildext updatecontrol
		DEB_BUILD_OPTIONS=nocheck dpkg-buildpackage -us -uc' || return
	step "lintian has no errors" in_root "$tree" '
		lintian --allow-root --fail-on error *.changes' || return
	grep -oE '^[EW]: .*' "$place/step.log" | sed 's/^/    /' || true
	step "autopkgtest passes" in_root "$tree" '
		autopkgtest -B "postgresql-$1-mvstore_"*.deb "postgresql-$1-mvstore-cluster_"*.deb "mvstore-$2/" -- null' || return
	# What README.Debian says to type is in it as a block.
	from_nothing "installed on a bare Debian" "clean-$major" \
		"apt-get update
		apt-get install -y ./postgresql-$major-mvstore_*.deb ./postgresql-$major-mvstore-cluster_*.deb
		$(sed -n "s/^    \(pg_.*\)/\1/p" "$root/debian/README.Debian" | sed "s/ NN / $major /")" \
		"/usr/share/doc/postgresql-$major-mvstore/README.md" "$TRY_CLUSTER" || return
	# As those who build for one architecture do: then there is no package for cluster/.
	step "postgresql-$major-mvstore is the same by itself" in_root "$tree" '
		cd "mvstore-$2"
		DEB_BUILD_OPTIONS=nocheck debian/rules binary-arch
		cmp README.md "debian/postgresql-$1-mvstore/usr/share/doc/postgresql-$1-mvstore/README.md"'
}

readonly SET_UP='pg_conftool 15 main set shared_preload_libraries mvstore
	pg_ctlcluster 15 main restart'

job_pgxn() {
	step "root tree" make_root clean-15 "" 15 || return
	from_nothing "installed by pgxn on a bare Debian" clean-15 \
		"apt-get update
		apt-get install -y gcc libc6-dev make pgxnclient postgresql-15 postgresql-server-dev-15
		pgxn install --nosudo ./mvstore-$release.zip
		$SET_UP" /tmp/tour/README.md
}

job_source() {
	step "root tree" make_root clean-15 "" 15 || return
	from_nothing "installed by make on a bare Debian" clean-15 \
		"apt-get update
		apt-get install -y gcc libc6-dev make unzip postgresql-15 postgresql-server-dev-15
		unzip -q mvstore-$release.zip
		make -C mvstore-$release
		make -C mvstore-$release install
		$SET_UP" /tmp/tour/README.md
}

# Debian's server is not where that of the RPM packages is: its pg_config says so for the build,
# and links bring the files where it looks for them.
# shellcheck disable=SC2016 # for the shell that runs it
job_rpm() {
	step "root tree" make_root packages-rpm gcc,libc6-dev,make,unzip,rpm,rpmlint,postgresql-15,postgresql-server-dev-15,postgresql-15-plproxy 15 || return
	cp "$root/rpm/mvstore.spec" "$place"
	step "rpmlint has no errors in mvstore.spec" in_root packages-rpm 'rpmlint mvstore.spec' || return
	sed -n '/[EW]: /s/^/    /p' "$place/step.log"
	step "mvstore_15 is built, by rpmbuild on Debian" in_root packages-rpm '
		mkdir -p /usr/pgsql-15/bin
		cat >/usr/pgsql-15/bin/pg_config <<-"END"
			#!/bin/sh
			case $1 in
			--sharedir) echo /usr/pgsql-15/share ;;
			--docdir) echo /usr/pgsql-15/doc ;;
			--pkglibdir) echo /usr/pgsql-15/lib ;;
			*) exec /usr/lib/postgresql/15/bin/pg_config "$@" ;;
			esac
		END
		chmod +x /usr/pgsql-15/bin/pg_config
		rpmbuild -bb --nodeps --define "pgmajorversion $1" --define "_topdir /tmp/rpmbuild" \
			--define "_sourcedir /tmp" --define "_rpmdir /tmp" mvstore.spec' || return
	# Signature, packager and group are the builder's, the sections and links those of this machine.
	echo 'Filters = ["no-signature", "no-packager-tag", "no-group-tag", "missing-hash-section", "/usr/lib/.build-id"]' \
		>"$place/rpmlint.toml"
	step "rpmlint has no errors in the package" in_root packages-rpm 'rpmlint -c rpmlint.toml */mvstore_*.rpm' || return
	sed -n '/[EW]: /s/^/    /p' "$place/step.log"
	from_nothing "installed by rpm beside Debian's server" packages-rpm \
		"rpm -i --nodeps --force-debian */mvstore_15-$release-*.rpm */mvstore_15-cluster-$release-*.rpm
		ln -s /usr/pgsql-15/lib/mvstore.so /usr/lib/postgresql/15/lib/
		ln -s /usr/pgsql-15/share/extension/mvstore* /usr/share/postgresql/15/extension/
		pg_conftool 15 main set max_prepared_transactions 100
		$SET_UP" /tmp/tour/README.md "$TRY_CLUSTER"
}

# The official image cannot be had without a registry of images: a root tree stands in for it, in
# which is what the Containerfile expects there.
# shellcheck disable=SC2016 # for the shell that runs it
job_container() {
	step "root trees" eval 'make_root packages-buildah buildah 15 && make_root image-15 postgresql-15 15' || return
	mkdir "$place/mvstore"
	git -C "$work/src" archive HEAD | tar -x -C "$place/mvstore"
	step "something like the official image" in_root image-15 '
		pg_dropcluster 15 main
		mv /usr/share/postgresql/15/postgresql.conf.sample /usr/share/postgresql
		ln -s ../postgresql.conf.sample /usr/share/postgresql/15/
		mkdir /docker-entrypoint-initdb.d
		tar --one-file-system -cf image.tar -C / bin sbin lib lib64 etc root run usr var docker-entrypoint-initdb.d' || return
	# What the entry point of the image does with a new container.
	cat >"$place/tour/start" <<-'END'
		mkdir -p -m 3777 /var/run/postgresql
		exec setpriv --reuid=postgres --regid=postgres --init-groups sh -exc '
			initdb -D /tmp/data
			pg_ctl -D /tmp/data -l /tmp/log -o "-c listen_addresses=" -w start
			psql -d postgres -v ON_ERROR_STOP=1 -f /docker-entrypoint-initdb.d/mvstore.sql
			perl /tour/tools/tour.pl /tour/README.md'
	END
	step "the image is built, by buildah, and has the tour" in_root packages-buildah '
		export BUILDAH_ISOLATION=chroot
		buildah() { command buildah --root /tmp/images --runroot /tmp/run --storage-driver overlay "$@"; }
		container=$(buildah from scratch)
		buildah add -q "$container" image.tar /
		buildah run "$container" -- mkdir -m 1777 /tmp
		buildah config --env PG_MAJOR=$1 \
			--env PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/$1/bin "$container"
		buildah commit -q "$container" "postgres:$1"
		buildah bud --pull-never --build-arg "PG_MAJOR=$1" -t mvstore mvstore
		container=$(buildah from --pull-never mvstore)
		buildah add -q "$container" tour /tour
		buildah run "$container" -- sh -ex /tour/start'
}

# ---- ./dev packages -------------------------------------------------------

# run_job NAME: in a process of its own, as several run at a time.
run_job() {
	local major=15
	job=$1 place=$work/packages/$1
	[[ $job != debian-* ]] || major=${job#debian-}
	mkdir -p "$place/tour/tools" "$place/tour/t/lib"
	chmod 1777 "$place"
	cp "$root/tools/tour.pl" "$place/tour/tools/"
	cp "$root/t/lib/Examples.pm" "$place/tour/t/lib/"
	cp "$root/README.md" "$place/tour/"
	write_cluster_sql
	[[ $job == archive ]] || cp "$work/src/mvstore-$release.zip" "$place/"
	"job_${job%%-*}" || true
}

# shellcheck disable=SC2317 # called by cleanup
remove_places() { as_root rm -rf --one-file-system "$work/packages" "$work"/over.*; }

dev_packages() {
	local available="" ways=() jobs=() name
	while [[ $# -gt 0 ]]; do
		case $1 in
		--available) available=1 ;;
		*)
			[[ " $WAYS " == *" $1 "* ]] || misuse "packages: there is no $1, but $WAYS"
			ways+=("$1")
			;;
		esac
		shift
	done
	[[ ${#ways[@]} -gt 0 ]] || read -r -a ways <<<"$WAYS"
	setup packages
	# shellcheck disable=SC2317 # called by cleanup
	at_exit() { remove_places; }
	copy_tree
	release=$(sed -n 's/^   "version": "\(.*\)",$/\1/p' "$root/META.json")
	{
		run_job archive
		if can_make_trees; then
			for name in "${ways[@]}"; do
				[[ $(jobs -rp | wc -l) -lt $AT_ONCE ]] || wait -n
				run_job "$name" &
				jobs+=("$! $name")
			done
			for name in "${jobs[@]}"; do
				wait "${name%% *}" || say "${name#* }     FAILED: it broke off"
			done
		elif [[ -n $available ]]; then
			say "left out: ${ways[*]}. Their root trees cannot be made; see above"
		else
			say "root trees     FAILED: they cannot be made; see above"
		fi
	} | tee "$work/packages.log"
	passed=$(grep -cE ' \.\.\. ok +[0-9]+ s$' "$work/packages.log" || true)
	failed=$(grep -cE ' FAILED' "$work/packages.log" || true)
	say "$passed passed, $failed failed"
	[[ $passed -gt 0 && $failed -eq 0 ]]
}
