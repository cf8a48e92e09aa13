-- question: Which incidents are open?
-- param: tenant String = default  Whose incidents.
-- param: days UInt32 = 30  How far back from now, by what was last found.
-- param: closed UInt8 = 0  1 shows the closed ones, too.
-- column: id  The incident.
-- column: state  open, acknowledged or closed.
-- column: owner  Who has taken it.
-- column: severity  low, medium, high or critical, by the strongest action, how many targets it took, and whether there is proof.
-- column: action  The strongest action that was asked for.
-- column: first_seen  When it began.
-- column: last_seen  When something was last found.
-- column: verdicts  Verdicts that went out.
-- column: waiting  Judgements that did not go out: they wait for a person, or a stronger verdict stood.
-- column: members  Sessions, subjects, addresses and other things that are part of it.
-- column: addresses  Of them, addresses, 256 at most.
-- column: subjects  Of them, subjects, 256 at most.
-- column: signals  What was noticed.
SELECT
    id,
    state,
    owner,
    severity,
    action,
    first_seen,
    last_seen,
    verdicts,
    waiting,
    members,
    addresses,
    subjects,
    signals
FROM incidents
WHERE tenant = {tenant:String} AND last_seen >= now() - toIntervalDay({days:UInt32}) AND (state != 'closed' OR {closed:UInt8} = 1)
ORDER BY indexOf(['critical', 'high', 'medium', 'low'], severity), last_seen DESC, id
