-- One row per finished request, and one per session event.
CREATE TABLE IF NOT EXISTS requests
(
    tenant LowCardinality(String),
    time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    kind LowCardinality(String),
    id String CODEC(ZSTD(1)),
    phase LowCardinality(String),
    request_id String CODEC(ZSTD(1)),
    gateway LowCardinality(String),
    epoch UInt64 CODEC(ZSTD(1)),
    lane UInt32 CODEC(T64, ZSTD(1)),
    seq UInt64 CODEC(Delta, ZSTD(1)),
    subject String CODEC(ZSTD(1)),
    issuer LowCardinality(String),
    session String CODEC(ZSTD(1)),
    token_id String CODEC(ZSTD(1)),
    client_id String CODEC(ZSTD(1)),
    device String CODEC(ZSTD(1)),
    binding LowCardinality(String),
    auth_method LowCardinality(String),
    acr LowCardinality(String),
    amr Array(LowCardinality(String)),
    auth_time DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    subject_kind LowCardinality(String),
    address String CODEC(ZSTD(1)),
    asn UInt32 CODEC(T64, ZSTD(1)),
    as_org LowCardinality(String),
    country LowCardinality(String),
    latitude Nullable(Float64) CODEC(ZSTD(1)),
    longitude Nullable(Float64) CODEC(ZSTD(1)),
    accuracy_radius_km Float64 CODEC(ZSTD(1)),
    network_tags Array(LowCardinality(String)),
    ja4 String CODEC(ZSTD(1)),
    user_agent String CODEC(ZSTD(1)),
    method LowCardinality(String),
    host String CODEC(ZSTD(1)),
    path String CODEC(ZSTD(1)),
    route LowCardinality(String),
    template LowCardinality(String),
    resource String CODEC(ZSTD(1)),
    sensitivity LowCardinality(String),
    region LowCardinality(String),
    status UInt16 CODEC(T64, ZSTD(1)),
    decision LowCardinality(String),
    reason LowCardinality(String),
    auth_outcome LowCardinality(String),
    account String CODEC(ZSTD(1)),
    bytes_in UInt64 CODEC(T64, ZSTD(1)),
    bytes_out UInt64 CODEC(T64, ZSTD(1)),
    duration_us UInt64 CODEC(T64, ZSTD(1)),
    waf_score Float64 CODEC(ZSTD(1)),
    waf_rules Array(LowCardinality(String)),
    trace_id String CODEC(ZSTD(1)),
    attributes Map(LowCardinality(String), String),
    stream LowCardinality(String),
    support_code String CODEC(ZSTD(1)),
    kafka_topic LowCardinality(String),
    kafka_partition Int32 CODEC(T64, ZSTD(1)),
    kafka_offset Int64 CODEC(Delta, ZSTD(1)),
    ingested_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
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
TTL toDateTime(ingested_at) + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

-- Events that a gateway numbered and that are no rows: what it dropped on
-- purpose (a tombstone with its reason), and numbers that never came (gap).
CREATE TABLE IF NOT EXISTS losses
(
    time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    gateway LowCardinality(String),
    epoch UInt64,
    lane UInt32,
    seq UInt64,
    seq_end UInt64,
    n UInt64,
    reason LowCardinality(String),
    kafka_topic LowCardinality(String),
    kafka_partition Int32,
    kafka_offset Int64,
    ingested_at DateTime64(3, 'UTC')
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(ingested_at)
ORDER BY (gateway, epoch, lane, seq)
TTL toDateTime(ingested_at) + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

-- Traffic by minute. Rows of one minute that were ingested on two days are
-- two rows until a query adds them up, as with every aggregate.
CREATE TABLE IF NOT EXISTS requests_1m
(
    tenant LowCardinality(String),
    bucket DateTime('UTC') CODEC(Delta, ZSTD(1)),
    route LowCardinality(String),
    method LowCardinality(String),
    status_class UInt8,
    decision LowCardinality(String),
    ingested_on Date,
    requests SimpleAggregateFunction(sum, UInt64),
    bytes_in SimpleAggregateFunction(sum, UInt64),
    bytes_out SimpleAggregateFunction(sum, UInt64),
    subjects AggregateFunction(uniqCombined64(14), String),
    addresses AggregateFunction(uniqCombined64(14), String),
    duration_us AggregateFunction(quantilesTDigest(0.5, 0.95, 0.99), UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(ingested_on)
ORDER BY (tenant, route, bucket, method, status_class, decision)
TTL ingested_on + INTERVAL 90 DAY
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS requests_1m_view TO requests_1m AS
SELECT
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
GROUP BY tenant, bucket, route, method, status_class, decision, ingested_on;

-- One row per session: where it was used from, and how much.
CREATE TABLE IF NOT EXISTS sessions
(
    tenant LowCardinality(String),
    subject String,
    session String,
    first_seen SimpleAggregateFunction(min, DateTime64(6, 'UTC')),
    last_seen SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    ingested_on SimpleAggregateFunction(max, Date),
    requests SimpleAggregateFunction(sum, UInt64),
    denied SimpleAggregateFunction(sum, UInt64),
    bytes_in SimpleAggregateFunction(sum, UInt64),
    bytes_out SimpleAggregateFunction(sum, UInt64),
    addresses SimpleAggregateFunction(groupUniqArrayArray(32), Array(String)),
    countries SimpleAggregateFunction(groupUniqArrayArray(32), Array(String)),
    devices SimpleAggregateFunction(groupUniqArrayArray(32), Array(String)),
    user_agents SimpleAggregateFunction(groupUniqArrayArray(16), Array(String)),
    ja4s SimpleAggregateFunction(groupUniqArrayArray(16), Array(String))
)
ENGINE = AggregatingMergeTree
ORDER BY (tenant, subject, session)
TTL ingested_on + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS sessions_view TO sessions AS
SELECT
    tenant,
    subject,
    session,
    min(time) AS first_seen,
    max(time) AS last_seen,
    toDate(max(ingested_at)) AS ingested_on,
    countIf(kind = 'request') AS requests,
    countIf(kind = 'request' AND decision != 'permit') AS denied,
    sum(bytes_in) AS bytes_in,
    sum(bytes_out) AS bytes_out,
    groupUniqArray(32)(address) AS addresses,
    groupUniqArrayIf(32)(toString(country), country != '') AS countries,
    groupUniqArrayIf(32)(device, device != '') AS devices,
    groupUniqArray(16)(user_agent) AS user_agents,
    groupUniqArrayIf(16)(ja4, ja4 != '') AS ja4s
FROM requests
WHERE session != ''
GROUP BY tenant, subject, session;

-- What a subject usually does, by day: the analyst's baseline.
CREATE TABLE IF NOT EXISTS subject_daily
(
    tenant LowCardinality(String),
    subject String,
    day Date,
    ingested_on Date,
    requests SimpleAggregateFunction(sum, UInt64),
    denied SimpleAggregateFunction(sum, UInt64),
    failed_auth SimpleAggregateFunction(sum, UInt64),
    bytes_in SimpleAggregateFunction(sum, UInt64),
    bytes_out SimpleAggregateFunction(sum, UInt64),
    addresses SimpleAggregateFunction(groupUniqArrayArray(32), Array(String)),
    countries SimpleAggregateFunction(groupUniqArrayArray(32), Array(String)),
    asns SimpleAggregateFunction(groupUniqArrayArray(32), Array(UInt32)),
    hours SimpleAggregateFunction(groupUniqArrayArray(24), Array(UInt8)),
    routes AggregateFunction(uniqCombined64(12), String),
    resources AggregateFunction(uniqCombined64(12), String)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(ingested_on)
ORDER BY (tenant, subject, day)
TTL ingested_on + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS subject_daily_view TO subject_daily AS
SELECT
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
WHERE kind = 'request' AND subject != ''
GROUP BY tenant, subject, day, ingested_on;
