-- question: Who is shut out now, and until when?
-- param: tenant String = default  Whose verdicts.
-- column: target  What is shut out.
-- column: subject  Whose session or token that is.
-- column: authority  Who judged.
-- column: action  What holds.
-- column: since  Since when.
-- column: until  Until when, unless it is renewed or restored.
-- column: score  The suspicion that tipped it, in nats.
-- column: top  The heaviest piece of evidence.
-- column: text  In words.
-- column: cut  Requests and streams that it ended or refused.
-- column: verdict_id  The verdict.
-- column: support_code  What the client was shown.
SELECT
    concat(v.target_kind, ' ', v.target_id) AS target,
    v.subject AS subject,
    v.authority AS authority,
    v.action AS action,
    v.time AS since,
    v.until AS until,
    round(v.score, 3) AS score,
    arraySort((s, n) -> -n, v.evidence_signal, v.evidence_nats)[1] AS top,
    arraySort((s, n) -> -n, v.evidence_text, v.evidence_nats)[1] AS text,
    e.cut AS cut,
    v.id AS verdict_id,
    v.support_code AS support_code
FROM
(
    SELECT *
    FROM (SELECT * FROM verdicts FINAL WHERE tenant = {tenant:String})
    ORDER BY epoch DESC, seq DESC
    LIMIT 1 BY target_kind, target_id, authority
) AS v
LEFT JOIN
(
    SELECT verdict_id, count() AS cut FROM (SELECT * FROM enforcements FINAL WHERE tenant = {tenant:String}) GROUP BY verdict_id
) AS e ON e.verdict_id = v.id
WHERE v.until > now64(6) AND v.action NOT IN ('', 'observe') AND (v.target_kind, v.target_id, v.authority, v.epoch, v.seq) NOT IN
(
    SELECT l.target_kind, l.target_id, l.authority, l.epoch, l.seq
    FROM verdicts AS l
    INNER JOIN
    (
        SELECT target_kind, target_id, cleared, max((to_epoch, to_seq)) AS up_to
        FROM verdicts
        ARRAY JOIN clears_authority AS cleared, clears_epoch AS to_epoch, clears_seq AS to_seq
        WHERE tenant = {tenant:String}
        GROUP BY target_kind, target_id, cleared
    ) AS c ON l.target_kind = c.target_kind AND l.target_id = c.target_id AND l.authority = c.cleared
    WHERE l.tenant = {tenant:String} AND (l.epoch, l.seq) <= c.up_to
)
ORDER BY since DESC, verdict_id
