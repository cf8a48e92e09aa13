-- question: Whom would another threshold have met?
-- param: tenant String = default  Whose assessments.
-- param: days UInt32 = 7  How far back from now.
-- param: from Float64 = 6  The lowest threshold, in nats of a session's suspicion.
-- param: step Float64 = 1  From one threshold to the next.
-- param: steps UInt8 = 15  How many thresholds.
-- column: threshold  In nats.
-- column: sessions  Sessions that reached it.
-- column: subjects  Subjects with such a session.
-- column: subject_days  Days of subjects with such a session.
-- column: per_10000  Such days per 10,000 subject-days.
-- column: acted  Sessions of them that were met with an action beyond observe as it is.
WITH
    arrayMap(i -> {from:Float64} + {step:Float64} * i, range({steps:UInt8})) AS lines,
    each AS
    (
        SELECT subject, session, toDate(time) AS day, max(session_score) AS most, max(action NOT IN ('', 'observe')) AS met
        FROM assessments
        WHERE tenant = {tenant:String} AND time >= now() - toIntervalDay({days:UInt32}) AND subject != ''
        GROUP BY subject, session, day
    )
SELECT
    arrayJoin(lines) AS threshold,
    uniqExactIf((subject, session), most >= threshold) AS sessions,
    uniqExactIf(subject, most >= threshold) AS subjects,
    uniqExactIf((subject, day), most >= threshold) AS subject_days,
    round(10000 * subject_days / uniqExact(subject, day), 1) AS per_10000,
    uniqExactIf((subject, session), most >= threshold AND met) AS acted
FROM each
GROUP BY threshold
ORDER BY threshold
