-- question: Is every request accounted for, as a row or as a counted loss?
-- param: days UInt32 = 7  How many days back (UTC), today apart; a row counts on the day when it was stored.
-- column: gateway  The gateway.
-- column: epoch  One life of it.
-- column: requests  Finished requests that are rows.
-- column: sessions  Session events that are rows.
-- column: dropped  Events that the gateway says it dropped, of any kind; of a flood of refusals, those it told of in a sum.
-- column: missing  Events whose numbers never came and that nobody has owned up to.
-- column: reasons  Why, with numbers.
-- column: repeated  Rows beyond the first of a number: more than 0 is a fault of Vigil.
-- column: ended  How this life ended: closed by the gateway, succeeded by its next life, or timeout, nothing having come of it for half a minute: a gateway whose last life says so has disappeared. Empty while it goes on.
-- column: first_seen  The first event's time.
-- column: last_seen  The last event's time.
SELECT
    gateway,
    epoch,
    sum(requests) AS requests,
    sum(sessions) AS sessions,
    sum(dropped) AS dropped,
    sum(missing) AS missing,
    groupUniqArrayArray(reasons) AS reasons,
    sum(repeated) AS repeated,
    max(ends) AS ended, -- In the order of the alphabet a timeout comes last: one lane is enough.
    min(first_time) AS first_seen,
    max(last_time) AS last_seen
FROM
(
    SELECT
        gateway,
        epoch,
        sum(of_requests) AS requests,
        sum(of_sessions) AS sessions,
        0 AS dropped,
        0 AS missing,
        CAST([], 'Array(String)') AS reasons,
        sum(of_numbered - different) AS repeated,
        '' AS ends,
        min(since) AS first_time,
        max(till) AS last_time
    FROM
    (
        SELECT
            toString(l.gateway) AS gateway, l.epoch AS epoch, lane, sum(l.requests) AS of_requests, sum(l.sessions) AS of_sessions, sum(l.numbered) AS of_numbered,
            groupBitmapMerge(l.seqs) - if(of_requests + of_sessions > of_numbered, 1, 0) AS different, -- Rows without a number are all number 0.
            min(l.first_seen) AS since, max(l.last_seen) AS till
        FROM lane_daily AS l
        WHERE l.ingested_on >= toDate(now('UTC')) - {days:UInt32}
        GROUP BY gateway, epoch, lane
    )
    GROUP BY gateway, epoch
    UNION ALL
    SELECT
        gateway,
        epoch,
        0 AS requests,
        0 AS sessions,
        sumIf(lost, reason != 'gap') AS dropped,
        sumIf(lost, reason = 'gap') AS missing,
        groupArray(concat(reason, ': ', toString(lost))) AS reasons,
        0 AS repeated,
        '' AS ends,
        min(since) AS first_time,
        max(till) AS last_time
    FROM
    (
        -- A number that was missing and came after all, out of the dead letters, is none.
        SELECT
            toString(n.gateway) AS gateway, n.epoch AS epoch, toString(n.reason) AS reason,
            sum(n.n - if(n.reason = 'gap', bitmapCardinality(bitmapSubsetInRange(late.seqs, n.seq, n.seq_end + 1)), 0)) AS lost,
            min(n.time) AS since, max(n.time) AS till
        FROM (SELECT * FROM losses WHERE ingested_at >= toDate(now('UTC')) - {days:UInt32}) AS n
        LEFT JOIN
        (
            SELECT gateway, epoch, lane, groupBitmapMergeState(seqs) AS seqs
            FROM lane_daily
            WHERE (gateway, epoch, lane) IN (SELECT gateway, epoch, lane FROM losses WHERE reason = 'gap' AND ingested_at >= toDate(now('UTC')) - {days:UInt32})
            GROUP BY gateway, epoch, lane
        ) AS late ON late.gateway = n.gateway AND late.epoch = n.epoch AND late.lane = n.lane
        GROUP BY gateway, epoch, reason
        HAVING lost > 0
    )
    GROUP BY gateway, epoch
    UNION ALL
    SELECT
        gateway,
        epoch,
        0 AS requests,
        0 AS sessions,
        0 AS dropped,
        0 AS missing,
        CAST([], 'Array(String)') AS reasons,
        0 AS repeated,
        max(last_end) AS ends,
        min(since) AS first_time,
        max(till) AS last_time
    FROM
    (
        SELECT
            toString(g.gateway) AS gateway, g.epoch AS epoch, g.lane AS lane,
            replaceOne(toString(argMax(g.ended, g.kafka_offset)), 'resumed', '') AS last_end,
            toDateTime64(min(g.time), 6, 'UTC') AS since, toDateTime64(max(g.time), 6, 'UTC') AS till
        FROM gateway_epochs AS g
        WHERE g.ingested_at >= toDate(now('UTC')) - {days:UInt32}
        GROUP BY gateway, epoch, lane
    )
    GROUP BY gateway, epoch
)
GROUP BY gateway, epoch
ORDER BY gateway, epoch
