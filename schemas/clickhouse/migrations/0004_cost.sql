-- What an event costs on disk, and what a question costs to answer. Codecs and
-- rates hold for what is stored from here on; older parts keep theirs until
-- they expire.

-- A request's id is kept once. request_id reads as before: other_request_id
-- holds what differs from id, which is so for streams alone.
ALTER TABLE requests ADD COLUMN IF NOT EXISTS other_request_id String CODEC(ZSTD(1)) AFTER phase;

ALTER TABLE requests UPDATE other_request_id = request_id WHERE request_id != id SETTINGS mutations_sync = 2;

ALTER TABLE requests DROP INDEX IF EXISTS request_id_bloom;

ALTER TABLE requests MODIFY COLUMN request_id String ALIAS if(other_request_id = '', id, other_request_id);

ALTER TABLE requests ADD INDEX IF NOT EXISTS other_request_id_bloom other_request_id TYPE bloom_filter(0.001) GRANULARITY 1;

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
