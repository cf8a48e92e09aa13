-- question: What did a subject do, newest first?
-- param: tenant String = default  Whose subject.
-- param: subject String  The subject's pseudonym.
-- param: hours UInt32 = 24  How far back from now.
-- param: limit UInt32 = 200  At most so many events.
-- column: time  When.
-- column: kind  request or session.
-- column: method  The method.
-- column: path  The path.
-- column: status  The status.
-- column: decision  What the gateway did.
-- column: reason  Why.
-- column: address  From where.
-- column: country  In which country.
-- column: session  In which session.
-- column: score  The event's score in nats.
-- column: session_score  The session's suspicion after it, in nats.
-- column: action  What the judge asked for.
-- column: event_id  The event.
SELECT
    r.time AS time,
    r.kind AS kind,
    r.method AS method,
    r.path AS path,
    r.status AS status,
    r.decision AS decision,
    r.reason AS reason,
    r.address AS address,
    r.country AS country,
    r.session AS session,
    round(a.score, 3) AS score,
    round(a.session_score, 3) AS session_score,
    a.action AS action,
    r.id AS event_id
FROM
(
    SELECT *, path FROM requests
    WHERE tenant = {tenant:String} AND subject = {subject:String} AND time >= now() - toIntervalHour({hours:UInt32})
    ORDER BY time DESC LIMIT {limit:UInt32}
) AS r
LEFT ANY JOIN
(
    SELECT event_id, score, session_score, action FROM assessments
    WHERE tenant = {tenant:String} AND subject = {subject:String} AND time >= now() - toIntervalHour({hours:UInt32} + 1)
) AS a ON a.event_id = r.id
ORDER BY time DESC, event_id
