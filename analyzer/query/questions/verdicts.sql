-- question: Which verdicts were given, and what did they cut?
-- param: tenant String = default  Whose verdicts.
-- param: hours UInt32 = 24  How far back from now.
-- param: limit UInt32 = 100  At most so many, the newest.
-- column: time  When.
-- column: verdict_id  The verdict.
-- column: action  What it asks for.
-- column: target  What it touches.
-- column: subject  Whose session or token that is.
-- column: authority  Who judged.
-- column: score  The score that tipped it, in nats.
-- column: top  The heaviest piece of evidence.
-- column: text  In words.
-- column: cut  Requests and streams that it ended or refused.
-- column: fastest_ms  From the event to the first cut; empty where no event caused it or nothing open was cut.
-- column: until  How long it holds.
-- column: support_code  What the client was shown.
SELECT
    v.time AS time,
    v.id AS verdict_id,
    v.action AS action,
    concat(v.target_kind, ' ', v.target_id) AS target,
    v.subject AS subject,
    v.authority AS authority,
    round(v.score, 3) AS score,
    arraySort((s, n) -> -n, v.evidence_signal, v.evidence_nats)[1] AS top,
    arraySort((s, n) -> -n, v.evidence_text, v.evidence_nats)[1] AS text,
    e.cut AS cut,
    e.fastest_ms AS fastest_ms,
    v.until AS until,
    v.support_code AS support_code
FROM
(
    SELECT * FROM verdicts FINAL
    WHERE tenant = {tenant:String} AND time >= now() - toIntervalHour({hours:UInt32})
    ORDER BY time DESC LIMIT {limit:UInt32}
) AS v
LEFT JOIN
(
    SELECT verdict_id, count() AS cut, round(minOrNullIf(event_to_cut_us, event_to_cut_us > 0) / 1000, 3) AS fastest_ms
    FROM (SELECT * FROM enforcements FINAL WHERE tenant = {tenant:String})
    GROUP BY verdict_id
) AS e ON e.verdict_id = v.id
ORDER BY time DESC, verdict_id
