-- question: Which evidence weighed most lately?
-- param: tenant String = default  Whose evidence.
-- param: days UInt32 = 7  How far back from now.
-- column: signal  The signal.
-- column: signal_group  Its group.
-- column: technique  What it is a sign of, in MITRE ATT&CK or OWASP API terms.
-- column: events  Events with it.
-- column: subjects  Different subjects, estimated.
-- column: nats  All its nats.
-- column: mean_nats  Per event.
-- column: highest_nats  The most that it said of one event.
-- column: verdicts  Verdicts that one of these events tipped.
-- column: example  What it said when it said most.
SELECT
    signal,
    any(e.signal_group) AS signal_group,
    any(e.technique) AS technique,
    count() AS events,
    uniqCombined64(14)(subject) AS subjects,
    round(sum(e.nats), 3) AS nats,
    round(nats / events, 3) AS mean_nats,
    round(max(e.nats), 3) AS highest_nats,
    uniqExactIf(verdict_id, verdict_id != '') AS verdicts,
    argMax(text, e.nats) AS example
FROM evidence AS e
WHERE tenant = {tenant:String} AND time >= now() - toIntervalDay({days:UInt32})
GROUP BY signal
ORDER BY nats DESC, signal
