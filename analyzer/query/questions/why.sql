-- question: Why was a session cut, or a request refused with a support code?
-- param: tenant String = default  Whose session.
-- param: session String = ''  The session's pseudonym; or a subject, a token or another target.
-- param: code String = ''  The support code that the client was shown.
-- param: verdict String = ''  The verdict's id.
-- column: time  When the verdict was given.
-- column: verdict_id  The verdict.
-- column: action  What it asks for.
-- column: target  What it touches.
-- column: score  The score that tipped it, in nats.
-- column: signal  What was noticed.
-- column: nats  How much that weighed; the signals of an event sum to its score.
-- column: text  In words.
-- column: hard  Whether it is a cryptographic fact.
-- column: technique  MITRE ATT&CK technique or OWASP API risk.
-- column: event_id  The event that tipped it.
-- column: until  How long it holds.
-- column: authority  Who judged.
-- column: model  Under which model.
SELECT
    v.time AS time,
    v.id AS verdict_id,
    v.action AS action,
    concat(v.target_kind, ' ', v.target_id) AS target,
    round(v.score, 3) AS score,
    signal,
    round(nats, 3) AS nats,
    text,
    hard,
    technique,
    v.cause_event_id AS event_id,
    v.until AS until,
    v.authority AS authority,
    v.model AS model
FROM
(
    SELECT * FROM verdicts FINAL
    WHERE tenant = {tenant:String} AND
    (
        ({verdict:String} != '' AND id = {verdict:String})
        OR ({session:String} != '' AND target_id = {session:String})
        OR ({code:String} != '' AND
        (
            support_code = {code:String}
            OR id IN (SELECT verdict_id FROM enforcements WHERE tenant = {tenant:String} AND support_code = {code:String})
            OR target_id IN (SELECT session FROM requests WHERE tenant = {tenant:String} AND support_code = {code:String} AND session != '')
        ))
    )
    ORDER BY time DESC LIMIT 50
) AS v
LEFT ARRAY JOIN
    evidence_signal AS signal, evidence_nats AS nats, evidence_text AS text,
    evidence_hard AS hard, evidence_technique AS technique
ORDER BY time DESC, verdict_id, nats DESC, signal
