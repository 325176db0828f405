-- The findings of a fleet in ClickHouse 18.16 or later: docs/fleet.md. On each server
--
--	clickhouse-client --query 'CREATE DATABASE whydenied'
--	clickhouse-client --database whydenied --multiquery < schema.sql
--
-- Where they are sharded, it is the database whydenied_shard that has these tables, and
-- distributed.sql makes whydenied of them.
--
-- What is sent twice is here twice until parts are merged, and nothing may depend on when that
-- is: counts only grow, so that of a key the greatest stands. Read denial, denial_day, first_seen
-- and lost, which say so; or day FINAL, which whydenied does: it takes less memory and time, but
-- what is wanted of it has to be said there. Times are milliseconds since 1970, but for at, the seconds at which
-- a bucket of 4,096 s begins, or a day; 0 is not known. A database of an older version is
-- copied to one of this by upgrade.sh.

CREATE VIEW schema_version AS SELECT toInt64(4) AS version;

-- What agents send, which day and sighting keep.
CREATE TABLE bucket (
	cluster String, node String, boot String,
	sequence Int64, -- when the node's own store was made, which counts from 0
	finding String, at Int64,
	name String, container String, image String, repository String, made Int64, -- of the container
	program String,
	count UInt64, first Int64, last Int64
) ENGINE = Null;

-- The buckets that begin in a day, 22 at most, each by its greatest count, and how long before
-- its end its first denial came. key stands for all that tells rows apart, each behind its length
-- but for the last, so that a question need not read them.
CREATE MATERIALIZED VIEW day
ENGINE = AggregatingMergeTree
PARTITION BY toMonday(toDate(intDiv(day, 86400)))
ORDER BY (day, cluster, node, finding, key)
AS SELECT finding, intDiv(at, 86400) * 86400 AS day, cluster, node, boot,
	toFixedString(substring(SHA256(concat(toString(sequence), '/', toString(length(boot)), '/', boot, toString(length(name)), '/', name,
		toString(length(container)), '/', container, toString(length(image)), '/', image, program)), 1, 16), 16) AS key,
	name, container, image, repository, program,
	maxState(made) AS mades,
	maxForEachState(arrayPushBack(arrayResize(emptyArrayUInt64(), intDiv(at % 86400, 4096)), count)) AS counts,
	maxForEachState(arrayPushBack(arrayResize(emptyArrayInt64(), intDiv(at % 86400, 4096)), (at + 4096) * 1000 - first)) AS befores,
	maxForEachState(arrayPushBack(arrayResize(emptyArrayInt64(), intDiv(at % 86400, 4096)), last)) AS afters,
	minState(first) AS firsts, maxState(last) AS lasts
FROM bucket
GROUP BY finding, day, cluster, node, boot, key, name, container, image, repository, program;

CREATE VIEW denial_day AS
SELECT cluster, node, any(boot) AS boot, finding, day, day AS at,
	any(name) AS name, any(container) AS container, any(image) AS image, any(repository) AS repository, maxMerge(mades) AS made, any(program) AS program,
	maxForEachMerge(counts) AS each, maxForEachMerge(befores) AS before, maxForEachMerge(afters) AS after,
	arraySum(each) AS count, minMerge(firsts) AS first, maxMerge(lasts) AS last
FROM day
GROUP BY finding, day, cluster, node, key;

-- Say of day, too, which are wanted: it is what parts are chosen by.
CREATE VIEW denial AS
SELECT cluster, node, boot, finding, day, intDiv(day + 4096 * place - 1, 4096) * 4096 AS at, name, container, image, repository, made, program,
	count, (at + 4096) * 1000 - begun AS first, last
FROM (SELECT cluster, node, boot, finding, day, name, container, image, repository, made, program, each, before, after FROM denial_day)
ARRAY JOIN each AS count, before AS begun, after AS last, arrayEnumerate(each) AS place
WHERE count > 0;

-- Where a finding was seen first; this stays known when the months of it are dropped.
CREATE MATERIALIZED VIEW sighting
ENGINE = AggregatingMergeTree
ORDER BY (finding, cluster)
AS SELECT finding, cluster, minState(first) AS firsts, argMinState(node, first) AS nodes
FROM bucket WHERE first > 0
GROUP BY finding, cluster;

CREATE VIEW first_seen AS
SELECT finding, cluster, argMinMerge(nodes) AS node, minMerge(firsts) AS first
FROM sighting
GROUP BY finding, cluster;

-- What findings are explained by; the newest stands.
CREATE TABLE finding (
	finding String, said Int64, id_version Int64, mode String, profile String, cause String, layer String, workload String, message String,
	explained String -- JSON as of docs/json.md, without counts
) ENGINE = ReplacingMergeTree(said) ORDER BY finding;

-- What is known to be missing, when somebody looked, and what doctor said.
CREATE TABLE loss (
	cluster String, node String, boot String, kind String, first Int64, last Int64, count UInt64, said String
) ENGINE = ReplacingMergeTree(count) PARTITION BY toMonday(toDate(intDiv(first, 86400000))) ORDER BY (cluster, node, boot, kind, first);

CREATE VIEW lost AS
SELECT cluster, node, boot, kind, first, max(last) AS last, max(count) AS count, any(said) AS said
FROM loss GROUP BY cluster, node, boot, kind, first;

CREATE TABLE span (
	cluster String, node String, boot String, reader String, first Int64, last Int64
) ENGINE = ReplacingMergeTree(last) PARTITION BY toMonday(toDate(intDiv(first, 86400000))) ORDER BY (cluster, node, boot, reader, first);

CREATE TABLE answer (
	cluster String, node String, boot String, at Int64, name String, status String, found String
) ENGINE = ReplacingMergeTree PARTITION BY toMonday(toDate(intDiv(at, 86400000))) ORDER BY (cluster, node, boot, at, name);
