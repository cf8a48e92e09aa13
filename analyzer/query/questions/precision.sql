-- question: How often was each model right, as far as people have said?
-- param: tenant String = default  Whose verdicts.
-- param: days UInt32 = 30  How far back from now.
-- column: model  Digest of the model file.
-- column: action  What was asked for.
-- column: verdicts  Verdicts of the model.
-- column: confirmed  Of them, those that somebody has confirmed.
-- column: false_alarms  Of them, those that somebody has called a false alarm.
-- column: unlabelled  Of them, those that nobody has said anything about.
-- column: precision  Confirmed over all that were labelled; empty where none was.
-- column: at_least  Lower bound of the precision at 95 % (Wilson 1927); empty where none was labelled.
WITH 1.96 AS z, confirmed + false_alarms AS n
SELECT
    model,
    action,
    count() AS verdicts,
    countIf(label = 'confirmed') AS confirmed,
    countIf(label = 'false_alarm') AS false_alarms,
    verdicts - confirmed - false_alarms AS unlabelled,
    round(if(n = 0, NULL, confirmed / n), 3) AS precision,
    round(if(n = 0, NULL, (precision + z * z / (2 * n) - z * sqrt(precision * (1 - precision) / n + z * z / (4 * n * n))) / (1 + z * z / n)), 3) AS at_least
FROM (SELECT * FROM verdicts FINAL WHERE tenant = {tenant:String} AND time >= now() - toIntervalDay({days:UInt32}) AND origin = 'model') AS v
LEFT JOIN (SELECT verdict_id, argMax(label, time) AS label FROM labels WHERE tenant = {tenant:String} GROUP BY verdict_id) AS l ON l.verdict_id = v.id
GROUP BY model, action
ORDER BY model, action
