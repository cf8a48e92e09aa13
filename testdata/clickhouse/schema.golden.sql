CREATE TABLE assessments
(
    `tenant` LowCardinality(String),
    `time` DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)),
    `stream_time` DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)),
    `event_id` String CODEC(ZSTD(1)),
    `subject` String CODEC(ZSTD(3)),
    `session` String CODEC(ZSTD(3)),
    `address` String CODEC(ZSTD(3)),
    `score` Float64 CODEC(ZSTD(1)),
    `session_score` Float64 CODEC(ZSTD(1)),
    `action` LowCardinality(String) CODEC(ZSTD(1)),
    `shadow` Bool,
    `model` LowCardinality(String) CODEC(ZSTD(1)),
    `shared_epoch` UInt64 CODEC(ZSTD(1)),
    `verdict_id` String CODEC(ZSTD(1)),
    `target_kind` LowCardinality(String) CODEC(ZSTD(1)),
    `target_id` String CODEC(ZSTD(1)),
    `phase` LowCardinality(String) CODEC(ZSTD(1)),
    `source_topic` LowCardinality(String) CODEC(ZSTD(1)),
    `source_partition` Int32 CODEC(T64, ZSTD(1)),
    `source_offset` Int64 CODEC(Delta(8), ZSTD(1)),
    `kafka_topic` LowCardinality(String) CODEC(ZSTD(1)),
    `kafka_partition` Int32 CODEC(T64, ZSTD(1)),
    `kafka_offset` Int64 CODEC(Delta(8), ZSTD(1)),
    `ingested_at` DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    INDEX time_range time TYPE minmax GRANULARITY 1,
    INDEX session_bloom session TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX verdict_id_bloom verdict_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX score_range score TYPE minmax GRANULARITY 1,
    INDEX event_id_filter event_id TYPE bloom_filter(0.025) GRANULARITY 1
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

CREATE TABLE gateway_epochs
(
    `time` DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    `gateway` LowCardinality(String),
    `epoch` UInt64,
    `lane` UInt32,
    `seq` UInt64,
    `ended` LowCardinality(String),
    `kafka_topic` LowCardinality(String),
    `kafka_partition` Int32,
    `kafka_offset` Int64,
    `ingested_at` DateTime64(3, 'UTC')
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(ingested_at)
ORDER BY (gateway, epoch, lane, kafka_offset)
TTL toDateTime(ingested_at) + toIntervalDay(400)
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000, index_granularity = 8192;

CREATE TABLE incident_findings
(
    `tenant` LowCardinality(String),
    `verdict_id` String,
    `ordinal` UInt64,
    `incident_id` String,
    `merges` Array(String),
    `time` DateTime64(6, 'UTC'),
    `target_kind` LowCardinality(String),
    `target_id` String,
    `action` LowCardinality(String),
    `score` Float64,
    `announced` Bool,
    `hard` Bool,
    `signals` Array(LowCardinality(String)),
    `usual` Float64,
    `shown_kind` Array(LowCardinality(String)),
    `shown_id` Array(String),
    `shown_share` Array(Float64),
    `behind_kind` Array(LowCardinality(String)),
    `behind_id` Array(String),
    `ingested_at` DateTime64(3, 'UTC'),
    INDEX time_range time TYPE minmax GRANULARITY 1,
    INDEX incident_id_bloom incident_id TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(ordinal)
ORDER BY (tenant, verdict_id)
TTL toDateTime(ingested_at) + toIntervalDay(400)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192;

CREATE VIEW incident_merges
(
    `tenant` LowCardinality(String),
    `merged_id` String,
    `root` String
)
AS SELECT
    tenant,
    merged_id,
    argMax(incident_id, ordinal) AS root
FROM incident_findings
ARRAY JOIN merges AS merged_id
GROUP BY
    tenant,
    merged_id;

CREATE TABLE incident_words
(
    `tenant` LowCardinality(String),
    `time` DateTime64(6, 'UTC'),
    `incident_id` String,
    `word` LowCardinality(String),
    `text` String,
    `said_by` String,
    `envelope` String,
    `ingested_at` DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (tenant, incident_id, time)
TTL toDateTime(ingested_at) + toIntervalDay(400)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192;

CREATE VIEW incidents
(
    `tenant` LowCardinality(String),
    `id` String,
    `state` String,
    `owner` String,
    `severity` String,
    `action` String,
    `score` Float64,
    `first_seen` DateTime64(6, 'UTC'),
    `last_seen` DateTime64(6, 'UTC'),
    `verdicts` UInt64,
    `waiting` UInt64,
    `targets` UInt64,
    `signals` Array(String),
    `sessions` Array(String),
    `subjects` Array(String),
    `addresses` Array(String),
    `prefixes` Array(String),
    `networks` Array(String),
    `devices` Array(String),
    `clients` Array(String),
    `accounts` Array(String),
    `ja4s` Array(String),
    `routes` Array(String),
    `members` UInt64,
    `members_beyond` Int64,
    `notes` Array(String),
    `verdict_ids` Array(String),
    `merged_ids` Array(String)
)
AS SELECT
    found.tenant AS tenant,
    found.id AS id,
    if(said.state = '', 'open', said.state) AS state,
    said.owner AS owner,
    multiIf(hard OR ((strength >= 5) AND (targets >= 10)), 'critical', strength >= 5, 'high', strength >= 3, 'medium', 'low') AS severity,
    arrayElement(['observe', 'throttle', 'read_only', 'step_up', 'revoke', 'block'], strength) AS action,
    top_score AS score,
    first_seen,
    last_seen,
    verdicts,
    waiting,
    targets,
    signals,
    sessions,
    subjects,
    addresses,
    prefixes,
    networks,
    devices,
    clients,
    accounts,
    ja4s,
    routes,
    members,
    members - (((((((((length(sessions) + length(subjects)) + length(addresses)) + length(prefixes)) + length(networks)) + length(devices)) + length(clients)) + length(accounts)) + length(ja4s)) + length(routes)) AS members_beyond,
    said.notes AS notes,
    verdict_ids,
    merged_ids
FROM
(
    SELECT
        tenant,
        id,
        min(at) AS first_seen,
        max(at) AS last_seen,
        countIf(announced) AS verdicts,
        countIf(NOT announced) AS waiting,
        uniqExact(about) AS targets,
        max(step) AS strength,
        max(nats) AS top_score,
        max(fact) AS hard,
        arraySort(groupUniqArrayArray(64)(signs)) AS signals,
        arraySort(groupUniqArrayArray(256)(arrayMap(m -> (m.2), arrayFilter(m -> ((m.1) = 'session'), things)))) AS sessions,
        arraySort(groupUniqArrayArray(256)(arrayMap(m -> (m.2), arrayFilter(m -> ((m.1) = 'subject'), things)))) AS subjects,
        arraySort(groupUniqArrayArray(256)(arrayMap(m -> (m.2), arrayFilter(m -> ((m.1) = 'address'), things)))) AS addresses,
        arraySort(groupUniqArrayArray(256)(arrayMap(m -> (m.2), arrayFilter(m -> ((m.1) = 'prefix'), things)))) AS prefixes,
        arraySort(groupUniqArrayArray(256)(arrayMap(m -> (m.2), arrayFilter(m -> ((m.1) = 'network'), things)))) AS networks,
        arraySort(groupUniqArrayArray(256)(arrayMap(m -> (m.2), arrayFilter(m -> ((m.1) = 'device'), things)))) AS devices,
        arraySort(groupUniqArrayArray(256)(arrayMap(m -> (m.2), arrayFilter(m -> ((m.1) = 'client'), things)))) AS clients,
        arraySort(groupUniqArrayArray(256)(arrayMap(m -> (m.2), arrayFilter(m -> ((m.1) = 'account'), things)))) AS accounts,
        arraySort(groupUniqArrayArray(256)(arrayMap(m -> (m.2), arrayFilter(m -> ((m.1) = 'ja4'), things)))) AS ja4s,
        arraySort(groupUniqArrayArray(256)(arrayMap(m -> (m.2), arrayFilter(m -> ((m.1) = 'route'), things)))) AS routes,
        uniqExactArray(arrayFilter(m -> ((m.1) IN ('session', 'subject', 'address', 'prefix', 'network', 'device', 'client', 'account', 'ja4', 'route')), things)) AS members,
        arraySort(groupUniqArray(256)(verdict_id)) AS verdict_ids,
        arraySort(groupUniqArrayIf(256)(incident_id, incident_id != id)) AS merged_ids
    FROM
    (
        SELECT
            f.tenant AS tenant,
            f.incident_id AS incident_id,
            if(m.root = '', f.incident_id, m.root) AS id,
            f.verdict_id AS verdict_id,
            f.time AS at,
            f.announced AS announced,
            f.hard AS fact,
            f.score AS nats,
            (f.target_kind, f.target_id) AS about,
            indexOf(['observe', 'throttle', 'read_only', 'step_up', 'revoke', 'block'], CAST(f.action, 'String')) AS step,
            CAST(f.signals, 'Array(String)') AS signs,
            arrayConcat([(CAST(f.target_kind, 'String'), f.target_id)], arrayZip(CAST(f.shown_kind, 'Array(String)'), f.shown_id), arrayZip(CAST(f.behind_kind, 'Array(String)'), f.behind_id)) AS things
        FROM
        (
            SELECT *
            FROM incident_findings
            FINAL
        ) AS f
        LEFT JOIN incident_merges AS m ON (m.tenant = f.tenant) AND (m.merged_id = f.incident_id)
    )
    GROUP BY
        tenant,
        id
) AS found
LEFT JOIN
(
    SELECT
        tenant,
        id,
        argMaxIf(text, at, word = 'assign') AS owner,
        transform(argMaxIf(word, at, (word IN ('acknowledge', 'close', 'reopen'))), ['acknowledge', 'close', 'reopen'], ['acknowledged', 'closed', 'open'], '') AS state,
        arrayMap(n -> concat(toString(n.1), ' ', n.2, ': ', n.3), arraySort(groupArrayIf(256)((at, said_by, text), (text != '') AND (word != 'assign')))) AS notes
    FROM
    (
        SELECT
            w.tenant AS tenant,
            if(m.root = '', w.incident_id, m.root) AS id,
            w.time AS at,
            CAST(w.word, 'String') AS word,
            w.text AS text,
            w.said_by AS said_by
        FROM incident_words AS w
        LEFT JOIN incident_merges AS m ON (m.tenant = w.tenant) AND (m.merged_id = w.incident_id)
    )
    GROUP BY
        tenant,
        id
) AS said ON (said.tenant = found.tenant) AND (said.id = found.id);

CREATE TABLE labels
(
    `tenant` LowCardinality(String),
    `time` DateTime64(6, 'UTC'),
    `verdict_id` String,
    `label` LowCardinality(String),
    `label_by` String,
    `note` String,
    `ingested_at` DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (tenant, verdict_id, time)
TTL toDateTime(ingested_at) + toIntervalDay(400)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192;

CREATE TABLE lane_daily
(
    `gateway` LowCardinality(String),
    `epoch` UInt64 CODEC(Delta(8), ZSTD(1)),
    `lane` UInt32 CODEC(Delta(4), ZSTD(1)),
    `ingested_on` Date,
    `requests` SimpleAggregateFunction(sum, UInt64),
    `sessions` SimpleAggregateFunction(sum, UInt64),
    `numbered` SimpleAggregateFunction(sum, UInt64),
    `seqs` AggregateFunction(groupBitmap, UInt64),
    `first_seen` SimpleAggregateFunction(min, DateTime64(6, 'UTC')),
    `last_seen` SimpleAggregateFunction(max, DateTime64(6, 'UTC'))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(ingested_on)
ORDER BY (gateway, epoch, lane, ingested_on)
TTL ingested_on + toIntervalDay(400)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW lane_daily_view TO lane_daily
(
    `gateway` LowCardinality(String),
    `epoch` UInt64,
    `lane` UInt32,
    `ingested_on` Date,
    `requests` UInt64,
    `sessions` UInt64,
    `numbered` UInt64,
    `seqs` AggregateFunction(groupBitmap, UInt64),
    `first_seen` DateTime64(6, 'UTC'),
    `last_seen` DateTime64(6, 'UTC')
)
AS SELECT
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
GROUP BY
    gateway,
    epoch,
    lane,
    ingested_on;

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

CREATE TABLE migration_turns
(
    `turn` UInt32,
    `holder` String,
    `version` UInt32,
    `checksum` String,
    `done` UInt32,
    `ended` Bool,
    `at` DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY (turn, at)
SETTINGS non_replicated_deduplication_window = 1000, index_granularity = 8192;

CREATE TABLE migrations
(
    `version` UInt32,
    `name` String,
    `checksum` String,
    `applied_at` DateTime64(3, 'UTC') DEFAULT now64(3),
    `finished` Bool DEFAULT true
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY version
SETTINGS index_granularity = 8192;

CREATE TABLE models
(
    `tenant` LowCardinality(String),
    `subject` String CODEC(ZSTD(1)),
    `requests` UInt64,
    `learned` Float64,
    `countries` Array(LowCardinality(String)),
    `country_counts` Array(Float64) CODEC(ZSTD(1)),
    `networks` Array(LowCardinality(String)),
    `network_counts` Array(Float64) CODEC(ZSTD(1)),
    `clients` Array(LowCardinality(String)),
    `client_counts` Array(Float64) CODEC(ZSTD(1)),
    `systems` Array(LowCardinality(String)),
    `system_counts` Array(Float64) CODEC(ZSTD(1)),
    `devices` Array(LowCardinality(String)),
    `device_counts` Array(Float64) CODEC(ZSTD(1)),
    `routes` Array(LowCardinality(String)),
    `route_counts` Array(Float64) CODEC(ZSTD(1)),
    `hours` Array(UInt8) CODEC(ZSTD(1)),
    `hour_counts` Array(UInt8) CODEC(ZSTD(1)),
    `last_seen` DateTime64(6, 'UTC'),
    `last_country` LowCardinality(String),
    `last_network` LowCardinality(String),
    `last_client` LowCardinality(String),
    `model` LowCardinality(String),
    `epoch` UInt64,
    `kafka_topic` LowCardinality(String),
    `kafka_partition` Int32,
    `kafka_offset` Int64,
    `ingested_at` DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(ingested_at)
ORDER BY (tenant, subject)
TTL toDateTime(ingested_at) + toIntervalDay(90)
SETTINGS non_replicated_deduplication_window = 1000, index_granularity = 8192;

CREATE VIEW ocsf_detection_finding
(
    `time` Int64,
    `category_uid` UInt8,
    `class_uid` UInt16,
    `activity_id` UInt8,
    `type_uid` UInt32,
    `status_id` UInt8,
    `severity_id` UInt8,
    `disposition_id` UInt8,
    `is_alert` UInt8,
    `metadata.version` String,
    `metadata.product.name` String,
    `metadata.product.version` String,
    `metadata.uid` String,
    `metadata.tenant_uid` String,
    `finding_info.uid` String,
    `finding_info.title` String,
    `finding_info.analytic.name` String,
    `finding_info.attacks.technique.uid` Array(String),
    `finding_info.related_events.uid` Array(String),
    `risk_score` Float64,
    `risk_level_id` UInt8,
    `evidences.data` Array(String),
    `resources.type` String,
    `resources.uid` String,
    `actor.user.uid` String,
    `end_time` Int64
)
AS SELECT
    toUnixTimestamp64Milli(time) AS time,
    2 AS category_uid,
    2004 AS class_uid,
    1 AS activity_id,
    200401 AS type_uid,
    1 AS status_id,
    transform(CAST(action, 'String'), ['throttle', 'read_only', 'step_up', 'revoke', 'block'], [2, 2, 3, 4, 4], 1) AS severity_id,
    transform(CAST(action, 'String'), ['throttle', 'read_only', 'step_up', 'revoke', 'block'], [25, 25, 23, 24, 2], 17) AS disposition_id,
    CAST((action NOT IN ('', 'observe')), 'UInt8') AS is_alert,
    '1.8.0' AS `metadata.version`,
    'Vigil' AS `metadata.product.name`,
    CAST(model, 'String') AS `metadata.product.version`,
    id AS `metadata.uid`,
    CAST(tenant, 'String') AS `metadata.tenant_uid`,
    id AS `finding_info.uid`,
    operator_text AS `finding_info.title`,
    CAST(authority, 'String') AS `finding_info.analytic.name`,
    arrayFilter(t -> (t != ''), arrayDistinct(arrayMap(t -> CAST(t, 'String'), evidence_technique))) AS `finding_info.attacks.technique.uid`,
    [cause_event_id] AS `finding_info.related_events.uid`,
    score AS risk_score,
    multiIf(score < 3, 0, score < 6, 1, score < 9, 2, score < 15, 3, 4) AS risk_level_id,
    arrayMap((s, n, t) -> concat(s, ': ', t, ' (', toString(round(n, 2)), ' nats)'), evidence_signal, evidence_nats, evidence_text) AS `evidences.data`,
    CAST(target_kind, 'String') AS `resources.type`,
    target_id AS `resources.uid`,
    subject AS `actor.user.uid`,
    toUnixTimestamp64Milli(until) AS end_time
FROM
(
    SELECT *
    FROM verdicts
    FINAL
);

CREATE VIEW ocsf_http_activity
(
    `time` Int64,
    `category_uid` UInt8,
    `class_uid` UInt16,
    `activity_id` UInt8,
    `type_uid` UInt64,
    `action_id` UInt8,
    `disposition_id` UInt8,
    `status_id` UInt8,
    `severity_id` UInt8,
    `status_detail` String,
    `metadata.version` String,
    `metadata.product.name` String,
    `metadata.uid` String,
    `metadata.correlation_uid` String,
    `metadata.tenant_uid` String,
    `metadata.processed_time` Int64,
    `http_request.http_method` String,
    `http_request.url.path` String,
    `http_request.url.hostname` String,
    `http_request.user_agent` String,
    `http_request.body_length` UInt64,
    `http_request.uid` String,
    `http_response.code` UInt16,
    `http_response.latency` UInt64,
    `http_response.length` UInt64,
    `src_endpoint.ip` String,
    `src_endpoint.location.country` String,
    `src_endpoint.autonomous_system.number` UInt32,
    `src_endpoint.autonomous_system.name` String,
    `dst_endpoint.hostname` String,
    `actor.user.uid` String,
    `actor.session.uid` String,
    `device.uid` String,
    `tls.ja4_fingerprint` String,
    `trace.uid` String
)
AS SELECT
    toUnixTimestamp64Milli(time) AS time,
    4 AS category_uid,
    4002 AS class_uid,
    transform(CAST(method, 'String'), ['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'TRACE', 'PATCH'], [1, 2, 3, 4, 5, 6, 7, 8, 9], 99) AS activity_id,
    (class_uid * 100) + activity_id AS type_uid,
    CAST(if(decision = 'permit', 1, 2), 'UInt8') AS action_id,
    CAST(multiIf(decision = 'permit', 17, reason = 'verdict', 24, reason = 'step_up', 23, status = 401, 26, 25), 'UInt8') AS disposition_id,
    CAST(if((decision = 'permit') AND (status < 500), 1, 2), 'UInt8') AS status_id,
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

CREATE TABLE refusals
(
    `time` DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    `gateway` LowCardinality(String),
    `cause` LowCardinality(String),
    `kid` LowCardinality(String),
    `n` UInt64,
    `kafka_offset_end` Int64,
    `kafka_topic` LowCardinality(String),
    `kafka_partition` Int32,
    `kafka_offset` Int64,
    `ingested_at` DateTime64(3, 'UTC')
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(ingested_at)
ORDER BY (gateway, cause, time)
TTL toDateTime(ingested_at) + toIntervalDay(400)
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000, index_granularity = 8192;

CREATE TABLE requests
(
    `tenant` LowCardinality(String),
    `time` DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)),
    `kind` LowCardinality(String) CODEC(ZSTD(1)),
    `id` String CODEC(ZSTD(1)),
    `phase` LowCardinality(String) CODEC(ZSTD(1)),
    `other_request_id` String CODEC(ZSTD(1)),
    `gateway` LowCardinality(String) CODEC(ZSTD(1)),
    `epoch` UInt64 CODEC(ZSTD(1)),
    `lane` UInt32 CODEC(Delta(4), ZSTD(1)),
    `seq` UInt64 CODEC(Delta(8), ZSTD(1)),
    `subject` String CODEC(ZSTD(3)),
    `issuer` LowCardinality(String) CODEC(ZSTD(1)),
    `session` String CODEC(ZSTD(3)),
    `token_id` String CODEC(ZSTD(3)),
    `client_id` LowCardinality(String) CODEC(ZSTD(1)),
    `device` String CODEC(ZSTD(3)),
    `binding` LowCardinality(String) CODEC(ZSTD(1)),
    `auth_method` LowCardinality(String) CODEC(ZSTD(1)),
    `acr` LowCardinality(String) CODEC(ZSTD(1)),
    `amr` Array(LowCardinality(String)),
    `auth_time` DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    `subject_kind` LowCardinality(String) CODEC(ZSTD(1)),
    `address` String CODEC(ZSTD(3)),
    `asn` UInt32 CODEC(T64, ZSTD(1)),
    `as_org` LowCardinality(String) CODEC(ZSTD(1)),
    `country` LowCardinality(String) CODEC(ZSTD(1)),
    `latitude` Nullable(Float64) CODEC(ZSTD(1)),
    `longitude` Nullable(Float64) CODEC(ZSTD(1)),
    `accuracy_radius_km` Float64 CODEC(ZSTD(1)),
    `network_tags` Array(LowCardinality(String)),
    `ja4` LowCardinality(String) CODEC(ZSTD(1)),
    `user_agent` LowCardinality(String) CODEC(ZSTD(1)),
    `method` LowCardinality(String) CODEC(ZSTD(1)),
    `host` LowCardinality(String) CODEC(ZSTD(1)),
    `other_path` String CODEC(ZSTD(1)),
    `route` LowCardinality(String) CODEC(ZSTD(1)),
    `template` LowCardinality(String) CODEC(ZSTD(3)),
    `resource` String CODEC(ZSTD(1)),
    `sensitivity` LowCardinality(String) CODEC(ZSTD(1)),
    `region` LowCardinality(String) CODEC(ZSTD(1)),
    `status` UInt16 CODEC(T64, ZSTD(1)),
    `decision` LowCardinality(String) CODEC(ZSTD(1)),
    `reason` LowCardinality(String) CODEC(ZSTD(1)),
    `auth_outcome` LowCardinality(String) CODEC(ZSTD(1)),
    `account` String CODEC(ZSTD(3)),
    `bytes_in` UInt64 CODEC(ZSTD(1)),
    `bytes_out` UInt64 CODEC(T64, ZSTD(1)),
    `duration_us` UInt64 CODEC(T64, ZSTD(1)),
    `waf_score` Float64 CODEC(ZSTD(1)),
    `waf_rules` Array(LowCardinality(String)),
    `trace_id` String CODEC(ZSTD(1)),
    `attributes` Map(LowCardinality(String), String),
    `stream` LowCardinality(String) CODEC(ZSTD(1)),
    `support_code` String CODEC(ZSTD(1)),
    `kafka_topic` LowCardinality(String) CODEC(ZSTD(1)),
    `kafka_partition` Int32 CODEC(T64, ZSTD(1)),
    `kafka_offset` Int64 CODEC(Delta(8), ZSTD(1)),
    `ingested_at` DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    `request_id` String ALIAS if(other_request_id = '', id, other_request_id),
    `path` String ALIAS if(other_path = '', replaceOne(toString(template), extract(toString(template), '\\{[^/]*\\}'), resource), other_path),
    INDEX time_range time TYPE minmax GRANULARITY 1,
    INDEX subject_bloom subject TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX session_bloom session TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX address_bloom address TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX support_code_bloom support_code TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX id_filter id TYPE bloom_filter(0.025) GRANULARITY 1,
    INDEX trace_id_filter trace_id TYPE bloom_filter(0.025) GRANULARITY 1,
    INDEX other_request_id_filter other_request_id TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(ingested_at)
ORDER BY (tenant, toStartOfHour(time), subject, time)
TTL toDateTime(ingested_at) + toIntervalDay(30)
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000, index_granularity = 8192;

CREATE TABLE requests_1h
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
TTL ingested_on + toIntervalDay(730)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW requests_1h_view TO requests_1h
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
GROUP BY
    tenant,
    bucket,
    route,
    method,
    status_class,
    decision,
    ingested_on;

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

CREATE TABLE session_daily
(
    `tenant` LowCardinality(String),
    `day` Date,
    `subject` String CODEC(ZSTD(1)),
    `session` String CODEC(ZSTD(1)),
    `ingested_on` SimpleAggregateFunction(max, Date),
    `peak` SimpleAggregateFunction(max, Float64),
    `met` SimpleAggregateFunction(max, UInt8)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (tenant, day, subject, session)
TTL ingested_on + toIntervalDay(400)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192;

CREATE MATERIALIZED VIEW session_daily_view TO session_daily
(
    `tenant` LowCardinality(String),
    `day` Date,
    `subject` String,
    `session` String,
    `ingested_on` Date,
    `peak` Float64,
    `met` UInt8
)
AS SELECT
    tenant,
    toDate(time, 'UTC') AS day,
    subject,
    session,
    toDate(max(ingested_at)) AS ingested_on,
    max(session_score) AS peak,
    max(action NOT IN ('', 'observe')) AS met
FROM assessments
WHERE subject != ''
GROUP BY
    tenant,
    day,
    subject,
    session;

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

CREATE TABLE snapshots
(
    `kafka_topic` String,
    `kafka_partition` Int32,
    `epoch` UInt64,
    `kafka_offset` Int64,
    `chunk` UInt32,
    `chunks` UInt32,
    `bytes` UInt64,
    `checksum` UInt64,
    `topic_id` String,
    `partitions` UInt32,
    `model` String,
    `data` String CODEC(ZSTD(1)),
    `ingested_at` DateTime64(3, 'UTC')
)
ENGINE = MergeTree
PARTITION BY (kafka_topic, kafka_partition, epoch, kafka_offset)
ORDER BY chunk
TTL toDateTime(ingested_at) + toIntervalDay(30)
SETTINGS ttl_only_drop_parts = 1, index_granularity = 1, non_replicated_deduplication_window = 1000;

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

