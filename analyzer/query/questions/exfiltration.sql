-- question: Who carried off more than he and the others do?
-- param: tenant String = default  Whose subjects.
-- param: ago UInt32 = 0  How many days ago the day is (UTC); 0 is today.
-- param: days UInt32 = 30  So many days before it are what is usual.
-- param: times Float64 = 3  Who took less than so many times his own usual day is left out.
-- param: mib UInt32 = 50  Who took less than so many MiB is left out.
-- column: subject  Who.
-- column: mib  What he took that day, in MiB.
-- column: usual_mib  The mean of his own days before, in MiB; 0 where there is none.
-- column: highest_mib  The largest of them, in MiB.
-- column: times_own  The day over his own usual one, which counts as 1 MiB at least.
-- column: times_others  The day over the median day of everybody in that time.
-- column: requests  Requests of the day.
-- column: resources  Different resources of the day, estimated.
WITH toDate(now('UTC')) - {ago:UInt32} AS on_day
SELECT
    subject,
    round(bytes / 1048576, 1) AS mib,
    round(usual / 1048576, 1) AS usual_mib,
    round(highest / 1048576, 1) AS highest_mib,
    round(bytes / greatest(usual, 1048576), 1) AS times_own,
    round(bytes / greatest(median, 1), 1) AS times_others,
    requests,
    resources
FROM
(
    SELECT
        subject,
        sumIf(out, day = on_day) AS bytes,
        ifNotFinite(avgIf(out, day < on_day), 0) AS usual,
        maxIf(out, day < on_day) AS highest,
        sumIf(n, day = on_day) AS requests,
        maxIf(kinds, day = on_day) AS resources
    FROM
    (
        SELECT subject, day, sum(bytes_out) AS out, sum(requests) AS n, uniqCombined64MergeIf(12)(resources, day = on_day) AS kinds
        FROM subject_daily
        WHERE tenant = {tenant:String} AND day BETWEEN on_day - {days:UInt32} AND on_day AND subject IN
        (
            SELECT subject FROM subject_daily WHERE tenant = {tenant:String} AND day = on_day
            GROUP BY subject HAVING round(sum(bytes_out) / 1048576, 1) >= {mib:UInt32}
        )
        GROUP BY subject, day
    )
    GROUP BY subject
) AS each
CROSS JOIN
(
    SELECT ifNotFinite(quantileExact(0.5)(out), 0) AS median
    FROM (SELECT sum(bytes_out) AS out FROM subject_daily WHERE tenant = {tenant:String} AND day BETWEEN on_day - {days:UInt32} AND on_day GROUP BY subject, day)
) AS others
WHERE mib >= {mib:UInt32} AND times_own >= {times:Float64}
ORDER BY times_own DESC, subject
