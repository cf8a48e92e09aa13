-- question: What belongs to an incident?
-- param: tenant String = default  Whose incident.
-- param: id String  The incident; one that was merged into another shows that.
-- column: time  When it was found, or said.
-- column: what  verdict, waiting (a judgement that did not go out) or word.
-- column: verdict_id  The verdict; "why" explains it.
-- column: action  What it asks for, or the word.
-- column: target  What it touches.
-- column: score  In nats.
-- column: signals  What was noticed, strongest first.
-- column: shown  What the event that tipped it shows.
-- column: behind  Who else is behind a target that many share, 256 at most.
-- column: text  What was said, and by whom.
WITH
    (SELECT argMax(incident_id, ordinal) FROM incident_findings ARRAY JOIN merges AS merge WHERE tenant = {tenant:String} AND merge = {id:String}) AS into_id,
    if(into_id = '', {id:String}, into_id) AS root,
    (SELECT groupUniqArrayArray(merges) FROM incident_findings WHERE tenant = {tenant:String} AND incident_id = root) AS merged
SELECT * FROM
(
    SELECT
        f.time AS time,
        if(f.announced, 'verdict', 'waiting') AS what,
        f.verdict_id AS verdict_id,
        CAST(f.action, 'String') AS action,
        concat(f.target_kind, ' ', f.target_id) AS target,
        round(f.score, 3) AS score,
        CAST(f.signals, 'Array(String)') AS signals,
        arrayMap((k, i) -> concat(k, ' ', i), CAST(f.shown_kind, 'Array(String)'), f.shown_id) AS shown,
        arrayMap((k, i) -> concat(k, ' ', i), CAST(f.behind_kind, 'Array(String)'), f.behind_id) AS behind,
        '' AS text
    FROM (SELECT * FROM incident_findings FINAL WHERE tenant = {tenant:String}) AS f
    WHERE f.incident_id = root OR has(merged, f.incident_id)
    UNION ALL
    SELECT
        w.time, 'word', '', CAST(w.word, 'String'), '', 0, [], [], [], concat(w.said_by, if(w.text = '', '', ': '), w.text)
    FROM incident_words AS w
    WHERE w.tenant = {tenant:String} AND (w.incident_id = root OR has(merged, w.incident_id))
)
ORDER BY time, verdict_id
