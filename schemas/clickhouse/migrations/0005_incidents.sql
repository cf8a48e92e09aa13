-- What the analyzer found, and to which incident it belongs: one row per verdict,
-- or judgement that waits. Read it with FINAL. The incidents are a view on it.
CREATE TABLE IF NOT EXISTS incident_findings
(
    tenant LowCardinality(String),
    verdict_id String,
    ordinal UInt64,
    incident_id String,
    merges Array(String),
    time DateTime64(6, 'UTC'),
    target_kind LowCardinality(String),
    target_id String,
    action LowCardinality(String),
    score Float64,
    announced Bool,
    hard Bool,
    signals Array(LowCardinality(String)),
    usual Float64,
    shown_kind Array(LowCardinality(String)),
    shown_id Array(String),
    shown_share Array(Float64),
    behind_kind Array(LowCardinality(String)),
    behind_id Array(String),
    ingested_at DateTime64(3, 'UTC'),
    INDEX time_range time TYPE minmax GRANULARITY 1,
    INDEX incident_id_bloom incident_id TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(ordinal)
ORDER BY (tenant, verdict_id)
TTL toDateTime(ingested_at) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000;

-- What people say about incidents, signed. The latest word on owner and state
-- holds; every one is kept.
CREATE TABLE IF NOT EXISTS incident_words
(
    tenant LowCardinality(String),
    time DateTime64(6, 'UTC'),
    incident_id String,
    word LowCardinality(String),
    text String,
    said_by String,
    envelope String,
    ingested_at DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (tenant, incident_id, time)
TTL toDateTime(ingested_at) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000;

-- Which incidents turned out to be another, and which that is now.
CREATE VIEW IF NOT EXISTS incident_merges AS
SELECT
    tenant,
    merged_id,
    argMax(incident_id, ordinal) AS root
FROM incident_findings
ARRAY JOIN merges AS merged_id
GROUP BY tenant, merged_id;

-- One row per incident: a botnet or a campaign. Lists hold 256 members of a kind
-- at most; members counts all, members_beyond those that are in no list.
CREATE VIEW IF NOT EXISTS incidents AS
SELECT
    found.tenant AS tenant,
    found.id AS id,
    if(said.state = '', 'open', said.state) AS state,
    said.owner AS owner,
    multiIf(hard OR strength >= 5 AND targets >= 10, 'critical', strength >= 5, 'high', strength >= 3, 'medium', 'low') AS severity,
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
    members - (length(sessions) + length(subjects) + length(addresses) + length(prefixes) + length(networks) + length(devices) + length(clients) + length(accounts) + length(ja4s) + length(routes)) AS members_beyond,
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
        arraySort(groupUniqArrayArray(256)(arrayMap(m -> m.2, arrayFilter(m -> m.1 = 'session', things)))) AS sessions,
        arraySort(groupUniqArrayArray(256)(arrayMap(m -> m.2, arrayFilter(m -> m.1 = 'subject', things)))) AS subjects,
        arraySort(groupUniqArrayArray(256)(arrayMap(m -> m.2, arrayFilter(m -> m.1 = 'address', things)))) AS addresses,
        arraySort(groupUniqArrayArray(256)(arrayMap(m -> m.2, arrayFilter(m -> m.1 = 'prefix', things)))) AS prefixes,
        arraySort(groupUniqArrayArray(256)(arrayMap(m -> m.2, arrayFilter(m -> m.1 = 'network', things)))) AS networks,
        arraySort(groupUniqArrayArray(256)(arrayMap(m -> m.2, arrayFilter(m -> m.1 = 'device', things)))) AS devices,
        arraySort(groupUniqArrayArray(256)(arrayMap(m -> m.2, arrayFilter(m -> m.1 = 'client', things)))) AS clients,
        arraySort(groupUniqArrayArray(256)(arrayMap(m -> m.2, arrayFilter(m -> m.1 = 'account', things)))) AS accounts,
        arraySort(groupUniqArrayArray(256)(arrayMap(m -> m.2, arrayFilter(m -> m.1 = 'ja4', things)))) AS ja4s,
        arraySort(groupUniqArrayArray(256)(arrayMap(m -> m.2, arrayFilter(m -> m.1 = 'route', things)))) AS routes,
        uniqExactArray(arrayFilter(m -> m.1 IN ('session', 'subject', 'address', 'prefix', 'network', 'device', 'client', 'account', 'ja4', 'route'), things)) AS members,
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
        FROM (SELECT * FROM incident_findings FINAL) AS f
        LEFT JOIN incident_merges AS m ON m.tenant = f.tenant AND m.merged_id = f.incident_id
    )
    GROUP BY tenant, id
) AS found
LEFT JOIN
(
    SELECT
        tenant,
        id,
        argMaxIf(text, at, word = 'assign') AS owner,
        transform(argMaxIf(word, at, word IN ('acknowledge', 'close', 'reopen')), ['acknowledge', 'close', 'reopen'], ['acknowledged', 'closed', 'open'], '') AS state,
        arrayMap(n -> concat(toString(n.1), ' ', n.2, ': ', n.3), arraySort(groupArrayIf(256)((at, said_by, text), text != '' AND word != 'assign'))) AS notes
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
        LEFT JOIN incident_merges AS m ON m.tenant = w.tenant AND m.merged_id = w.incident_id
    )
    GROUP BY tenant, id
) AS said ON said.tenant = found.tenant AND said.id = found.id;
