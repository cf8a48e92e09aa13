-- question: How are the scores of two models spread, the one that acts and one in its shadow?
-- param: tenant String = default  Whose assessments.
-- param: hours UInt32 = 24  How far back from now.
-- column: model  Digest of the model file.
-- column: shadow  Whether its verdicts were only recorded.
-- column: from_nats  Suspicion of the session from here; -inf below 0.
-- column: to_nats  To below here; inf from 30 on.
-- column: events  Events.
-- column: share  Of all events of that model.
-- column: subjects  Different subjects, estimated.
-- column: acted  Events with an action beyond observe.
SELECT
    model,
    shadow,
    if(step < 0, -inf, toFloat64(step)) AS from_nats,
    if(step >= 30, inf, toFloat64(step) + 3) AS to_nats,
    count() AS events,
    round(events / sum(events) OVER (PARTITION BY model, shadow), 6) AS share,
    uniqCombined64(14)(subject) AS subjects,
    countIf(action NOT IN ('', 'observe')) AS acted
FROM
(
    SELECT model, shadow, subject, action, toInt32(least(30, greatest(-3, floor(session_score / 3) * 3))) AS step
    FROM assessments
    WHERE tenant = {tenant:String} AND time >= now() - toIntervalHour({hours:UInt32}) AND phase != 'open'
)
GROUP BY model, shadow, step
ORDER BY model, shadow, from_nats
