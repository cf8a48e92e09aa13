package store_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/analyzer/store"
)

// put runs statements in the test's database; @ stands before its tables.
func (r *rig) put(statements ...string) {
	r.t.Helper()
	for _, s := range statements {
		r.ask(s)
	}
}

// migrate makes the tables before anything is stored.
func (r *rig) migrate() {
	r.t.Helper()
	_, err := store.Migrate(r.t.Context(), r.config)
	if err != nil {
		r.t.Fatal(err)
	}
}

// campaign are n verdicts about addresses of one program, each with its event; from
// is the number of the first.
func campaign(ja4 string, network, from, n int) []string {
	return []string{
		fmt.Sprintf(`INSERT INTO @requests (tenant, time, kind, id, phase, address, asn, ja4, route, status, decision, auth_outcome, account, ingested_at)
SELECT 'default', now64(6) - 10 + number, 'request', concat('e-%[1]s-', toString(number)), 'complete', concat('%[2]d.0.', toString(number), '.9'), %[2]d000 + number, '%[1]s', 'login', 401, 'permit', 'failure', concat('acc', toString(number)), now64(3)
FROM numbers(%[3]d, %[4]d)`, ja4, network, from, n),
		fmt.Sprintf(`INSERT INTO @verdicts (tenant, time, id, epoch, seq, authority, target_kind, target_id, action, until, score, evidence_signal, evidence_nats, evidence_hard, cause_event_id, cause_event_time, origin, ingested_at)
SELECT 'default', time, concat('v-', id), 1, 1, 'subject', 'address', address, 'throttle', time + 3600, 7, ['net.tor', 'stuffing.accounts'], [1, 6], [false, false], id, time, 'model', now64(3)
FROM @requests WHERE ja4 = '%s' AND toUInt32(arrayElement(splitByChar('-', id), 3)) >= %d`, ja4, from),
	}
}

// ordinary are fifty people with one browser, so that something is known to be rare.
// Their device has a name that must be quoted.
const ordinary = `INSERT INTO @requests (tenant, time, kind, id, phase, device, subject, session, address, asn, ja4, route, status, decision, ingested_at)
SELECT 'default', now64(6) - 600, 'request', concat('o', toString(number)), 'complete', 'the \'kiosk\' \\ hall', concat('person', toString(number)), concat('s', toString(number)), '192.0.2.1', 3320, 'browser', 'web', 200, 'permit', now64(3)
FROM numbers(50)`

// Verdicts become incidents, each once, whatever stops when; people close one and it
// takes no more.
func TestIncidents(t *testing.T) {
	r := newRig(t)
	r.migrate()
	stop := r.start()
	r.put(ordinary)
	r.put(campaign("tool", 45, 0, 12)...)
	r.put(campaign("other", 77, 0, 5)...)
	// A person who is asked to prove himself, and a judgement about him that waits.
	r.put(`INSERT INTO @verdicts (tenant, time, id, epoch, seq, authority, target_kind, target_id, subject, action, until, score, evidence_signal, evidence_nats, evidence_hard, cause_event_id, cause_event_time, origin, ingested_at)
SELECT 'default', time, 'v-ann', 1, 1, 'subject', 'session', session, subject, 'step_up', time + 3600, 9, ['geo.travel'], [9], [false], id, time, 'model', now64(3) FROM @requests WHERE id = 'o7'`,
		// Its evidence first: a finding is taken as it is stored when it is old enough.
		`INSERT INTO @evidence (tenant, time, event_id, verdict_id, signal, nats, hard, ingested_at) SELECT 'default', now64(6), 'o8', 'v-held', 'token.stolen', 14, true, now64(3) - 35`,
		`INSERT INTO @assessments (tenant, time, event_id, subject, session, score, session_score, action, shadow, verdict_id, ingested_at)
SELECT 'default', time, 'o8', 'person7', 's7', 3, 14, 'revoke', false, 'v-held', now64(3) - 35 FROM @requests WHERE id = 'o8'`,
		// Neither what only watched nor what an operator says is an incident.
		`INSERT INTO @assessments (tenant, time, event_id, subject, session, action, shadow, verdict_id, ingested_at) SELECT 'default', now64(6), 'o9', 'person9', 's9', 'revoke', true, 'v-shadow', now64(3) - 35`,
		`INSERT INTO @verdicts (tenant, time, id, authority, target_kind, target_id, action, until, origin, ingested_at) SELECT 'default', now64(6), 'v-op', 'operator', 'session', 's3', 'revoke', now64(6) + 60, 'operator', now64(3)`)
	const rows = "SELECT severity, action, verdicts, waiting, length(addresses), length(sessions), ja4s, subjects FROM @incidents WHERE tenant = 'default' ORDER BY verdicts DESC, severity FORMAT CSV"
	want := func(tool, ann int) string {
		return strings.Join([]string{
			fmt.Sprintf(`"low","throttle",%d,0,%d,0,"['tool']","[]"`, tool, tool),
			`"low","throttle",5,0,5,0,"['other']","[]"`,
			fmt.Sprintf(`"critical","revoke",%d,1,1,1,"['browser']","['person7']"`, ann),
		}, "\n")
	}
	r.eventually(rows, want(12, 1))
	r.eventually("SELECT signals FROM @incidents WHERE has(ja4s, 'tool') FORMAT CSV", `"['net.tor','stuffing.accounts']"`)

	stop()
	r.put(campaign("tool", 45, 12, 3)...)
	stop = r.start()
	r.eventually(rows, want(15, 1))
	r.eventually("SELECT count(), uniqExact(verdict_id), max(ordinal) FROM @incident_findings FINAL", "22\t22\t22")

	r.put(`INSERT INTO @incident_words (tenant, time, incident_id, word, text, said_by, ingested_at) SELECT tenant, now64(6), id, 'close', 'blocked', 'ana', now64(3) FROM @incidents WHERE has(ja4s, 'tool')`,
		`INSERT INTO @incident_words (tenant, time, incident_id, word, text, said_by, ingested_at) SELECT tenant, now64(6), id, 'assign', 'ben', 'ana', now64(3) FROM @incidents WHERE has(ja4s, 'tool')`)
	r.put(campaign("tool", 45, 15, 2)...)
	r.eventually("SELECT state, owner, verdicts, arrayMap(n -> splitByChar(' ', n)[4], notes) FROM @incidents WHERE has(ja4s, 'tool') ORDER BY verdicts FORMAT CSV", `"open","",2,"[]"`+"\n"+`"closed","ben",15,"['blocked']"`)
	stop()
}

// Who is behind a target that many share is a member, 256 in the list and the others
// as a number.
func TestIncidentHasTheMembersBehindIt(t *testing.T) {
	r := newRig(t)
	r.migrate()
	r.start()
	r.put(ordinary, `INSERT INTO @requests (tenant, time, kind, id, phase, address, asn, ja4, route, status, decision, auth_outcome, account, ingested_at)
SELECT 'default', now64(6) - 300 + number / 10, 'request', concat('b', toString(number)), 'complete', concat('45.', toString(intDiv(number, 200)), '.', toString(number % 200), '.9'), 64500, 'tool', 'login', 401, 'permit', 'failure', concat('acc', toString(number)), now64(3)
FROM numbers(400)`, `INSERT INTO @verdicts (tenant, time, id, epoch, seq, authority, target_kind, target_id, action, until, score, evidence_signal, evidence_nats, evidence_hard, cause_event_id, cause_event_time, origin, ingested_at)
SELECT 'default', time, 'v-bot', 1, 1, 'facet', 'ja4', 'tool', 'block', time + 3600, 20, ['stuffing.botnet'], [20], [false], id, time, 'model', now64(3) FROM @requests WHERE id = 'b399'`)
	// The event's own address and account are members 257; it shows a prefix, a network,
	// a program and a route besides.
	r.eventually("SELECT verdicts, length(addresses), length(accounts), members, members_beyond FROM @incidents FORMAT CSV", "1,256,256,518,2")
}
