-- question: How much traffic is there on each route, and how is it served?
-- param: tenant String = default  Whose traffic.
-- param: hours UInt32 = 24  How far back from now.
-- column: route  The route.
-- column: requests  Finished requests.
-- column: refused  Of them, those that were not permitted.
-- column: failed  Of them, those with a status of 500 or above.
-- column: subjects  Different subjects, about.
-- column: addresses  Different addresses, about.
-- column: bytes_out  Bytes sent to clients.
-- column: p50_ms  Median duration.
-- column: p95_ms  95th percentile of the duration.
-- column: p99_ms  99th percentile of the duration.
SELECT
    t.route AS route,
    sum(t.requests) AS requests,
    sumIf(t.requests, t.decision != 'permit') AS refused,
    sumIf(t.requests, t.status_class = 5) AS failed,
    uniqCombined64Merge(14)(t.subjects) AS subjects,
    uniqCombined64Merge(14)(t.addresses) AS addresses,
    sum(t.bytes_out) AS bytes_out,
    round(quantilesTDigestMerge(0.5, 0.95, 0.99)(t.duration_us)[1] / 1000, 3) AS p50_ms,
    round(quantilesTDigestMerge(0.5, 0.95, 0.99)(t.duration_us)[2] / 1000, 3) AS p95_ms,
    round(quantilesTDigestMerge(0.5, 0.95, 0.99)(t.duration_us)[3] / 1000, 3) AS p99_ms
FROM requests_1m AS t
WHERE t.tenant = {tenant:String} AND t.bucket >= now() - toIntervalHour({hours:UInt32})
GROUP BY route
ORDER BY requests DESC, route
