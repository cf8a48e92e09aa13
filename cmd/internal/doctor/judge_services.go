package doctor

import (
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/gateway/emit"
	schema "github.com/vigil-gateway/vigil/schemas/clickhouse"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

func clickHouseReached(f Facts, r *report) {
	c := f.ClickHouse
	switch {
	case !c.Configured:
	case c.Err != nil:
		r.red("the text says what is in the way; events wait in Kafka meanwhile and nothing is lost within its retention", "%s: %v", c.Address, c.Err)
	case !c.Secure && !c.Loopback:
		r.yellow("set store.tls.ca_file and use the TLS port", "ClickHouse at %s is spoken to in plain text", c.Address)
	default:
		r.green("%s answers %s", c.Address, orDefault(c.User))
	}
}

func orDefault(user string) string {
	if user == "" {
		return "the user default"
	}
	return user
}

func schemaThere(f Facts, r *report) {
	switch {
	case !f.ClickHouse.Configured || f.ClickHouse.Err != nil:
	case f.ClickHouse.Schema != nil && !errors.Is(f.ClickHouse.Schema, schema.ErrDrift) && !errors.Is(f.ClickHouse.Schema, schema.ErrChanged):
		r.yellow("name a user that may read the tables, such as the analyst's: --clickhouse and --clickhouse-user", "tables cannot be seen: %s", first(f.ClickHouse.Schema))
	case f.ClickHouse.Schema != nil:
		r.red("run \"vigil migrate plan\", then \"vigil migrate up\"", "tables are not as they have to be: %s", first(f.ClickHouse.Schema))
	default:
		r.green("every migration is applied and every column is there")
	}
}

// wide are rights that no user of Vigil needs on everything.
func wide() []string {
	return []string{"ALL", "CREATE USER", "ALTER USER", "DROP", "TRUNCATE", "ACCESS MANAGEMENT", "SYSTEM", "FILE", "URL", "REMOTE"}
}

func clickHouseRights(f Facts, r *report) {
	c := f.ClickHouse
	if !c.Configured || c.Err != nil {
		return
	}
	if c.Loopback {
		r.green("%s may do everything, on this machine alone", orDefault(c.User))
		return
	}
	if c.RightsErr != nil {
		r.yellow("let the user see its own grants", "what %s may do is not known: %v", orDefault(c.User), c.RightsErr)
		return
	}
	for _, grant := range c.Grants {
		rights, where, ok := strings.Cut(strings.TrimPrefix(grant, "GRANT "), " ON ")
		if !ok || !strings.HasPrefix(where, "*.*") {
			continue
		}
		for right := range strings.SplitSeq(rights, ",") {
			for _, w := range wide() {
				if strings.HasPrefix(strings.TrimSpace(right), w) {
					r.red("use a user of its own with the rights in deploy/clickhouse/users.sql", "%s may %s on everything", orDefault(c.User), strings.TrimSpace(right))
					return
				}
			}
		}
	}
	r.green("%s has no right on everything", orDefault(c.User))
}

func archive(f Facts, r *report) {
	c := f.ClickHouse
	switch {
	case !c.Configured || c.Err != nil || !c.Archives:
	case c.ArchiveErr != nil:
		r.yellow("see that the user has role vigil_archive_role of deploy/clickhouse/users.sql", "whether snapshots can be archived is not known: %s", first(c.ArchiveErr))
	case len(c.ArchiveLacks) > 0:
		r.red("give the user role vigil_archive_role of deploy/clickhouse/users.sql: an analyzer whose disk is lost has no snapshot else",
			"snapshots cannot be archived: %s may not %s on table snapshots", orDefault(c.User), strings.Join(c.ArchiveLacks, ", "))
	default:
		r.green("snapshots can be archived")
	}
}

func clickHouseDisk(f Facts, r *report) {
	c := f.ClickHouse
	switch {
	case !c.Configured || c.Err != nil:
	case c.DiskErr != nil:
		r.yellow("GRANT SELECT ON system.disks to the doctor's user", "the room on ClickHouse's disks is not known: %s", first(c.DiskErr))
	default:
		r.room("ClickHouse", c.Free, c.Total, "make room or shorten the tables' TTL: events wait in Kafka only as long as its retention")
		r.green("ClickHouse has %d GiB of room", c.Free>>30)
	}
}

func gatewaysReady(f Facts, r *report) {
	for _, g := range f.Gateways {
		switch {
		case g.Err != nil:
			r.red("start it, or correct --gateway-admin", "%s: %v", g.URL, g.Err)
		case g.Status == "degraded":
			r.yellow("see to what it lacks", "%s is degraded: %s", g.ID, strings.Join(g.Missing, "; "))
		case g.Status != "ready":
			r.red("wait, then look at its log: it serves only public routes", "%s is %s", g.ID, g.Status)
		}
	}
	if len(f.Gateways) > 0 {
		r.green("%d gateways are ready", len(f.Gateways))
	}
}

// A lane is stale for a gateway after these; by default postures count after a minute.
const (
	silentYellow = 5 * time.Second
	silentRed    = time.Minute
)

func verdictFeed(f Facts, r *report) {
	seen := 0
	for _, g := range f.Gateways {
		if g.Err != nil {
			continue
		}
		seen++
		switch {
		case g.Silent > silentRed:
			r.red("look at the analyzers and at the way from them to Kafka: routes are at their posture", "%s has heard nothing new of verdicts for %s", g.ID, g.Silent.Round(time.Second))
		case g.Silent > silentYellow:
			r.yellow("look at the analyzers' lag", "%s has heard nothing new of verdicts for %s", g.ID, g.Silent.Round(time.Second))
		case g.FacetSilent > silentRed:
			r.red("look at the analyzers that run the facet stage: what a subject, client or network does as a whole is not judged", "%s has heard nothing of the facet stage for %s", g.ID, g.FacetSilent.Round(time.Second))
		case g.FacetSilent > silentYellow:
			r.yellow("look at the facet stage's lag", "%s has heard nothing of the facet stage for %s", g.ID, g.FacetSilent.Round(time.Second))
		}
	}
	if seen > 0 {
		r.green("every gateway hears the analyzers")
	}
}

func eventsLeave(f Facts, r *report) {
	seen := 0
	for _, g := range f.Gateways {
		if g.Err != nil {
			continue
		}
		seen++
		dropped := maps.Clone(g.Dropped)
		delete(dropped, emit.ReasonSummarised) // A flood that is told of in part is as it should be.
		if lost := counted(dropped); lost != "" {
			r.yellow("look at Kafka and at the gateway's emit.queue_…: these requests are counted, but not seen", "%s has dropped events since its start: %s", g.ID, lost)
		}
		if g.Limit > 0 && g.Queued > g.Limit/2 {
			r.red("look at Kafka: soon events will be dropped and counted", "%s has %d of at most %d events waiting", g.ID, g.Queued, g.Limit)
		}
	}
	if seen > 0 {
		r.green("events leave every gateway")
	}
}

func refusedVerdicts(f Facts, r *report) {
	seen := 0
	for _, g := range f.Gateways {
		if g.Err != nil {
			continue
		}
		seen++
		forged := make(map[string]uint64)
		for _, reason := range []string{"unsigned", "wrong_signature", "unknown_key", "wrong_authority", "broken_batch"} {
			forged[reason] = g.Refused[reason]
		}
		if what := counted(forged); what != "" {
			r.red("find out who wrote them: take Write on vigil.verdicts from everybody but analyzers; after a change of keys give every gateway the new key set", "%s has refused verdicts: %s", g.ID, what)
		}
	}
	if seen > 0 {
		r.green("no gateway was shown a verdict that nobody may believe")
	}
}

func analyzersReady(f Facts, r *report) {
	for _, a := range f.Analyzers {
		switch {
		case a.Err != nil:
			r.red("start it, or correct --analyzer-admin", "%s: %v", a.URL, a.Err)
		case a.Status != "ready":
			r.red("wait, then look at its log: nothing is judged in its partitions", "%s is %s", a.URL, a.Status)
		case a.ClickHouse == "down":
			r.yellow("look at ClickHouse: scoring goes on, rows wait", "%s cannot store", a.URL)
		case a.Lag > lagYellow:
			r.yellow("add analyzers, up to the partitions of vigil.requests", "%s has %d records to score", a.URL, a.Lag)
		}
	}
	if len(f.Analyzers) > 0 {
		r.green("%d analyzers do their share", len(f.Analyzers))
	}
}

// copyOld is from which age on a copy says that nobody archives any more: gateways
// tick, so that no partition of vigil.requests is ever idle.
const copyOld = 30 * time.Minute

func standbys(f Facts, r *report) {
	n := 0
	for _, a := range f.Analyzers {
		behind, oldest := 0, time.Duration(0)
		for _, c := range a.Copies {
			switch {
			case !c.Current:
				behind++
			case c.Topic == topic.Requests:
				oldest = max(oldest, f.Now.Sub(c.Saved))
			}
		}
		n += len(a.Copies)
		if behind > 0 {
			r.red("look at its log, at the room in state.dir and at standby.bytes_max: whoever takes over reads what is lacking from ClickHouse, or scores it again",
				"%s, a standby, does not have the newest state of %d partitions", a.URL, behind)
		}
		if oldest > copyOld {
			r.yellow("see what the check archive says, and look at the log of the analyzers that work: what has come since is scored again at a takeover",
				"the state that %s, a standby, has copied is up to %s old", a.URL, oldest.Round(time.Second))
		}
	}
	if n > 0 {
		r.green("standbys have the newest state of %d partitions", n)
	}
}

func models(f Facts, r *report) {
	var first *AnalyzerFact
	for i, a := range f.Analyzers {
		switch {
		case a.Err != nil:
		case first == nil:
			first = &f.Analyzers[i]
		case a.Model != first.Model:
			r.red("give all analyzers the same model file and send them SIGHUP: who is judged how depends on the partition meanwhile", "%s has model %.12s, %s has %.12s", a.URL, a.Model, first.URL, first.Model)
		}
	}
	if first != nil {
		r.green("model %.12s is in force everywhere, mode %s", first.Model, first.Mode)
	}
}
