-- question: How long from the offending event to the end of a stream or the refusal of a request (only where an event is behind the verdict)?
-- param: tenant String = default  Whose cuts.
-- param: hours UInt32 = 24  How far back from now.
-- column: stream  What was cut; request for requests that were refused.
-- column: cuts  How many streams were cut, or requests refused.
-- column: p50_ms  Median from event to cut.
-- column: p95_ms  95th percentile.
-- column: p99_ms  99th percentile.
-- column: max_ms  The longest.
-- column: apply_p99_ms  99th percentile of the gateway's own part, from the verdict's arrival to the cut.
SELECT
    stream,
    count() AS cuts,
    round(quantileExact(0.5)(event_to_cut_us) / 1000, 3) AS p50_ms,
    round(quantileExact(0.95)(event_to_cut_us) / 1000, 3) AS p95_ms,
    round(quantileExact(0.99)(event_to_cut_us) / 1000, 3) AS p99_ms,
    round(max(event_to_cut_us) / 1000, 3) AS max_ms,
    round(quantileExact(0.99)(apply_us) / 1000, 3) AS apply_p99_ms
FROM (SELECT * FROM enforcements FINAL)
WHERE tenant = {tenant:String} AND time >= now() - toIntervalHour({hours:UInt32}) AND event_to_cut_us > 0
GROUP BY stream
ORDER BY cuts DESC, stream
