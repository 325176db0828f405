#!/bin/sh
# Copies a database of schema version 2 or 3 to a new one of version 4, on the server of
# clickhouse-client; of several shards, whydenied_shard on each:
#
#	clickhouse-client --query 'CREATE DATABASE whydenied4'
#	clickhouse-client --database whydenied4 --multiquery < schema.sql
#	upgrade.sh whydenied whydenied4 [OPTION OF clickhouse-client]...
#
# It may be run again, and while agents send to either: what comes twice counts once.
set -eu
[ $# -ge 2 ] || { echo "usage: $0 OLD NEW [OPTION OF clickhouse-client]..." >&2; exit 2; }
old=$1 new=$2
shift 2
for database in "$old" "$new"; do
	case $database in *[!A-Za-z0-9_]* | '') echo "$0: $database is no name of a database that it knows to write" >&2; exit 2 ;; esac
done
version=$(clickhouse-client "$@" --query "SELECT version FROM $old.schema_version")
case $version in 2 | 3) ;; *) echo "$0: the schema of $old has version $version, and 2 and 3 are what it copies" >&2; exit 1 ;; esac

copy() {
	table=$1 columns=$2
	shift 2
	clickhouse-client "$@" --query "INSERT INTO $new.$table ($columns) SELECT $columns FROM $old.$table"
}
if [ "$version" = 2 ]; then
	copy bucket "cluster, node, boot, sequence, finding, at, name, container, image, repository, made, program, count, first, last" "$@"
else
	copy day "finding, day, cluster, node, boot, key, name, container, image, repository, program, mades, counts, befores, afters, firsts, lasts" "$@"
fi
copy sighting "finding, cluster, firsts, nodes" "$@" # which has what bucket has no more
copy finding "finding, said, id_version, mode, profile, cause, layer, workload, message, explained" "$@"
copy loss "cluster, node, boot, kind, first, last, count, said" "$@"
copy span "cluster, node, boot, reader, first, last" "$@"
copy answer "cluster, node, boot, at, name, status, found" "$@"
