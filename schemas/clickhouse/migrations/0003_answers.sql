-- Traffic by hour, for two years: what by the minute is kept for ninety days.
CREATE TABLE IF NOT EXISTS requests_1h
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
TTL ingested_on + INTERVAL 730 DAY
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS requests_1h_view TO requests_1h AS
SELECT
    tenant,
    toStartOfHour(toDateTime(time, 'UTC')) AS bucket,
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

-- What people say about verdicts: false_alarm or confirmed. The latest word of
-- a verdict is its only one; every word is kept.
CREATE TABLE IF NOT EXISTS labels
(
    tenant LowCardinality(String),
    time DateTime64(6, 'UTC'),
    verdict_id String,
    label LowCardinality(String),
    label_by String,
    note String,
    ingested_at DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (tenant, verdict_id, time)
TTL toDateTime(ingested_at) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000;

-- Requests as OCSF 1.8.0 HTTP Activity (class 4002), for systems that read it.
CREATE VIEW IF NOT EXISTS ocsf_http_activity AS
SELECT
    toUnixTimestamp64Milli(time) AS time,
    4 AS category_uid,
    4002 AS class_uid,
    transform(CAST(method, 'String'), ['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'TRACE', 'PATCH'], [1, 2, 3, 4, 5, 6, 7, 8, 9], 99) AS activity_id,
    class_uid * 100 + activity_id AS type_uid,
    CAST(if(decision = 'permit', 1, 2), 'UInt8') AS action_id,
    CAST(multiIf(decision = 'permit', 17, reason = 'verdict', 24, reason = 'step_up', 23, status = 401, 26, 25), 'UInt8') AS disposition_id,
    CAST(if(decision = 'permit' AND status < 500, 1, 2), 'UInt8') AS status_id,
    CAST(multiIf(decision = 'permit', 1, reason = 'verdict', 4, 2), 'UInt8') AS severity_id,
    CAST(reason, 'String') AS status_detail,
    '1.8.0' AS `metadata.version`,
    'Vigil' AS `metadata.product.name`,
    id AS `metadata.uid`,
    request_id AS `metadata.correlation_uid`,
    CAST(tenant, 'String') AS `metadata.tenant_uid`,
    toUnixTimestamp64Milli(ingested_at) AS `metadata.processed_time`,
    CAST(method, 'String') AS `http_request.http_method`,
    path AS `http_request.url.path`,
    host AS `http_request.url.hostname`,
    user_agent AS `http_request.user_agent`,
    bytes_in AS `http_request.body_length`,
    request_id AS `http_request.uid`,
    status AS `http_response.code`,
    toUInt64(intDiv(duration_us, 1000)) AS `http_response.latency`,
    bytes_out AS `http_response.length`,
    address AS `src_endpoint.ip`,
    CAST(country, 'String') AS `src_endpoint.location.country`,
    asn AS `src_endpoint.autonomous_system.number`,
    CAST(as_org, 'String') AS `src_endpoint.autonomous_system.name`,
    host AS `dst_endpoint.hostname`,
    subject AS `actor.user.uid`,
    session AS `actor.session.uid`,
    device AS `device.uid`,
    ja4 AS `tls.ja4_fingerprint`,
    trace_id AS `trace.uid`
FROM requests
WHERE kind = 'request';

-- Verdicts as OCSF 1.8.0 Detection Finding (class 2004).
CREATE VIEW IF NOT EXISTS ocsf_detection_finding AS
SELECT
    toUnixTimestamp64Milli(time) AS time,
    2 AS category_uid,
    2004 AS class_uid,
    1 AS activity_id,
    200401 AS type_uid,
    1 AS status_id,
    transform(CAST(action, 'String'), ['throttle', 'read_only', 'step_up', 'revoke', 'block'], [2, 2, 3, 4, 4], 1) AS severity_id,
    transform(CAST(action, 'String'), ['throttle', 'read_only', 'step_up', 'revoke', 'block'], [25, 25, 23, 24, 2], 17) AS disposition_id,
    CAST(action NOT IN ('', 'observe'), 'UInt8') AS is_alert,
    '1.8.0' AS `metadata.version`,
    'Vigil' AS `metadata.product.name`,
    CAST(model, 'String') AS `metadata.product.version`,
    id AS `metadata.uid`,
    CAST(tenant, 'String') AS `metadata.tenant_uid`,
    id AS `finding_info.uid`,
    operator_text AS `finding_info.title`,
    CAST(authority, 'String') AS `finding_info.analytic.name`,
    arrayFilter(t -> t != '', arrayDistinct(arrayMap(t -> CAST(t, 'String'), evidence_technique))) AS `finding_info.attacks.technique.uid`,
    [cause_event_id] AS `finding_info.related_events.uid`,
    score AS risk_score,
    multiIf(score < 3, 0, score < 6, 1, score < 9, 2, score < 15, 3, 4) AS risk_level_id,
    arrayMap((s, n, t) -> concat(s, ': ', t, ' (', toString(round(n, 2)), ' nats)'), evidence_signal, evidence_nats, evidence_text) AS `evidences.data`,
    CAST(target_kind, 'String') AS `resources.type`,
    target_id AS `resources.uid`,
    subject AS `actor.user.uid`,
    toUnixTimestamp64Milli(until) AS end_time
FROM (SELECT * FROM verdicts FINAL);
