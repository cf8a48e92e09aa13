-- question: Which addresses try many accounts?
-- param: tenant String = default  Whose sign-ins.
-- param: hours UInt32 = 24  How far back from now.
-- param: accounts UInt32 = 5  Addresses with fewer accounts are left out.
-- column: address  From where.
-- column: country  In which country.
-- column: as_org  In whose network.
-- column: accounts  Different accounts that were tried.
-- column: tries  Sign-ins.
-- column: failures  Of them, those that failed.
-- column: successes  Of them, those that succeeded: look at these first.
-- column: failure_share  Failures over tries.
-- column: first_seen  When it began.
-- column: last_seen  When it was last seen.
SELECT
    address,
    anyLast(r.country) AS country,
    anyLast(r.as_org) AS as_org,
    uniqExactIf(account, account != '') AS accounts,
    count() AS tries,
    countIf(auth_outcome IN ('failure', 'mfa_failure')) AS failures,
    countIf(auth_outcome = 'success') AS successes,
    round(failures / tries, 3) AS failure_share,
    min(time) AS first_seen,
    max(time) AS last_seen
FROM requests AS r
WHERE tenant = {tenant:String} AND time >= now() - toIntervalHour({hours:UInt32}) AND auth_outcome IN ('success', 'failure', 'mfa_failure')
GROUP BY address
HAVING accounts >= {accounts:UInt32}
ORDER BY failures DESC, address
