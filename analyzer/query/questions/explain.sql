-- question: What happened to the client who was shown this support code?
-- param: tenant String = default  Whose client.
-- param: code String  The support code, such as VG-ABCD-1234.
-- column: what  request, enforcement or verdict.
-- column: time  When.
-- column: id  The event, enforcement or verdict.
-- column: verdict_id  The verdict behind it, if any.
-- column: action  The decision, or the verdict's action.
-- column: reason  The gateway's reason, or the operator's text.
-- column: public_text  What the client may be told.
-- column: subject  Who.
-- column: session  In which session, or what the verdict touches.
-- column: route  On which route.
-- column: address  From where.
-- column: until  How long it holds.
SELECT * FROM
(
    SELECT 'request' AS what, time, id, '' AS verdict_id, toString(decision) AS action, toString(reason) AS reason,
        '' AS public_text, subject, session, toString(route) AS route, address, toDateTime64(0, 6, 'UTC') AS until
    FROM requests
    WHERE tenant = {tenant:String} AND support_code = {code:String}
    UNION ALL
    SELECT 'enforcement', time, id, verdict_id, toString(action), toString(stream),
        '', subject, session, toString(route), '', toDateTime64(0, 6, 'UTC')
    FROM (SELECT * FROM enforcements FINAL)
    WHERE tenant = {tenant:String} AND support_code = {code:String}
    UNION ALL
    SELECT 'verdict', time, id, id, toString(action), operator_text,
        public_text, subject, target_id, '', '', until
    FROM (SELECT * FROM verdicts FINAL)
    WHERE tenant = {tenant:String} AND
    (
        support_code = {code:String}
        OR id IN (SELECT verdict_id FROM enforcements WHERE tenant = {tenant:String} AND support_code = {code:String})
    )
)
ORDER BY time, what, id
LIMIT 200
