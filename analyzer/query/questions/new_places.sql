-- question: Who was seen in a country or network of which he had shown nothing before?
-- param: tenant String = default  Whose subjects.
-- param: ago UInt32 = 0  How many days ago the day is (UTC); 0 is today.
-- param: days UInt32 = 30  So many days before it are what is known; who was not seen in them is left out.
-- column: subject  Who.
-- column: countries  New countries.
-- column: asns  New networks, by their number.
-- column: known_countries  Where he had been.
-- column: known_days  On how many days he was seen before.
-- column: requests  Requests of the day.
WITH toDate(now('UTC')) - {ago:UInt32} AS on_day
SELECT
    subject,
    arraySort(arrayFilter(c -> NOT has(old_countries, c), new_countries)) AS countries,
    arraySort(arrayFilter(a -> NOT has(old_asns, a), new_asns)) AS asns,
    arraySort(old_countries) AS known_countries,
    known_days,
    requests
FROM
(
    SELECT
        subject,
        groupUniqArrayArrayIf(d.countries, day = on_day) AS new_countries,
        groupUniqArrayArrayIf(d.countries, day < on_day) AS old_countries,
        groupUniqArrayArrayIf(d.asns, day = on_day) AS new_asns,
        groupUniqArrayArrayIf(d.asns, day < on_day) AS old_asns,
        uniqExactIf(day, day < on_day) AS known_days,
        sumIf(d.requests, day = on_day) AS requests
    FROM subject_daily AS d
    WHERE tenant = {tenant:String} AND day BETWEEN on_day - {days:UInt32} AND on_day AND subject IN
    (
        -- Leaves out who was in one country and network all the time.
        SELECT subject
        FROM subject_daily AS o
        WHERE tenant = {tenant:String} AND day BETWEEN on_day - {days:UInt32} AND on_day
        GROUP BY subject
        HAVING max(day) = on_day AND
        (
            max(length(o.countries)) > 1 OR max(o.countries[1]) != min(o.countries[1])
            OR max(length(o.asns)) > 1 OR max(o.asns[1]) != min(o.asns[1])
        )
    )
    GROUP BY subject
)
WHERE known_days > 0 AND requests > 0 AND length(countries) + length(asns) > 0
ORDER BY length(countries) DESC, length(asns) DESC, subject
