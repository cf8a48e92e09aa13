-- question: Is every request accounted for, as a row or as a counted loss?
-- param: days UInt32 = 7  How far back from now; a row counts when it was stored.
-- column: gateway  The gateway.
-- column: epoch  One life of it.
-- column: requests  Finished requests that are rows.
-- column: sessions  Session events that are rows.
-- column: dropped  Events that the gateway says it dropped, of any kind; of a flood of refusals, those it told of in a sum.
-- column: missing  Events whose numbers never came and that nobody has owned up to.
-- column: reasons  Why, with numbers.
-- column: repeated  Rows beyond the first of an event: more than 0 is a fault of Vigil.
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
    min(first_time) AS first_seen,
    max(last_time) AS last_seen
FROM
(
    SELECT
        gateway,
        epoch,
        countIf(kind = 'request') AS requests,
        countIf(kind = 'session') AS sessions,
        0 AS dropped,
        0 AS missing,
        CAST([], 'Array(String)') AS reasons,
        count() - uniqExact(id) AS repeated,
        min(time) AS first_time,
        max(time) AS last_time
    FROM requests
    WHERE ingested_at >= now() - toIntervalDay({days:UInt32})
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
        min(since) AS first_time,
        max(till) AS last_time
    FROM
    (
        SELECT gateway, epoch, toString(reason) AS reason, sum(n) AS lost, min(time) AS since, max(time) AS till
        FROM losses
        WHERE ingested_at >= now() - toIntervalDay({days:UInt32})
        GROUP BY gateway, epoch, reason
    )
    GROUP BY gateway, epoch
)
GROUP BY gateway, epoch
ORDER BY gateway, epoch
