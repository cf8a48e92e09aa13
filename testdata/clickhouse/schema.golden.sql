CREATE TABLE assessments
(
    `tenant` LowCardinality(String),
    `time` DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)),
    `stream_time` DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)),
    `event_id` String CODEC(ZSTD(1)),
    `subject` String CODEC(ZSTD(1)),
    `session` String CODEC(ZSTD(1)),
    `address` String CODEC(ZSTD(1)),
    `score` Float64 CODEC(ZSTD(1)),
    `session_score` Float64 CODEC(ZSTD(1)),
    `action` LowCardinality(String),
    `shadow` Bool,
    `model` LowCardinality(String),
    `shared_epoch` UInt64 CODEC(ZSTD(1)),
    `verdict_id` String CODEC(ZSTD(1)),
    `target_kind` LowCardinality(String),
    `target_id` String CODEC(ZSTD(1)),
    `phase` LowCardinality(String),
    `source_topic` LowCardinality(String),
    `source_partition` Int32 CODEC(T64, ZSTD(1)),
    `source_offset` Int64 CODEC(Delta(8), ZSTD(1)),
    `kafka_topic` LowCardinality(String),
    `kafka_partition` Int32 CODEC(T64, ZSTD(1)),
    `kafka_offset` Int64 CODEC(Delta(8), ZSTD(1)),
    `ingested_at` DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    INDEX time_range time TYPE minmax GRANULARITY 1,
    INDEX event_id_bloom event_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX session_bloom session TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX verdict_id_bloom verdict_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX score_range score TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(ingested_at)
ORDER BY (tenant, toStartOfHour(time), subject, time)
TTL toDateTime(ingested_at) + toIntervalDay(30)
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000, index_granularity = 8192;

CREATE TABLE enforcements
(
    `tenant` LowCardinality(String),
    `time` DateTime64(6, 'UTC'),
    `id` String,
    `gateway` LowCardinality(String),
    `verdict_id` String,
    `target_kind` LowCardinality(String),
    `target_id` String,
    `action` LowCardinality(String),
    `stream` LowCardinality(String),
    `session` String,
    `subject` String,
    `request_id` String,
    `route` LowCardinality(String),
    `event_to_cut_us` Int64,
    `apply_us` Int64,
    `bytes_out` UInt64,
    `support_code` String,
    `kafka_topic` LowCardinality(String),
    `kafka_partition` Int32,
    `kafka_offset` Int64,
    `ingested_at` DateTime64(3, 'UTC'),
    INDEX time_range time TYPE minmax GRANULARITY 1,
    INDEX session_bloom session TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX support_code_bloom support_code TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant, verdict_id, id)
TTL toDateTime(ingested_at) + toIntervalDay(400)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192;

CREATE TABLE evidence
(
    `tenant` LowCardinality(String),
    `time` DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)),
    `event_id` String CODEC(ZSTD(1)),
    `subject` String CODEC(ZSTD(1)),
    `session` String CODEC(ZSTD(1)),
    `verdict_id` String CODEC(ZSTD(1)),
    `ordinal` UInt16 CODEC(T64, ZSTD(1)),
    `signal` LowCardinality(String),
    `signal_group` LowCardinality(String),
    `nats` Float64 CODEC(ZSTD(1)),
    `raw_nats` Float64 CODEC(ZSTD(1)),
    `text` String CODEC(ZSTD(1)),
    `hard` Bool,
    `technique` LowCardinality(String),
    `model` LowCardinality(String),
    `kafka_topic` LowCardinality(String),
    `kafka_partition` Int32 CODEC(T64, ZSTD(1)),
    `kafka_offset` Int64 CODEC(Delta(8), ZSTD(1)),
    `ingested_at` DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    INDEX time_range time TYPE minmax GRANULARITY 1,
    INDEX event_id_bloom event_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX session_bloom session TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX verdict_id_bloom verdict_id TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(ingested_at)
ORDER BY (tenant, toStartOfHour(time), signal, time)
TTL toDateTime(ingested_at) + toIntervalDay(30)
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000, index_granularity = 8192;

CREATE TABLE losses
(
    `time` DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)),
    `gateway` LowCardinality(String),
    `epoch` UInt64,
    `lane` UInt32,
    `seq` UInt64,
    `seq_end` UInt64,
    `n` UInt64,
    `reason` LowCardinality(String),
    `kafka_topic` LowCardinality(String),
    `kafka_partition` Int32,
    `kafka_offset` Int64,
    `ingested_at` DateTime64(3, 'UTC')
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(ingested_at)
ORDER BY (gateway, epoch, lane, seq)
TTL toDateTime(ingested_at) + toIntervalDay(400)
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000, index_granularity = 8192;

CREATE TABLE migrations
(
    `version` UInt32,
    `name` String,
    `checksum` String,
    `applied_at` DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY version
SETTINGS index_granularity = 8192;

CREATE TABLE requests
(
    `tenant` LowCardinality(String),
    `time` DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)),
    `kind` LowCardinality(String),
    `id` String CODEC(ZSTD(1)),
    `phase` LowCardinality(String),
    `request_id` String CODEC(ZSTD(1)),
    `gateway` LowCardinality(String),
    `epoch` UInt64 CODEC(ZSTD(1)),
    `lane` UInt32 CODEC(T64, ZSTD(1)),
    `seq` UInt64 CODEC(Delta(8), ZSTD(1)),
    `subject` String CODEC(ZSTD(1)),
    `issuer` LowCardinality(String),
    `session` String CODEC(ZSTD(1)),
    `token_id` String CODEC(ZSTD(1)),
    `client_id` String CODEC(ZSTD(1)),
    `device` String CODEC(ZSTD(1)),
    `binding` LowCardinality(String),
    `auth_method` LowCardinality(String),
    `acr` LowCardinality(String),
    `amr` Array(LowCardinality(String)),
    `auth_time` DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    `subject_kind` LowCardinality(String),
    `address` String CODEC(ZSTD(1)),
    `asn` UInt32 CODEC(T64, ZSTD(1)),
    `as_org` LowCardinality(String),
    `country` LowCardinality(String),
    `latitude` Nullable(Float64) CODEC(ZSTD(1)),
    `longitude` Nullable(Float64) CODEC(ZSTD(1)),
    `accuracy_radius_km` Float64 CODEC(ZSTD(1)),
    `network_tags` Array(LowCardinality(String)),
    `ja4` String CODEC(ZSTD(1)),
    `user_agent` String CODEC(ZSTD(1)),
    `method` LowCardinality(String),
    `host` String CODEC(ZSTD(1)),
    `path` String CODEC(ZSTD(1)),
    `route` LowCardinality(String),
    `template` LowCardinality(String),
    `resource` String CODEC(ZSTD(1)),
    `sensitivity` LowCardinality(String),
    `region` LowCardinality(String),
    `status` UInt16 CODEC(T64, ZSTD(1)),
    `decision` LowCardinality(String),
    `reason` LowCardinality(String),
    `auth_outcome` LowCardinality(String),
    `account` String CODEC(ZSTD(1)),
    `bytes_in` UInt64 CODEC(T64, ZSTD(1)),
    `bytes_out` UInt64 CODEC(T64, ZSTD(1)),
    `duration_us` UInt64 CODEC(T64, ZSTD(1)),
    `waf_score` Float64 CODEC(ZSTD(1)),
    `waf_rules` Array(LowCardinality(String)),
    `trace_id` String CODEC(ZSTD(1)),
    `attributes` Map(LowCardinality(String), String),
    `stream` LowCardinality(String),
    `support_code` String CODEC(ZSTD(1)),
    `kafka_topic` LowCardinality(String),
    `kafka_partition` Int32 CODEC(T64, ZSTD(1)),
    `kafka_offset` Int64 CODEC(Delta(8), ZSTD(1)),
    `ingested_at` DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    INDEX time_range time TYPE minmax GRANULARITY 1,
    INDEX id_bloom id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX request_id_bloom request_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX subject_bloom subject TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX session_bloom session TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX address_bloom address TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX trace_id_bloom trace_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX support_code_bloom support_code TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(ingested_at)
ORDER BY (tenant, toStartOfHour(time), subject, time)
TTL toDateTime(ingested_at) + toIntervalDay(30)
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000, index_granularity = 8192;

CREATE TABLE requests_1m
(
    `tenant` LowCardinality(String),
    `bucket` DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    `route` LowCardinality(String),
    `method` LowCardinality(String),
    `status_class` UInt8,
    `decision` LowCardinality(String),
    `ingested_on` Date,
    `requests` SimpleAggregateFunction(sum, UInt64),
    `bytes_in` SimpleAggregateFunction(sum, UInt64),
    `bytes_out` SimpleAggregateFunction(sum, UInt64),
    `subjects` AggregateFunction(uniqCombined64(14), String),
    `addresses` AggregateFunction(uniqCombined64(14), String),
    `duration_us` AggregateFunction(quantilesTDigest(0.5, 0.95, 0.99), UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(ingested_on)
ORDER BY (tenant, route, bucket, method, status_class, decision)
TTL ingested_on + toIntervalDay(90)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW requests_1m_view TO requests_1m
(
    `tenant` LowCardinality(String),
    `bucket` DateTime('UTC'),
    `route` LowCardinality(String),
    `method` LowCardinality(String),
    `status_class` UInt8,
    `decision` LowCardinality(String),
    `ingested_on` Date,
    `requests` UInt64,
    `bytes_in` UInt64,
    `bytes_out` UInt64,
    `subjects` AggregateFunction(uniqCombined64(14), String),
    `addresses` AggregateFunction(uniqCombined64(14), String),
    `duration_us` AggregateFunction(quantilesTDigest(0.5, 0.95, 0.99), UInt64)
)
AS SELECT
    tenant,
    toStartOfMinute(toDateTime(time, 'UTC')) AS bucket,
    route,
    method,
    toUInt8(intDiv(status, 100)) AS status_class,
    decision,
    toDate(ingested_at) AS ingested_on,
    count() AS requests,
    sum(bytes_in) AS bytes_in,
    sum(bytes_out) AS bytes_out,
    uniqCombined64State(14)(subject) AS subjects,
    uniqCombined64State(14)(address) AS addresses,
    quantilesTDigestState(0.5, 0.95, 0.99)(duration_us) AS duration_us
FROM requests
WHERE kind = 'request'
GROUP BY
    tenant,
    bucket,
    route,
    method,
    status_class,
    decision,
    ingested_on;

CREATE TABLE sessions
(
    `tenant` LowCardinality(String),
    `subject` String,
    `session` String,
    `first_seen` SimpleAggregateFunction(min, DateTime64(6, 'UTC')),
    `last_seen` SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    `ingested_on` SimpleAggregateFunction(max, Date),
    `requests` SimpleAggregateFunction(sum, UInt64),
    `denied` SimpleAggregateFunction(sum, UInt64),
    `bytes_in` SimpleAggregateFunction(sum, UInt64),
    `bytes_out` SimpleAggregateFunction(sum, UInt64),
    `addresses` SimpleAggregateFunction(groupUniqArrayArray(32), Array(String)),
    `countries` SimpleAggregateFunction(groupUniqArrayArray(32), Array(String)),
    `devices` SimpleAggregateFunction(groupUniqArrayArray(32), Array(String)),
    `user_agents` SimpleAggregateFunction(groupUniqArrayArray(16), Array(String)),
    `ja4s` SimpleAggregateFunction(groupUniqArrayArray(16), Array(String))
)
ENGINE = AggregatingMergeTree
ORDER BY (tenant, subject, session)
TTL ingested_on + toIntervalDay(400)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192;

CREATE MATERIALIZED VIEW sessions_view TO sessions
(
    `tenant` LowCardinality(String),
    `subject` String,
    `session` String,
    `first_seen` DateTime64(6, 'UTC'),
    `last_seen` DateTime64(6, 'UTC'),
    `ingested_on` Date,
    `requests` UInt64,
    `denied` UInt64,
    `bytes_in` UInt64,
    `bytes_out` UInt64,
    `addresses` Array(String),
    `countries` Array(String),
    `devices` Array(String),
    `user_agents` Array(String),
    `ja4s` Array(String)
)
AS SELECT
    tenant,
    subject,
    session,
    min(time) AS first_seen,
    max(time) AS last_seen,
    toDate(max(ingested_at)) AS ingested_on,
    countIf(kind = 'request') AS requests,
    countIf((kind = 'request') AND (decision != 'permit')) AS denied,
    sum(bytes_in) AS bytes_in,
    sum(bytes_out) AS bytes_out,
    groupUniqArray(32)(address) AS addresses,
    groupUniqArrayIf(32)(toString(country), country != '') AS countries,
    groupUniqArrayIf(32)(device, device != '') AS devices,
    groupUniqArray(16)(user_agent) AS user_agents,
    groupUniqArrayIf(16)(ja4, ja4 != '') AS ja4s
FROM requests
WHERE session != ''
GROUP BY
    tenant,
    subject,
    session;

CREATE TABLE subject_daily
(
    `tenant` LowCardinality(String),
    `subject` String,
    `day` Date,
    `ingested_on` Date,
    `requests` SimpleAggregateFunction(sum, UInt64),
    `denied` SimpleAggregateFunction(sum, UInt64),
    `failed_auth` SimpleAggregateFunction(sum, UInt64),
    `bytes_in` SimpleAggregateFunction(sum, UInt64),
    `bytes_out` SimpleAggregateFunction(sum, UInt64),
    `addresses` SimpleAggregateFunction(groupUniqArrayArray(32), Array(String)),
    `countries` SimpleAggregateFunction(groupUniqArrayArray(32), Array(String)),
    `asns` SimpleAggregateFunction(groupUniqArrayArray(32), Array(UInt32)),
    `hours` SimpleAggregateFunction(groupUniqArrayArray(24), Array(UInt8)),
    `routes` AggregateFunction(uniqCombined64(12), String),
    `resources` AggregateFunction(uniqCombined64(12), String)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(ingested_on)
ORDER BY (tenant, subject, day)
TTL ingested_on + toIntervalDay(400)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192;

CREATE MATERIALIZED VIEW subject_daily_view TO subject_daily
(
    `tenant` LowCardinality(String),
    `subject` String,
    `day` Date,
    `ingested_on` Date,
    `requests` UInt64,
    `denied` UInt64,
    `failed_auth` UInt64,
    `bytes_in` UInt64,
    `bytes_out` UInt64,
    `addresses` Array(String),
    `countries` Array(String),
    `asns` Array(UInt32),
    `hours` Array(UInt8),
    `routes` AggregateFunction(uniqCombined64(12), String),
    `resources` AggregateFunction(uniqCombined64(12), String)
)
AS SELECT
    tenant,
    subject,
    toDate(time, 'UTC') AS day,
    toDate(ingested_at) AS ingested_on,
    count() AS requests,
    countIf(decision != 'permit') AS denied,
    countIf(auth_outcome IN ('failure', 'mfa_failure')) AS failed_auth,
    sum(bytes_in) AS bytes_in,
    sum(bytes_out) AS bytes_out,
    groupUniqArray(32)(address) AS addresses,
    groupUniqArrayIf(32)(toString(country), country != '') AS countries,
    groupUniqArrayIf(32)(asn, asn != 0) AS asns,
    groupUniqArray(24)(toHour(time, 'UTC')) AS hours,
    uniqCombined64State(12)(toString(route)) AS routes,
    uniqCombined64State(12)(resource) AS resources
FROM requests
WHERE (kind = 'request') AND (subject != '')
GROUP BY
    tenant,
    subject,
    day,
    ingested_on;

CREATE TABLE verdicts
(
    `tenant` LowCardinality(String),
    `time` DateTime64(6, 'UTC'),
    `id` String,
    `epoch` UInt64,
    `seq` UInt64,
    `authority` LowCardinality(String),
    `kid` LowCardinality(String),
    `target_kind` LowCardinality(String),
    `target_id` String,
    `action` LowCardinality(String),
    `until` DateTime64(6, 'UTC'),
    `not_before` DateTime64(6, 'UTC'),
    `score` Float64,
    `evidence_signal` Array(LowCardinality(String)),
    `evidence_group` Array(LowCardinality(String)),
    `evidence_nats` Array(Float64),
    `evidence_text` Array(String),
    `evidence_hard` Array(Bool),
    `evidence_technique` Array(LowCardinality(String)),
    `model` LowCardinality(String),
    `cause_event_id` String,
    `cause_topic` LowCardinality(String),
    `cause_partition` Int32,
    `cause_offset` Int64,
    `cause_event_time` DateTime64(6, 'UTC'),
    `cause_traceparent` String,
    `clears_authority` Array(LowCardinality(String)),
    `clears_epoch` Array(UInt64),
    `clears_seq` Array(UInt64),
    `origin` LowCardinality(String),
    `public_text` String,
    `operator_text` String,
    `support_code` String,
    `subject` String,
    `kafka_topic` LowCardinality(String),
    `kafka_partition` Int32,
    `kafka_offset` Int64,
    `ingested_at` DateTime64(3, 'UTC'),
    INDEX time_range time TYPE minmax GRANULARITY 1,
    INDEX target_id_bloom target_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX subject_bloom subject TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX support_code_bloom support_code TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(epoch)
ORDER BY (tenant, id)
TTL toDateTime(ingested_at) + toIntervalDay(400)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192;

