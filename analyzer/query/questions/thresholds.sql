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
        arrayMap(line -> arrayCount(p -> p >= line, all_peaks), lines) AS sessions,
        arrayMap(line -> arrayCount(p -> p >= line, all_met), lines) AS acted,
        arrayMap(line -> arrayCount(p -> p >= line, all_tops), lines) AS subjects,
        arrayMap(line -> arrayCount(p -> p >= line, all_day_tops), lines) AS subject_days,
        all_days
    FROM
    (
        -- Most sessions stay below the lowest line: only the others are kept.
        SELECT
            groupArrayArray(peaks) AS all_peaks,
            groupArrayArray(met_peaks) AS all_met,
            groupArrayIf(most, most >= {from:Float64}) AS all_tops,
            groupArrayArray(day_tops) AS all_day_tops,
            sum(on_days) AS all_days
        FROM
        (
            SELECT
                subject,
                groupArrayArray(day_peaks) AS peaks,
                groupArrayArray(day_met_peaks) AS met_peaks,
                groupArrayIf(highest, highest >= {from:Float64}) AS day_tops,
                max(highest) AS most,
                count() AS on_days
            FROM
            (
                SELECT
                    subject,
                    max(peak) AS highest,
                    groupArrayIf(peak, peak >= {from:Float64}) AS day_peaks,
                    groupArrayIf(peak, peak >= {from:Float64} AND met) AS day_met_peaks
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
)
ARRAY JOIN lines AS threshold, sessions, acted, subjects, subject_days
ORDER BY threshold
