-- question: Whom would another threshold have met?
-- param: tenant String = default  Whose assessments.
-- param: days UInt32 = 7  How many days back (UTC), today apart.
-- param: from Float64 = 6  The lowest threshold, in nats of a session's suspicion.
-- param: step Float64 = 1  From one threshold to the next.
-- param: steps UInt8 = 15  How many thresholds.
-- column: threshold  In nats.
-- column: sessions  Sessions that reached it, each counted once a day.
-- column: acted  Of them, those that were met with an action beyond observe as it is.
-- column: subjects  Subjects with such a session.
-- column: subject_days  Days of subjects with such a session.
-- column: per_10000  Such days per 10,000 subject-days.
WITH arrayMap(i -> {from:Float64} + {step:Float64} * i, range({steps:UInt8})) AS lines
SELECT threshold, sessions, acted, subjects, subject_days, round(10000 * subject_days / all_days, 1) AS per_10000
FROM
(
    SELECT
        sumForEach(in_sessions) AS sessions,
        sumForEach(in_acted) AS acted,
        sumForEach(arrayMap(line -> toUInt64(most >= line), lines)) AS subjects,
        sumForEach(in_days) AS subject_days,
        sum(on_days) AS all_days
    FROM
    (
        SELECT subject, sumForEach(of_sessions) AS in_sessions, sumForEach(of_acted) AS in_acted, sumForEach(arrayMap(line -> toUInt64(highest >= line), lines)) AS in_days, count() AS on_days, max(highest) AS most
        FROM
        (
            SELECT
                subject,
                max(peak) AS highest,
                sumForEach(arrayMap(line -> toUInt64(peak >= line), lines)) AS of_sessions,
                sumForEach(arrayMap(line -> toUInt64(peak >= line AND met), lines)) AS of_acted
            FROM
            (
                SELECT subject, day, session, max(s.peak) AS peak, max(s.met) AS met
                FROM session_daily AS s
                WHERE tenant = {tenant:String} AND day >= toDate(now('UTC')) - {days:UInt32}
                GROUP BY subject, day, session
            )
            GROUP BY subject, day
        )
        GROUP BY subject
    )
    HAVING all_days > 0
)
ARRAY JOIN lines AS threshold, sessions, acted, subjects, subject_days
ORDER BY threshold
