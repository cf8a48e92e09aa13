-- How each life of a gateway ended in each of its lanes: closed by a tick that says
-- so, succeeded by a later life, or timeout: nothing came of it for half a minute while
-- others were heard in its partition. After a timeout it may be resumed; a lane's
-- last row holds. seq is the last number that was seen.
CREATE TABLE IF NOT EXISTS gateway_epochs
(
    time DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    gateway LowCardinality(String),
    epoch UInt64,
    lane UInt32,
    seq UInt64,
    ended LowCardinality(String),
    kafka_topic LowCardinality(String),
    kafka_partition Int32,
    kafka_offset Int64,
    ingested_at DateTime64(3, 'UTC')
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(ingested_at)
ORDER BY (gateway, epoch, lane, kafka_offset)
TTL toDateTime(ingested_at) + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;
