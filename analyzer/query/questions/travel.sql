-- question: Who was in two places faster than anything travels?
-- param: tenant String = default  Whose subjects.
-- param: hours UInt32 = 24  How far back from now.
-- param: speed UInt32 = 1000  In km/h; slower ways are left out.
-- column: subject  Who.
-- column: from_country  Where he was.
-- column: to_country  Where he was next.
-- column: from_address  From which address.
-- column: to_address  To which address.
-- column: kilometres  The least distance, the accuracy radii of both places taken off.
-- column: minutes  In which time.
-- column: speed_kmh  How fast that is.
-- column: network_tags  Tags of both networks: a vpn, relay or mobile network explains much.
-- column: session  In which session he arrived.
-- column: time  When he arrived.
SELECT
    subject,
    from_country,
    to_country,
    from_address,
    to_address,
    round(greatest(0, geoDistance(lon, lat, longitude, latitude) / 1000 - radius - accuracy_radius_km), 1) AS kilometres,
    round((toFloat64(toUnixTimestamp64Micro(time)) - toFloat64(toUnixTimestamp64Micro(before))) / 60e6, 2) AS minutes,
    round(kilometres / greatest(minutes, 1) * 60) AS speed_kmh,
    arraySort(arrayDistinct(arrayConcat(tags, network_tags))) AS network_tags,
    session,
    time
FROM
(
    SELECT
        subject, session, time, address AS to_address, country AS to_country, latitude, longitude, accuracy_radius_km, r.network_tags AS network_tags,
        lagInFrame(time) OVER w AS before,
        lagInFrame(address) OVER w AS from_address,
        lagInFrame(country) OVER w AS from_country,
        lagInFrame(latitude) OVER w AS lat,
        lagInFrame(longitude) OVER w AS lon,
        lagInFrame(accuracy_radius_km) OVER w AS radius,
        lagInFrame(r.network_tags) OVER w AS tags
    FROM requests AS r
    WHERE tenant = {tenant:String} AND time >= now() - toIntervalHour({hours:UInt32}) AND subject != '' AND latitude IS NOT NULL AND longitude IS NOT NULL
    AND subject IN
    (
        -- Leaves out who cannot have been too fast. What lies within two hours that follow each other may be a minute
        -- apart, the rest is an hour apart at least. A degree is 111.3 km at most, both ways together 157.4.
        SELECT subject
        FROM
        (
            SELECT
                subject, top, bottom, east, west,
                lagInFrame(top, 1, top) OVER h AS top_before, lagInFrame(bottom, 1, bottom) OVER h AS bottom_before,
                lagInFrame(east, 1, east) OVER h AS east_before, lagInFrame(west, 1, west) OVER h AS west_before,
                hour - lagInFrame(hour, 1, hour) OVER h <= 3600 AS follows,
                greatest(
                    if(follows, greatest(top, top_before) - least(bottom, bottom_before), top - bottom),
                    if(follows, greatest(east, east_before) - least(west, west_before), east - west)) AS near
            FROM
            (
                SELECT subject, toStartOfHour(time) AS hour, max(latitude) AS top, min(latitude) AS bottom, max(longitude) AS east, min(longitude) AS west
                FROM requests
                WHERE tenant = {tenant:String} AND time >= now() - toIntervalHour({hours:UInt32}) AND subject != '' AND latitude IS NOT NULL AND longitude IS NOT NULL
                GROUP BY subject, hour
            )
            WINDOW h AS (PARTITION BY subject ORDER BY hour ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
        )
        GROUP BY subject
        HAVING max(near) * 157.4 * 60 >= {speed:UInt32} OR greatest(max(top) - min(bottom), max(east) - min(west)) * 157.4 >= {speed:UInt32}
    )
    WINDOW w AS (PARTITION BY subject ORDER BY time, kafka_offset ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
)
WHERE lat IS NOT NULL AND from_address != to_address AND speed_kmh >= {speed:UInt32}
ORDER BY speed_kmh DESC, subject, time
