package rules

import (
	"math"
	"slices"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/feature"
)

// Input is what an expression may ask for: one event, what is known about its
// actor, and what the signals have found. It is CEL's activation.
type Input struct {
	*evidence.Context

	// Kind is the event's kind of actor: human, service, agent or address.
	Kind string
	// Class is the route class of the event, "" for none.
	Class string
	// Findings are those of the catalogue's signals, before weight and clip, and
	// Score is what they come to.
	Findings []evidence.Finding
	Score    float64
	// Suspicion is what the session had added up before this event, in nats.
	Suspicion float64
}

// ResolveName implements CEL's activation.
func (in *Input) ResolveName(name string) (any, bool) {
	i, ok := places[name]
	if !ok {
		s, ok := signals[name]
		return types.Double(in.found(s)), ok
	}
	v := variables[i].get(in)
	return v, v != nil
}

// found is what a signal found in the event, in nats.
func (in *Input) found(s evidence.Signal) float64 {
	sum := 0.0
	for i := range in.Findings {
		if in.Findings[i].Signal == s {
			sum += in.Findings[i].Nats
		}
	}
	return sum
}

// Parent implements CEL's activation.
func (in *Input) Parent() cel.Activation { return nil }

// Variable is a name that expressions may use.
type Variable struct {
	Name string
	// Type is text, number, whole number, true or false, texts, or text by text.
	Type string
	Doc  string

	cel *cel.Type
	get func(*Input) ref.Val // A nil value is one that is not known.
}

// Variables lists every name that expressions may use, in the order of their
// documentation.
func Variables() []Variable {
	all := append([]Variable(nil), variables...)
	for i := range evidence.Signal(evidence.Count) {
		all = append(all, Variable{Name: "signal." + i.Describe().ID, Type: "number", Doc: "nats that the signal found in this event, 0 for nothing", cel: cel.DoubleType})
	}
	return all
}

// places finds a variable by name.
//
//nolint:gochecknoglobals // A constant: Go has no constant maps.
var places = func() map[string]int {
	m := make(map[string]int, len(variables))
	for i, v := range variables {
		m[v.Name] = i
	}
	return m
}()

// signals finds a signal of the catalogue by the name that expressions use.
//
//nolint:gochecknoglobals // A constant: Go has no constant maps.
var signals = func() map[string]evidence.Signal {
	m := make(map[string]evidence.Signal, evidence.Count)
	for i := range evidence.Signal(evidence.Count) {
		m["signal."+i.Describe().ID] = i
	}
	return m
}()

// variables is the table of all names: those that only expressions have, and
// after them the numbers that models see, too.
//
//nolint:gochecknoglobals // A constant: Go has no constant tables.
var variables = func() []Variable {
	all := slices.Clone(own)
	for _, f := range feature.All() {
		if slices.ContainsFunc(own, func(v Variable) bool { return v.Name == f.Name }) {
			continue
		}
		all = append(all, number(f.Name, f.Doc, func(in *Input) *float64 {
			n := f.Of(in.Context)
			if math.IsNaN(n) {
				return nil
			}
			return &n
		}))
	}
	return all
}()

// own is the table of the names that expressions have of their own. Event fields
// have their proto names; one that is absent is empty, 0 or false, but for the
// coordinates, which are an error and so missing evidence.
//
//nolint:gochecknoglobals // A constant: Go has no constant tables.
var own = []Variable{
	str("event.kind", "request or session", func(in *Input) string { return in.Event.GetKind() }),
	str("event.phase", "complete, open, tick or close", func(in *Input) string { return in.Event.GetPhase() }),
	str("event.stream", "websocket, sse, grpc, download or upload", func(in *Input) string { return in.Event.GetStream() }),
	str("event.gateway", "the gateway that saw it", func(in *Input) string { return in.Event.GetGateway() }),
	str("event.tenant", "", func(in *Input) string { return in.Event.GetTenant() }),
	str("event.subject", "pseudonym of who acts", func(in *Input) string { return in.Event.GetSubject() }),
	str("event.issuer", "", func(in *Input) string { return in.Event.GetIssuer() }),
	str("event.session", "pseudonym of the session", func(in *Input) string { return in.Event.GetSession() }),
	str("event.client_id", "OAuth client, API key, service account", func(in *Input) string { return in.Event.GetClientId() }),
	str("event.device", "a proven key or a signed cookie", func(in *Input) string { return in.Event.GetDevice() }),
	str("event.binding", "none, cookie, dpop or mtls", func(in *Input) string { return in.Event.GetBinding() }),
	str("event.auth_method", "jwt, mtls, api_key, cookie, none …", func(in *Input) string { return in.Event.GetAuthMethod() }),
	str("event.acr", "authentication context", func(in *Input) string { return in.Event.GetAcr() }),
	list("event.amr", "authentication methods", func(in *Input) []string { return in.Event.GetAmr() }),
	whole("event.auth_age", "seconds since the sign-in, -1 if unknown", authAge),
	str("event.subject_kind", "human, service or agent", func(in *Input) string { return in.Event.GetSubjectKind() }),
	str("event.address", "client address", func(in *Input) string { return in.Event.GetAddress() }),
	whole("event.asn", "AS number, 0 where unknown", func(in *Input) int64 { return int64(in.Event.GetAsn()) }),
	str("event.as_org", "", func(in *Input) string { return in.Event.GetAsOrg() }),
	str("event.country", "ISO 3166-1 alpha-2", func(in *Input) string { return in.Event.GetCountry() }),
	flag("event.located", "latitude and longitude are known", func(in *Input) bool { return in.Event.Latitude != nil && in.Event.Longitude != nil }),
	number("event.latitude", "degrees; ask event.located first", func(in *Input) *float64 { return in.Event.Latitude }),
	number("event.longitude", "degrees; ask event.located first", func(in *Input) *float64 { return in.Event.Longitude }),
	list("event.network_tags", "vpn, tor, relay, hosting, mobile …", func(in *Input) []string { return in.Event.GetNetworkTags() }),
	str("event.ja4", "TLS fingerprint", func(in *Input) string { return in.Event.GetJa4() }),
	str("event.user_agent", "", func(in *Input) string { return in.Event.GetUserAgent() }),
	str("event.method", "", func(in *Input) string { return in.Event.GetMethod() }),
	str("event.host", "", func(in *Input) string { return in.Event.GetHost() }),
	str("event.path", "without its query", func(in *Input) string { return in.Event.GetPath() }),
	str("event.route", "the route's id at the gateway", func(in *Input) string { return in.Event.GetRoute() }),
	str("event.template", "such as /accounts/{id}", func(in *Input) string { return in.Event.GetTemplate() }),
	str("event.resource", "the id that the path names", func(in *Input) string { return in.Event.GetResource() }),
	str("event.sensitivity", "low, normal, high or critical", func(in *Input) string { return in.Event.GetSensitivity() }),
	str("event.region", "", func(in *Input) string { return in.Event.GetRegion() }),
	whole("event.status", "HTTP status, 0 where there is none", func(in *Input) int64 { return int64(in.Event.GetStatus()) }),
	str("event.decision", "permit, deny, step_up or cut", func(in *Input) string { return in.Event.GetDecision() }),
	str("event.reason", "why, such as token_expired", func(in *Input) string { return in.Event.GetReason() }),
	str("event.auth_outcome", "none, success, failure or mfa_failure", func(in *Input) string { return in.Event.GetAuthOutcome() }),
	str("event.account", "pseudonym of the login name", func(in *Input) string { return in.Event.GetAccount() }),
	whole("event.bytes_in", "", func(in *Input) int64 { return signed(in.Event.GetBytesIn()) }),
	whole("event.bytes_out", "", func(in *Input) int64 { return signed(in.Event.GetBytesOut()) }),
	whole("event.duration_us", "", func(in *Input) int64 { return signed(in.Event.GetDurationUs()) }),
	number("event.waf_score", "", func(in *Input) *float64 { s := in.Event.GetWafScore(); return &s }),
	list("event.waf_rules", "", func(in *Input) []string { return in.Event.GetWafRules() }),
	dict("event.attributes", "what else was noted, by name", func(in *Input) map[string]string { return in.Event.GetAttributes() }),

	whole("state.hour", "hour of the day, UTC, 0 to 23", func(in *Input) int64 { return int64(time.Unix(0, in.At).UTC().Hour()) }),
	whole("state.weekday", "day of the week, UTC, 0 is Sunday", func(in *Input) int64 { return int64(time.Unix(0, in.At).UTC().Weekday()) }),
	str("state.kind", "human, service, agent or address", func(in *Input) string { return in.Kind }),
	str("state.network", "AS number, else /24 or /48", func(in *Input) string { return in.Network }),
	str("state.client", "browser or program without its version", func(in *Input) string { return in.Agent.Family }),
	str("state.route_class", "the model's class of the route", func(in *Input) string { return in.Class }),
	whole("state.session_age", "seconds since the session began", func(in *Input) int64 { return (in.Now - in.Session.Start) / int64(time.Second) }),
	whole("state.session_requests", "of the session, with this one", func(in *Input) int64 { return signed(in.Session.Requests) }),
	whole("state.minute_requests", "of the session", func(in *Input) int64 { return truncated(in.Session.Minute.Requests) }),
	whole("state.minute_bytes", "bytes sent to the session", func(in *Input) int64 { return truncated(in.Session.Minute.Bytes) }),
	whole("state.hour_bytes", "bytes sent to the session", func(in *Input) int64 { return truncated(in.Session.Hour.Bytes) }),
	whole("state.subject_requests", "requests of the subject, with this one", subjectRequests),
	number("state.history", "clean sessions that taught the subject", history),
	flag("state.new_country", "the subject's habit has not this country", func(in *Input) bool { return in.fresh(entity.Countries, in.Event.GetCountry()) }),
	flag("state.new_network", "the subject's habit has not this network", func(in *Input) bool { return in.fresh(entity.Networks, in.Network) }),
	flag("state.new_client", "the subject's habit has not this client", func(in *Input) bool { return in.fresh(entity.Families, in.Agent.Family) }),
	flag("state.new_device", "the subject's habit has not this device", func(in *Input) bool { return in.fresh(entity.Devices, in.Event.GetDevice()) }),
	number("state.score", "nats of the signals in this event", func(in *Input) *float64 { return &in.Score }),
	number("state.suspicion", "nats of the session before this event", func(in *Input) *float64 { return &in.Suspicion }),
}

// fresh reports whether a subject's habit has not a value. Where there is no
// subject, no value or no habit yet, nothing can be new.
func (in *Input) fresh(kind entity.Kind, value string) bool {
	return in.Subject != nil && value != "" && in.Subject.Kinds[kind].Total() > 0 && !in.Subject.Kinds[kind].Has(value)
}

func authAge(in *Input) int64 {
	if in.Event.GetAuthTime() == nil {
		return -1
	}
	return max(0, (in.At-in.Event.GetAuthTime().AsTime().UnixNano())/int64(time.Second))
}

func subjectRequests(in *Input) int64 {
	if in.Subject == nil {
		return 0
	}
	return signed(uint64(in.Subject.Total))
}

func history(in *Input) *float64 {
	var n float64
	if in.Subject != nil {
		n = in.Subject.N
	}
	return &n
}

func signed(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

func truncated(f float64) int64 {
	if !(f < math.MaxInt64/2) {
		return math.MaxInt64
	}
	return int64(f)
}

func cut(s string) string { return s[:min(len(s), TextBytesMax)] }

func str(name, doc string, get func(*Input) string) Variable {
	return Variable{Name: name, Type: "text", Doc: doc, cel: cel.StringType, get: func(in *Input) ref.Val { return types.String(cut(get(in))) }}
}

func whole(name, doc string, get func(*Input) int64) Variable {
	return Variable{Name: name, Type: "whole number", Doc: doc, cel: cel.IntType, get: func(in *Input) ref.Val { return types.Int(get(in)) }}
}

func number(name, doc string, get func(*Input) *float64) Variable {
	return Variable{Name: name, Type: "number", Doc: doc, cel: cel.DoubleType, get: func(in *Input) ref.Val {
		f := get(in)
		if f == nil {
			return nil
		}
		return types.Double(*f)
	}}
}

func flag(name, doc string, get func(*Input) bool) Variable {
	return Variable{Name: name, Type: "true or false", Doc: doc, cel: cel.BoolType, get: func(in *Input) ref.Val { return types.Bool(get(in)) }}
}

func list(name, doc string, get func(*Input) []string) Variable {
	return Variable{Name: name, Type: "texts", Doc: doc, cel: cel.ListType(cel.StringType), get: func(in *Input) ref.Val {
		all := get(in)
		texts := make([]string, min(len(all), ListMax))
		for i := range texts {
			texts[i] = cut(all[i])
		}
		return types.NewStringList(types.DefaultTypeAdapter, texts)
	}}
}

func dict(name, doc string, get func(*Input) map[string]string) Variable {
	return Variable{Name: name, Type: "text by text", Doc: doc, cel: cel.MapType(cel.StringType, cel.StringType), get: func(in *Input) ref.Val {
		m := get(in)
		for _, v := range m {
			if len(v) > TextBytesMax {
				return types.NewStringStringMap(types.DefaultTypeAdapter, cutAll(m))
			}
		}
		return types.NewStringStringMap(types.DefaultTypeAdapter, m)
	}}
}

func cutAll(m map[string]string) map[string]string {
	short := make(map[string]string, len(m))
	for k, v := range m {
		short[k] = cut(v)
	}
	return short
}
