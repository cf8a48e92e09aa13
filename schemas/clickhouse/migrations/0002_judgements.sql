-- One row per event that was scored.
CREATE TABLE IF NOT EXISTS assessments
(
    tenant LowCardinality(String),
    time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    stream_time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    event_id String CODEC(ZSTD(1)),
    subject String CODEC(ZSTD(1)),
    session String CODEC(ZSTD(1)),
    address String CODEC(ZSTD(1)),
    score Float64 CODEC(ZSTD(1)),
    session_score Float64 CODEC(ZSTD(1)),
    action LowCardinality(String),
    shadow Bool,
    model LowCardinality(String),
    shared_epoch UInt64 CODEC(ZSTD(1)),
    verdict_id String CODEC(ZSTD(1)),
    target_kind LowCardinality(String),
    target_id String CODEC(ZSTD(1)),
    phase LowCardinality(String),
    source_topic LowCardinality(String),
    source_partition Int32 CODEC(T64, ZSTD(1)),
    source_offset Int64 CODEC(Delta, ZSTD(1)),
    kafka_topic LowCardinality(String),
    kafka_partition Int32 CODEC(T64, ZSTD(1)),
    kafka_offset Int64 CODEC(Delta, ZSTD(1)),
    ingested_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    INDEX time_range time TYPE minmax GRANULARITY 1,
    INDEX event_id_bloom event_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX session_bloom session TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX verdict_id_bloom verdict_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX score_range score TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(ingested_at)
ORDER BY (tenant, toStartOfHour(time), subject, time)
TTL toDateTime(ingested_at) + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

-- One row per piece of evidence; the nats of an event sum to its score.
CREATE TABLE IF NOT EXISTS evidence
(
    tenant LowCardinality(String),
    time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    event_id String CODEC(ZSTD(1)),
    subject String CODEC(ZSTD(1)),
    session String CODEC(ZSTD(1)),
    verdict_id String CODEC(ZSTD(1)),
    ordinal UInt16 CODEC(T64, ZSTD(1)),
    signal LowCardinality(String),
    signal_group LowCardinality(String),
    nats Float64 CODEC(ZSTD(1)),
    raw_nats Float64 CODEC(ZSTD(1)),
    text String CODEC(ZSTD(1)),
    hard Bool,
    technique LowCardinality(String),
    model LowCardinality(String),
    kafka_topic LowCardinality(String),
    kafka_partition Int32 CODEC(T64, ZSTD(1)),
    kafka_offset Int64 CODEC(Delta, ZSTD(1)),
    ingested_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    INDEX time_range time TYPE minmax GRANULARITY 1,
    INDEX event_id_bloom event_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX session_bloom session TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX verdict_id_bloom verdict_id TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(ingested_at)
ORDER BY (tenant, toStartOfHour(time), signal, time)
TTL toDateTime(ingested_at) + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

-- One row per verdict; read it with FINAL, a repeated announcement is the same row.
CREATE TABLE IF NOT EXISTS verdicts
(
    tenant LowCardinality(String),
    time DateTime64(6, 'UTC'),
    id String,
    epoch UInt64,
    seq UInt64,
    authority LowCardinality(String),
    kid LowCardinality(String),
    target_kind LowCardinality(String),
    target_id String,
    action LowCardinality(String),
    until DateTime64(6, 'UTC'),
    not_before DateTime64(6, 'UTC'),
    score Float64,
    evidence_signal Array(LowCardinality(String)),
    evidence_group Array(LowCardinality(String)),
    evidence_nats Array(Float64),
    evidence_text Array(String),
    evidence_hard Array(Bool),
    evidence_technique Array(LowCardinality(String)),
    model LowCardinality(String),
    cause_event_id String,
    cause_topic LowCardinality(String),
    cause_partition Int32,
    cause_offset Int64,
    cause_event_time DateTime64(6, 'UTC'),
    cause_traceparent String,
    clears_authority Array(LowCardinality(String)),
    clears_epoch Array(UInt64),
    clears_seq Array(UInt64),
    origin LowCardinality(String),
    public_text String,
    operator_text String,
    support_code String,
    subject String,
    kafka_topic LowCardinality(String),
    kafka_partition Int32,
    kafka_offset Int64,
    ingested_at DateTime64(3, 'UTC'),
    INDEX time_range time TYPE minmax GRANULARITY 1,
    INDEX target_id_bloom target_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX subject_bloom subject TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX support_code_bloom support_code TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(epoch)
ORDER BY (tenant, id)
TTL toDateTime(ingested_at) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000;

-- One row per request or stream that a gateway ended or refused by a verdict;
-- read it with FINAL.
CREATE TABLE IF NOT EXISTS enforcements
(
    tenant LowCardinality(String),
    time DateTime64(6, 'UTC'),
    id String,
    gateway LowCardinality(String),
    verdict_id String,
    target_kind LowCardinality(String),
    target_id String,
    action LowCardinality(String),
    stream LowCardinality(String),
    session String,
    subject String,
    request_id String,
    route LowCardinality(String),
    event_to_cut_us Int64,
    apply_us Int64,
    bytes_out UInt64,
    support_code String,
    kafka_topic LowCardinality(String),
    kafka_partition Int32,
    kafka_offset Int64,
    ingested_at DateTime64(3, 'UTC'),
    INDEX time_range time TYPE minmax GRANULARITY 1,
    INDEX session_bloom session TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX support_code_bloom support_code TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant, verdict_id, id)
TTL toDateTime(ingested_at) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000;
