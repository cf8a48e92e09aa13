-- What an event costs on disk, and what a question costs to answer. Codecs and
-- rates hold for what is stored from here on; older parts keep theirs until
-- they expire.

-- A request's id is kept once, and a path once: it is its template with the
-- resource in it. request_id and path read as before; other_request_id and
-- other_path hold what cannot be derived: streams have an id of their own for
-- each event, and a path may match no template or hold two ids.
ALTER TABLE requests
    ADD COLUMN IF NOT EXISTS other_request_id String CODEC(ZSTD(1)) AFTER phase,
    ADD COLUMN IF NOT EXISTS other_path String CODEC(ZSTD(1)) AFTER host;

ALTER TABLE requests UPDATE
    other_request_id = if(request_id = id, '', request_id),
    other_path = if(path = replaceOne(toString(template), extract(toString(template), '\\{[^/]*\\}'), resource), '', path)
WHERE true SETTINGS mutations_sync = 2;

ALTER TABLE requests DROP INDEX IF EXISTS request_id_bloom, DROP COLUMN IF EXISTS request_id, DROP COLUMN IF EXISTS path;

ALTER TABLE requests
    ADD COLUMN IF NOT EXISTS request_id String ALIAS if(other_request_id = '', id, other_request_id),
    ADD COLUMN IF NOT EXISTS path String ALIAS if(other_path = '', replaceOne(toString(template), extract(toString(template), '\\{[^/]*\\}'), resource), other_path);

-- Columns without a codec were LZ4. What repeats from row to row takes half
-- under ZSTD; what is long and repeats from subject to subject a third less at
-- level 3. Random digits gain nothing from a higher level, lists lose.
ALTER TABLE requests
    MODIFY COLUMN kind LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN phase LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN gateway LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN issuer LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN binding LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN auth_method LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN acr LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN subject_kind LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN as_org LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN country LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN method LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN route LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN sensitivity LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN region LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN decision LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN reason LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN auth_outcome LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN stream LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN kafka_topic LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN template LowCardinality(String) CODEC(ZSTD(3)),
    MODIFY COLUMN user_agent LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN host LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN client_id LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN ja4 LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN subject String CODEC(ZSTD(3)),
    MODIFY COLUMN session String CODEC(ZSTD(3)),
    MODIFY COLUMN token_id String CODEC(ZSTD(3)),
    MODIFY COLUMN device String CODEC(ZSTD(3)),
    MODIFY COLUMN account String CODEC(ZSTD(3)),
    MODIFY COLUMN address String CODEC(ZSTD(3)),
    MODIFY COLUMN lane UInt32 CODEC(Delta, ZSTD(1)),
    MODIFY COLUMN bytes_in UInt64 CODEC(ZSTD(1));

-- A lookup by id or trace reads its own granules and one in forty of the rest.
ALTER TABLE requests
    DROP INDEX IF EXISTS id_bloom,
    DROP INDEX IF EXISTS trace_id_bloom,
    ADD INDEX IF NOT EXISTS id_filter id TYPE bloom_filter(0.025) GRANULARITY 1,
    ADD INDEX IF NOT EXISTS trace_id_filter trace_id TYPE bloom_filter(0.025) GRANULARITY 1,
    ADD INDEX IF NOT EXISTS other_request_id_filter other_request_id TYPE bloom_filter(0.001) GRANULARITY 1;

ALTER TABLE requests MATERIALIZE INDEX id_filter;

ALTER TABLE requests MATERIALIZE INDEX trace_id_filter;

ALTER TABLE assessments
    MODIFY COLUMN action LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN model LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN target_kind LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN phase LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN source_topic LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN kafka_topic LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY COLUMN subject String CODEC(ZSTD(3)),
    MODIFY COLUMN session String CODEC(ZSTD(3)),
    MODIFY COLUMN address String CODEC(ZSTD(3));

ALTER TABLE assessments
    DROP INDEX IF EXISTS event_id_bloom,
    ADD INDEX IF NOT EXISTS event_id_filter event_id TYPE bloom_filter(0.025) GRANULARITY 1;

ALTER TABLE assessments MATERIALIZE INDEX event_id_filter;

-- What each lane has brought, by the day of storing: the books of "is every
-- request accounted for". seqs is a bitmap of the numbers, so that a row that
-- is there twice shows by a number that is counted once.
CREATE TABLE IF NOT EXISTS lane_daily
(
    gateway LowCardinality(String),
    epoch UInt64 CODEC(Delta, ZSTD(1)),
    lane UInt32 CODEC(Delta, ZSTD(1)),
    ingested_on Date,
    requests SimpleAggregateFunction(sum, UInt64),
    sessions SimpleAggregateFunction(sum, UInt64),
    numbered SimpleAggregateFunction(sum, UInt64),
    seqs AggregateFunction(groupBitmap, UInt64),
    first_seen SimpleAggregateFunction(min, DateTime64(6, 'UTC')),
    last_seen SimpleAggregateFunction(max, DateTime64(6, 'UTC'))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(ingested_on)
ORDER BY (gateway, epoch, lane, ingested_on)
TTL ingested_on + INTERVAL 400 DAY
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS lane_daily_view TO lane_daily AS
SELECT
    gateway,
    epoch,
    lane,
    toDate(ingested_at) AS ingested_on,
    countIf(kind = 'request') AS requests,
    countIf(kind = 'session') AS sessions,
    countIf(seq > 0) AS numbered,
    groupBitmapState(seq) AS seqs,
    min(time) AS first_seen,
    max(time) AS last_seen
FROM requests
GROUP BY gateway, epoch, lane, ingested_on;

-- The highest suspicion of a session, by day: what another threshold would have met.
CREATE TABLE IF NOT EXISTS session_daily
(
    tenant LowCardinality(String),
    day Date,
    subject String CODEC(ZSTD(1)),
    session String CODEC(ZSTD(1)),
    ingested_on SimpleAggregateFunction(max, Date),
    peak SimpleAggregateFunction(max, Float64),
    met SimpleAggregateFunction(max, UInt8)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (tenant, day, subject, session)
TTL ingested_on + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS session_daily_view TO session_daily AS
SELECT
    tenant,
    toDate(time, 'UTC') AS day,
    subject,
    session,
    toDate(max(ingested_at)) AS ingested_on,
    max(session_score) AS peak,
    max(action NOT IN ('', 'observe')) AS met
FROM assessments
WHERE subject != ''
GROUP BY tenant, day, subject, session;
