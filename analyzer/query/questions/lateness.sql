-- question: How late do events arrive in ClickHouse, and what is missing?
-- param: hours UInt32 = 24  How far back from now; a row counts when it was stored.
-- column: kafka_topic  The topic that they came by.
-- column: kafka_partition  Its partition.
-- column: rows  Rows.
-- column: p50_s  Median from an event's time to its storing, in seconds.
-- column: p99_s  99th percentile.
-- column: max_s  The longest.
-- column: future  Rows whose time is more than a second after their storing: a gateway's clock is wrong.
-- column: first_offset  The lowest offset.
-- column: last_offset  The highest offset; opens, ticks and tombstones between them are no rows.
-- column: missing  Numbers of gateways that never came by this partition.
-- column: dropped  Numbers that a gateway says it dropped.
-- column: last_stored  When something was last stored.
SELECT
    kafka_topic,
    kafka_partition,
    sum(n) AS rows,
    round(maxIf(p50, n > 0), 3) AS p50_s,
    round(maxIf(p99, n > 0), 3) AS p99_s,
    round(maxIf(longest, n > 0), 3) AS max_s,
    sum(ahead) AS future,
    maxIf(low, n > 0) AS first_offset,
    maxIf(high, n > 0) AS last_offset,
    sum(gaps) AS missing,
    sum(drops) AS dropped,
    max(stored) AS last_stored
FROM
(
    SELECT
        toString(kafka_topic) AS kafka_topic,
        kafka_partition,
        count() AS n,
        quantile(0.5)(late) AS p50,
        quantile(0.99)(late) AS p99,
        max(late) AS longest,
        countIf(late < -1) AS ahead,
        min(kafka_offset) AS low,
        max(kafka_offset) AS high,
        0 AS gaps,
        0 AS drops,
        max(ingested_at) AS stored
    FROM
    (
        SELECT kafka_topic, kafka_partition, kafka_offset, ingested_at, (toFloat64(toUnixTimestamp64Milli(ingested_at)) - toFloat64(toUnixTimestamp64Milli(time))) / 1000 AS late
        FROM requests
        WHERE ingested_at >= now() - toIntervalHour({hours:UInt32})
    )
    GROUP BY kafka_topic, kafka_partition
    UNION ALL
    SELECT toString(kafka_topic), kafka_partition, 0, 0, 0, 0, 0, 0, 0, sumIf(losses.n, reason = 'gap'), sumIf(losses.n, reason != 'gap'), max(ingested_at)
    FROM losses
    WHERE ingested_at >= now() - toIntervalHour({hours:UInt32})
    GROUP BY kafka_topic, kafka_partition
)
GROUP BY kafka_topic, kafka_partition
ORDER BY kafka_topic, kafka_partition
