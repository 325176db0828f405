-- The tables of schema.sql in the database whydenied_shard of several servers, as one, in the
-- database whydenied of a server, or of each, that is asked and sent to. The servers are
-- the cluster `whydenied` of remote_servers in config.xml:
--
--	clickhouse-client --database whydenied --multiquery < distributed.sql
--
-- All rows of a finding are on one shard, so that each sums up its own.

CREATE VIEW schema_version AS SELECT version FROM whydenied_shard.schema_version;

CREATE TABLE bucket AS whydenied_shard.bucket ENGINE = Distributed(whydenied, whydenied_shard, bucket, sipHash64(finding));
CREATE TABLE day AS whydenied_shard.day ENGINE = Distributed(whydenied, whydenied_shard, day);
CREATE TABLE denial AS whydenied_shard.denial ENGINE = Distributed(whydenied, whydenied_shard, denial);
CREATE TABLE denial_day AS whydenied_shard.denial_day ENGINE = Distributed(whydenied, whydenied_shard, denial_day);
CREATE TABLE first_seen AS whydenied_shard.first_seen ENGINE = Distributed(whydenied, whydenied_shard, first_seen);
CREATE TABLE finding AS whydenied_shard.finding ENGINE = Distributed(whydenied, whydenied_shard, finding, sipHash64(finding));
CREATE TABLE loss AS whydenied_shard.loss ENGINE = Distributed(whydenied, whydenied_shard, loss, sipHash64(node));
CREATE TABLE lost AS whydenied_shard.lost ENGINE = Distributed(whydenied, whydenied_shard, lost);
CREATE TABLE span AS whydenied_shard.span ENGINE = Distributed(whydenied, whydenied_shard, span, sipHash64(node));
CREATE TABLE answer AS whydenied_shard.answer ENGINE = Distributed(whydenied, whydenied_shard, answer, sipHash64(node));
