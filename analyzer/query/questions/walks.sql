-- question: Who walks over the ids of one path template?
-- param: tenant String = default  Whose requests.
-- param: hours UInt32 = 24  How far back from now.
-- param: resources UInt32 = 20  Walks over fewer ids are left out.
-- column: subject  Who; empty for anonymous.
-- column: session  In which session.
-- column: template  The path template.
-- column: resources  Different ids.
-- column: requests  Requests.
-- column: refused_share  Share that was refused: status 401, 403, 404 and 429.
-- column: per_minute  New ids per minute.
-- column: addresses  From how many addresses.
-- column: first_seen  When it began.
-- column: last_seen  When it was last seen.
SELECT
    subject,
    session,
    template,
    uniqExact(cityHash64(resource)) AS resources,
    count() AS requests,
    round(countIf(status IN (401, 403, 404, 429)) / requests, 3) AS refused_share,
    round(resources / greatest(1, dateDiff('second', min(time), max(time)) / 60), 2) AS per_minute,
    uniqExact(cityHash64(address)) AS addresses,
    min(time) AS first_seen,
    max(time) AS last_seen
FROM requests
WHERE tenant = {tenant:String} AND time >= now() - toIntervalHour({hours:UInt32}) AND kind = 'request' AND resource != ''
GROUP BY subject, session, template
HAVING resources >= {resources:UInt32}
ORDER BY resources DESC, subject, session, template
