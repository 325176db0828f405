#!/bin/sh
# Drops the weeks that ended some days ago, on the server of clickhouse-client, such as from
# cron on each: retain.sh 90 [DATABASE] [OPTION OF clickhouse-client]...
set -eu
days=$1 database=${2:-whydenied}
shift; [ $# = 0 ] || shift
case $days in *[!0-9]* | '') echo "usage: $0 DAYS [DATABASE]" >&2; exit 2 ;; esac
old=$(clickhouse-client "$@" --format TSVRaw --query "
	SELECT DISTINCT concat('ALTER TABLE \`', database, '\`.\`', table, '\` DROP PARTITION \'', partition, '\';') FROM system.parts
	WHERE active AND database = '$database' AND match(partition, '^[0-9]+-[0-9]+-[0-9]+\$') AND toDateOrZero(partition) + 7 <= today() - $days")
[ -z "$old" ] || printf '%s\n' "$old" | clickhouse-client "$@" --multiquery
