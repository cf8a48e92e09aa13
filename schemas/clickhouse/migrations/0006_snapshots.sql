-- Snapshots of the scorer's state, in chunks: where the analyzer that takes a
-- partition over finds what the one before it knew. The two newest of a partition
-- are kept; each is one partition of this table, so that it is dropped alone and
-- nobody can drop one that he does not name. kafka_offset is that of the last record
-- that the state has seen, bytes the length of the whole, and checksum the XXH3-64 of
-- the chunk.
CREATE TABLE IF NOT EXISTS snapshots
(
    kafka_topic String,
    kafka_partition Int32,
    epoch UInt64,
    kafka_offset Int64,
    chunk UInt32,
    chunks UInt32,
    bytes UInt64,
    checksum UInt64,
    topic_id String,
    partitions UInt32,
    model String,
    data String CODEC(ZSTD(1)),
    ingested_at DateTime64(3, 'UTC')
)
ENGINE = MergeTree
PARTITION BY (kafka_topic, kafka_partition, epoch, kafka_offset)
ORDER BY chunk
TTL toDateTime(ingested_at) + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1, index_granularity = 1, non_replicated_deduplication_window = 1000;

-- What is known about each subject, as of the last snapshot in which there was news
-- of it: what is usual, the most frequent first, with decayed counts. Hours are of
-- the week, from Monday 00:00 UTC. Read it with FINAL.
CREATE TABLE IF NOT EXISTS models
(
    tenant LowCardinality(String),
    subject String CODEC(ZSTD(1)),
    requests UInt64,
    learned Float64,
    countries Array(LowCardinality(String)),
    country_counts Array(Float64) CODEC(ZSTD(1)),
    networks Array(LowCardinality(String)),
    network_counts Array(Float64) CODEC(ZSTD(1)),
    clients Array(LowCardinality(String)),
    client_counts Array(Float64) CODEC(ZSTD(1)),
    systems Array(LowCardinality(String)),
    system_counts Array(Float64) CODEC(ZSTD(1)),
    devices Array(LowCardinality(String)),
    device_counts Array(Float64) CODEC(ZSTD(1)),
    routes Array(LowCardinality(String)),
    route_counts Array(Float64) CODEC(ZSTD(1)),
    hours Array(UInt8) CODEC(ZSTD(1)),
    hour_counts Array(UInt8) CODEC(ZSTD(1)),
    last_seen DateTime64(6, 'UTC'),
    last_country LowCardinality(String),
    last_network LowCardinality(String),
    last_client LowCardinality(String),
    model LowCardinality(String),
    epoch UInt64,
    kafka_topic LowCardinality(String),
    kafka_partition Int32,
    kafka_offset Int64,
    ingested_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(ingested_at)
ORDER BY (tenant, subject)
TTL toDateTime(ingested_at) + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 1000;
