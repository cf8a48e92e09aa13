-- question: Which routes refuse or fail most?
-- param: tenant String = default  Whose traffic.
-- param: hours UInt32 = 168  How far back from now, in full hours.
-- param: requests UInt32 = 100  Routes with fewer requests are left out.
-- column: route  The route.
-- column: requests  Requests.
-- column: refused  Of them, those that the gateway refused.
-- column: refused_share  Refused over requests.
-- column: failed  Of them, those that ended with a status of 500 or more.
-- column: failed_share  Failed over requests.
-- column: client_errors  Of them, those that ended with a status of 400 to 499.
-- column: p95_ms  95th percentile of their duration.
-- column: worst_hour  The hour with the most refusals and failures.
SELECT
    route,
    sum(n) AS requests,
    sum(no) AS refused,
    round(refused / requests, 4) AS refused_share,
    sum(bad) AS failed,
    round(failed / requests, 4) AS failed_share,
    sum(their) AS client_errors,
    round(quantilesTDigestMerge(0.5, 0.95, 0.99)(took)[2] / 1000, 3) AS p95_ms,
    argMax(hour, no + bad) AS worst_hour
FROM
(
    SELECT
        h.route AS route,
        toStartOfHour(bucket) AS hour,
        sum(h.requests) AS n,
        sumIf(h.requests, decision != 'permit') AS no,
        sumIf(h.requests, status_class = 5) AS bad,
        sumIf(h.requests, status_class = 4) AS their,
        quantilesTDigestMergeState(0.5, 0.95, 0.99)(duration_us) AS took
    FROM requests_1h AS h
    WHERE tenant = {tenant:String} AND bucket >= toStartOfHour(now()) - toIntervalHour({hours:UInt32})
    GROUP BY route, hour
)
GROUP BY route
HAVING requests >= {requests:UInt32}
ORDER BY refused_share + failed_share DESC, route
