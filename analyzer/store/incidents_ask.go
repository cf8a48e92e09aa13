package store

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/vigil-gateway/vigil/analyzer/incident"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// named are parameters that the server binds.
func named(numbers map[string]int64) []any {
	args := make([]any, 0, len(numbers))
	for _, k := range slices.Sorted(maps.Keys(numbers)) {
		args = append(args, clickhouse.Named(k, strconv.FormatInt(numbers[k], 10)))
	}
	return args
}

// hexed is a list of texts as the value of a parameter of type String, and listed the
// SQL that makes a list of it again: a list of texts that hold quotes is not read in
// the same way by both protocols.
func hexed(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = hex.EncodeToString([]byte(s))
	}
	return strings.Join(out, ",")
}

func listed(parameter string) string {
	return "arrayMap(h -> unhex(h), splitByChar(',', {" + parameter + ":String}))"
}

// eventShown is what the event behind a candidate shows.
type eventShown struct {
	ID      string `ch:"id"`
	Session string `ch:"session"`
	Subject string `ch:"subject"`
	Address string `ch:"address"`
	ASN     uint32 `ch:"asn"`
	JA4     string `ch:"ja4"`
	Device  string `ch:"device"`
	Client  string `ch:"client_id"`
	Account string `ch:"account"`
	Route   string `ch:"route"`
}

// events looks up the events behind candidates.
func (g *incidents) events(ctx context.Context, tenant string, list []*candidate) error {
	ids := make([]string, 0, len(list))
	from, to := list[0].Time, list[0].Time
	for _, c := range list {
		ids = append(ids, c.EventID)
		if c.Time.Before(from) {
			from = c.Time
		}
		if c.Time.After(to) {
			to = c.Time
		}
	}
	rows := []eventShown{}
	err := g.store.conn.Select(ctx, &rows, `
SELECT id, session, subject, address, asn, ja4, device, client_id, account, toString(requests.route) AS route FROM requests
WHERE tenant = {tenant:String} AND time >= fromUnixTimestamp64Micro({from:Int64}) AND time <= fromUnixTimestamp64Micro({to:Int64}) AND id IN (`+listed("ids")+`)
LIMIT 1 BY id`, append(named(map[string]int64{"from": from.UnixMicro(), "to": to.UnixMicro()}),
		clickhouse.Named("tenant", tenant), clickhouse.Named("ids", hexed(ids)))...)
	if err != nil {
		return fmt.Errorf("look up the events of findings: %w", err)
	}
	byID := make(map[string]*eventShown, len(rows))
	for i := range rows {
		byID[rows[i].ID] = &rows[i]
	}
	for _, c := range list {
		c.event = byID[c.EventID]
	}
	return nil
}

// shownBySessions counts, of the people with a session lately, those who show one of
// the things; shownByRequests does so of what sessions do not keep, and of an hour.
func shownBySessions() string {
	return `
SELECT kind, id, uniq(subject) AS people FROM
(
    SELECT subject, arrayJoin(arrayConcat(
        [('', '')],
        arrayMap(a -> ('address', a), arrayFilter(a -> has(` + listed("address") + `, a), addresses)),
        arrayMap(p -> ('prefix', p), arrayFilter(p -> has(` + listed("prefix") + `, p), arrayMap(a ->
            if(isIPv4String(a), concat(IPv4CIDRToRange(toIPv4OrDefault(a), 24).1::String, '/24'), if(isIPv6String(a), concat(IPv6CIDRToRange(toIPv6OrDefault(a), 48).1::String, '/48'), '')), addresses))),
        arrayMap(d -> ('device', d), arrayFilter(d -> has(` + listed("device") + `, d), devices)),
        arrayMap(j -> ('ja4', j), arrayFilter(j -> has(` + listed("ja4") + `, j), ja4s))
    )) AS thing, thing.1 AS kind, thing.2 AS id
    FROM sessions WHERE tenant = {tenant:String} AND subject != '' AND last_seen >= now64(6) - toIntervalDay(1)
)
GROUP BY kind, id`
}

func shownByRequests() string {
	return `
SELECT kind, id, uniq(subject) AS people FROM
(
    SELECT subject, arrayJoin([('', ''), ('client', client_id), ('network', concat('AS', toString(asn)))]) AS thing, thing.1 AS kind, thing.2 AS id
    FROM requests
    WHERE tenant = {tenant:String} AND subject != '' AND decision = 'permit' AND time >= now64(6) - toIntervalHour(1)
)
WHERE kind = '' OR kind = 'client' AND has(` + listed("client") + `, id) OR kind = 'network' AND has(` + listed("network") + `, id)
GROUP BY kind, id`
}

// shares fills in how many of the tenant's people show what the findings show.
func (g *incidents) shares(ctx context.Context, tenant string, found []incident.Finding) error {
	shown := make(map[string][]string)
	for i := range found {
		for _, s := range found[i].Shown {
			if !slices.Contains(shown[s.Kind], s.ID) {
				shown[s.Kind] = append(shown[s.Kind], s.ID)
			}
		}
	}
	people := make(map[incident.Thing]uint64) // Under ("", "sessions") and ("", "requests"), all.
	for source, question := range map[string]string{"sessions": shownBySessions(), "requests": shownByRequests()} {
		rows := []struct {
			Kind   string `ch:"kind"`
			ID     string `ch:"id"`
			People uint64 `ch:"people"`
		}{}
		args := []any{clickhouse.Named("tenant", tenant)}
		for _, kind := range []string{verdict.TargetAddress, verdict.TargetPrefix, verdict.TargetDevice, verdict.TargetJA4, verdict.TargetClient, incident.KindNetwork} {
			if strings.Contains(question, "{"+kind+":") {
				args = append(args, clickhouse.Named(kind, hexed(shown[kind])))
			}
		}
		err := g.store.conn.Select(ctx, &rows, question, args...)
		if err != nil {
			return fmt.Errorf("count who shows the same by %s: %w", source, err)
		}
		for _, r := range rows {
			if r.Kind == "" {
				r.ID = source
			}
			people[incident.Thing{Kind: r.Kind, ID: r.ID}] += r.People
		}
	}
	for i := range found {
		for j := range found[i].Shown {
			s := &found[i].Shown[j]
			source := "sessions"
			if s.Kind == verdict.TargetClient || s.Kind == incident.KindNetwork {
				source = "requests"
			}
			s.Share = incident.Share(people[s.Thing], people[incident.Thing{ID: source}])
		}
	}
	return nil
}

// usual fills in how often the findings' signals come when nothing is under way: in
// the week that ended before the first of them could have to do with it.
func (g *incidents) usual(ctx context.Context, tenant string, found []incident.Finding) error {
	first := found[0].Time
	for i := range found {
		if found[i].Time.Before(first) {
			first = found[i].Time
		}
	}
	rows := []struct {
		Signal   string `ch:"signal"`
		Verdicts uint64 `ch:"verdicts"`
	}{}
	err := g.store.conn.Select(ctx, &rows, `
SELECT toString(arrayElement(f.signals, 1)) AS signal, count() AS verdicts FROM (SELECT * FROM incident_findings FINAL) AS f
WHERE f.tenant = {tenant:String} AND notEmpty(f.signals) AND f.time < fromUnixTimestamp64Micro({before:Int64}) AND f.time >= fromUnixTimestamp64Micro({before:Int64}) - toIntervalHour({hours:UInt32})
GROUP BY signal`, append(named(map[string]int64{"before": first.Add(-incident.Quiet).UnixMicro(), "hours": usualHours}), clickhouse.Named("tenant", tenant))...)
	if err != nil {
		return fmt.Errorf("count what is usual: %w", err)
	}
	counts := make(map[string]uint64, len(rows))
	for _, r := range rows {
		counts[r.Signal] = r.Verdicts
	}
	for i := range found {
		if len(found[i].Signals) > 0 {
			found[i].Usual = float64(counts[found[i].Signals[0]]+1) / usualHours
		}
	}
	return nil
}

// behindTarget says which requests a target that many share was blamed for.
var behindTarget = map[string]string{ //nolint:gochecknoglobals // A constant: Go has no constant maps.
	verdict.TargetPrefix:  "(isIPv4String(address) OR isIPv6String(address)) AND isIPAddressInRange(address, {id:String})",
	verdict.TargetJA4:     "ja4 = {id:String}",
	incident.KindProgram:  "concat(ja4, '@AS', toString(asn)) = {id:String}",
	verdict.TargetDevice:  "device = {id:String}",
	verdict.TargetClient:  "client_id = {id:String}",
	verdict.TargetAccount: "account = {id:String}",
	verdict.TargetRoute:   "route = {id:String}",
}

// behind fills in the addresses, and accounts, from which what a shared target is
// blamed for came in the hour up to the finding.
func (g *incidents) behind(ctx context.Context, f *incident.Finding) error {
	which := behindTarget[f.Target.Kind]
	if which == "" {
		return nil
	}
	rows := []struct {
		Kind string `ch:"kind"`
		ID   string `ch:"id"`
	}{}
	err := g.store.conn.Select(ctx, &rows, `
SELECT thing.1 AS kind, thing.2 AS id FROM
(
    SELECT arrayJoin([('address', address), ('account', account)]) AS thing
    FROM requests
    WHERE tenant = {tenant:String} AND time > fromUnixTimestamp64Micro({from:Int64}) AND time <= fromUnixTimestamp64Micro({to:Int64})
        AND (status >= 400 OR auth_outcome IN ('failure', 'mfa_failure') OR decision != 'permit') AND `+which+`
)
WHERE id != ''
GROUP BY thing ORDER BY kind, id LIMIT {most:UInt64} BY kind`,
		append(named(map[string]int64{"from": f.Time.Add(-behindFor).UnixMicro(), "to": f.Time.UnixMicro(), "most": incident.MembersMax}),
			clickhouse.Named("tenant", f.Tenant), clickhouse.Named("id", f.Target.ID))...)
	if err != nil {
		return fmt.Errorf("look for who is behind a target: %w", err)
	}
	for _, r := range rows {
		f.Behind = append(f.Behind, incident.Thing{Kind: r.Kind, ID: r.ID})
	}
	return nil
}
