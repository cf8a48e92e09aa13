-- Records of vigil.requests that are not believed to be of the gateway that they
-- name, and batches that are missing in a gateway's chain: one row for each
-- gateway, key and cause in a cut. The records themselves are in vigil.dead. An
-- empty gateway is one that no key is listed for.
CREATE TABLE IF NOT EXISTS refusals
(
    time DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    gateway LowCardinality(String),
    cause LowCardinality(String),
    kid LowCardinality(String),
    n UInt64,
    kafka_offset_end Int64,
    kafka_topic LowCardinality(String),
    kafka_partition Int32,
    kafka_offset Int64,
    ingested_at DateTime64(3, 'UTC')
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(ingested_at)
ORDER BY (gateway, cause, time)
TTL toDateTime(ingested_at) + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;
