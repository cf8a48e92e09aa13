-- question: Which sessions are used from many places or by many programs?
-- param: tenant String = default  Whose sessions.
-- param: hours UInt32 = 24  How far back from now.
-- param: places UInt32 = 3  Sessions with fewer addresses and fewer JA4 fingerprints are left out.
-- column: subject  Who.
-- column: session  In which session.
-- column: addresses  From how many addresses, at most 32 are told apart.
-- column: countries  In which countries.
-- column: devices  On how many devices, at most 32 are told apart.
-- column: ja4s  With how many TLS fingerprints, at most 16 are told apart.
-- column: user_agents  With how many user agents, at most 16 are told apart.
-- column: requests  Requests.
-- column: first_seen  When it began.
-- column: last_seen  When it was last seen.
SELECT
    subject,
    session,
    length(groupUniqArrayArray(32)(s.addresses)) AS addresses,
    arraySort(groupUniqArrayArray(32)(s.countries)) AS countries,
    length(groupUniqArrayArray(32)(s.devices)) AS devices,
    length(groupUniqArrayArray(16)(s.ja4s)) AS ja4s,
    length(groupUniqArrayArray(16)(s.user_agents)) AS user_agents,
    sum(s.requests) AS requests,
    min(s.first_seen) AS first_seen,
    max(s.last_seen) AS last_seen
FROM sessions AS s
WHERE tenant = {tenant:String} AND session IN
(
    -- The lists of one session's rows may overlap: together they are at least as long as what they hold.
    SELECT session
    FROM sessions
    WHERE tenant = {tenant:String}
    GROUP BY session
    HAVING max(last_seen) >= now() - toIntervalHour({hours:UInt32}) AND greatest(sum(length(addresses)), sum(length(ja4s))) >= {places:UInt32}
)
GROUP BY subject, session
HAVING greatest(addresses, ja4s) >= {places:UInt32}
ORDER BY length(countries) DESC, greatest(addresses, ja4s) DESC, subject, session
