package evidence

// Signal is the number of a signal, its place in every table of this package.
// The order is the order of evidence within a group; new signals are appended.
type Signal int

// The signals.
const (
	NewCountry Signal = iota
	NewNetwork
	ImpossibleTravel
	ConcurrentPlaces
	NewFamily
	NewDevice
	NeverSeenRoute
	RequestRate
	BytesOut
	SequentialIDs
	NotFoundShare
	FailuresByAddress
	LoginRate
	ScannerPaths
	TwoKeys
	LostProof
	UseAfterSignOut
	SprayedPrefix
	TargetedAccount
	MFAFatigue
	RefreshAnomaly
	ProvenKey
	NewPrefix
	Anonymiser
	NewJA4
	JA4Mismatch
	ResponseSize
	UnusualHour
	Breadth
	WAFScore
	SequenceGap
	GatewaySilence
	Beaconing
	ServiceMoved
	ParameterShape
	Takeover
	Anomaly
	Botnet
	ProbingNeighbours
	SharedDevice
	ClientSpread
	SuspendedDevice
	SuspiciousNetwork
	Overlapping
	// Count is the number of signals.
	Count int = iota
)

// Group is a set of signals that correlate and are therefore clipped together.
type Group int

// The groups that have signals.
const (
	Network Group = iota
	Client
	Sequence
	Volume
	Walk
	Credential
	Payload
	Binding
	Time
	Loss
	Machine
	Model
	// GroupCount is the number of groups.
	GroupCount int = iota
)

// String is the group's name on the wire and in the model file.
func (g Group) String() string {
	return [GroupCount]string{"network", "client", "sequence", "volume", "walk", "credential", "payload", "binding", "time", "loss", "machine", "model"}[g]
}

// Groups lists all groups in their order.
func Groups() []Group {
	groups := make([]Group, GroupCount)
	for i := range groups {
		groups[i] = Group(i)
	}
	return groups
}

// Description is one row of the catalogue.
type Description struct {
	ID    string
	Group Group
	// Technique is the MITRE ATT&CK technique or OWASP API risk.
	Technique string
	// Hard marks cryptographic facts, which floor a revoke and never teach.
	Hard bool
	// Renews says that each block of a session is a fresh sample, as a rate is,
	// and not the same fact seen again, as a country is.
	Renews bool
	// Facet marks signals of the facet stage: they speak of what many actors share,
	// never of one actor.
	Facet bool
	// Needs are the event fields without which the signal is silent.
	Needs string
	// Formula is where the nats come from.
	Formula string
	// Innocent is the story in which an honest user sets it off.
	Innocent string
}

// catalogue is the table of all signals.
//
//nolint:gochecknoglobals // A constant: Go has no constant tables.
var catalogue = [Count]Description{
	NewCountry: {
		ID: "geo.new_country", Group: Network, Technique: "T1078", Needs: "subject, country",
		Formula:  "c·ln(p(x|attack)/p(x|subject)), hierarchical Dirichlet back-off subject → tenant → uniform, c = n/(n+n0); half where the network is known, silent where the prefix is; half from a VPN, relay, Tor or proxy",
		Innocent: "a traveller; a network whose country the database has wrong",
	},
	NewNetwork: {
		ID: "net.new_network", Group: Network, Technique: "T1078", Needs: "subject, asn or address",
		Formula:  "as geo.new_country over ASN, else /24 or /48; silent where the country is new already, because the chain is conditional, and where the ASN is missing and the prefix is known",
		Innocent: "a café, a new mobile provider",
	},
	ImpossibleTravel: {
		ID: "geo.impossible_travel", Group: Network, Technique: "T1078", Needs: "latitude, longitude of both places",
		Formula:  "1 + ln(v/900 km/h) on great-circle distance less both accuracy radii, from 300 km on, over elapsed time, either way for an event that comes late; half where a VPN, relay, Tor or proxy is one of the places, a quarter between two habits of the subject; silent for programs",
		Innocent: "VPN switched on, wrong geolocation, a dual-homed phone",
	},
	ConcurrentPlaces: {
		ID: "net.concurrent_places", Group: Network, Technique: "T1550.001", Needs: "session, address",
		Formula:  "fixed likelihood ratios by distance of the two places and by client family, more with an open stream, with each alternation and, for one program, where no network is known to hide anybody or to be a carrier's; less within a country, and a quarter where both networks and clients are habits of the subject",
		Innocent: "a phone between Wi-Fi and mobile network, a relay for some requests only",
	},
	NewFamily: {
		ID: "client.new_family", Group: Client, Technique: "T1078", Needs: "subject, user_agent",
		Formula:  "as geo.new_country over the version-stripped family, then, up to 1.5, the operating system within it; less by how many others show it these days",
		Innocent: "a new browser, a new phone",
	},
	NewDevice: {
		ID: "client.new_device", Group: Client, Technique: "T1078", Needs: "subject, device",
		Formula:  "as geo.new_country over device keys; half where the family is new already; none at all is such a key where a person's program, the only one of its session, has shown one before",
		Innocent: "a new phone, deleted cookies",
	},
	NeverSeenRoute: {
		ID: "route.never_seen", Group: Sequence, Technique: "API5:2023", Needs: "subject, template or route; sensitivity sharpens it",
		Formula:  "as geo.new_country over path templates, once per template and session; half unless the sensitivity is high or critical, less by how many others use it for the first time these days",
		Innocent: "a rarely used page, a new release of the application",
	},
	RequestRate: {
		ID: "volume.request_rate", Group: Volume, Technique: "API4:2023", Renews: true, Needs: "history of the subject or tenant",
		Formula:  "ln(κ·p^(κ-1)), p = upper tail of requests in the current minute, from thirteen on, under the log histogram of the subject, backed off to the tenant, with a Pareto tail; less the look and what volume.bytes_out has said; at most 4 for an address",
		Innocent: "a reload storm, a batch job run by hand",
	},
	BytesOut: {
		ID: "volume.bytes_out", Group: Volume, Technique: "T1567", Needs: "bytes_out, history of the subject or tenant; attribute announced_bytes sharpens it",
		Formula:  "as volume.request_rate over bytes sent in the current minute and in the current hour, whichever says more, less what the rate says; nothing up to 64 KiB a minute and 256 KiB an hour, 2.5 at most up to 4 MiB and 16 MiB; for the event that takes a person's hour over a line, twice the power of two below which 99 of 100 of his own hours stay, 20 or more of them, and at least 256 KiB, 512 KiB and so on up to 4 MiB, 1.25·ln(1/q), at most 10, where a share q < 1/1600 of the tenant's hours is over such a line, else, and over 4 MiB only, 0.8·ln(1/q); what open streams have announced counts as sent in the hour; the tenant's tail is that of the ratio to each subject's own median as far as that is known, so that heavy peers excuse nobody; at most 4 for an address",
		Innocent: "a yearly export, a backup",
	},
	SequentialIDs: {
		ID: "walk.sequential_ids", Group: Walk, Technique: "API1:2023", Needs: "resource and template, else path",
		Formula:  "min(k-4 for a run of k ids at one stride; -ln P(widest walk ≥ k | habit)), and for a person, where that is more, up to 10, by the habit of such runs alone, whose tail halves with each id; a run goes on behind other ids that come between; likewise, less look, 0.6 of ids that climb with gaps and a third of those in any order; half for programs, for an address 0.4 of it and at most 5; and half the number of ids that were refused, at most 6, each by how far that was not to be expected: 1 + ln(0.33/q) of it where a share q of the tenant's other subjects is refused the same now",
		Innocent: "a page that loads each item of a list",
	},
	NotFoundShare: {
		ID: "scan.not_found_share", Group: Walk, Technique: "T1595.003", Needs: "status, path",
		Formula:  "sequential test of distinct paths answered 404 against those answered otherwise, less 3 nats; missing images count a fifth, all missing things of one template are one path, and what others are refused now counts less as in walk.sequential_ids",
		Innocent: "a crawler on a site that moved, a page with dead pictures",
	},
	FailuresByAddress: {
		ID: "credential.failures_by_address", Group: Credential, Technique: "T1110.004", Needs: "address, auth_outcome; account sharpens it",
		Formula:  "sequential test, one step per distinct account: ln(0.97/0.2) for a failure, ln(0.03/0.8) for a success; plus 0.8 for a failure on an account that failed before and never passed, and 0.8 for one within 5 s of the last by the same client, within 10 s on another account, and 1.15 within 2 s unless it is on the same account, half-life 10 min and at most 10, or, if more, 0.5 for each failure beyond the eighth on accounts that were counted before",
		Innocent: "an office behind one address on the day passwords expire",
	},
	LoginRate: {
		ID: "credential.login_rate", Group: Credential, Technique: "T1110", Needs: "address, method, path, status; silent where auth_outcome is known",
		Formula:  "decayed count of sign-in posts of one address, by status: refused or unknown (404) 1.6, unclear 0.5 from one client, less 3 nats; at a form an unclear one within 5 s of the last failure of the same client counts as refused, and each such failure 0.8 more, 1.15 within 2 s",
		Innocent: "a forgotten password, an office behind one address",
	},
	ScannerPaths: {
		ID: "scan.paths", Group: Payload, Technique: "T1595.002", Needs: "path; attributes query and request, user_agent sharpen it",
		Formula:  "3 per distinct probe for software that is not there or for another protocol, 9 for a traversal, an injection, a known exploit or an attack tool's name, 0.7 once for what the server has",
		Innocent: "the owner's own vulnerability scan",
	},
	TwoKeys: {
		ID: "binding.two_keys", Group: Binding, Technique: "T1550.001", Hard: true, Needs: "token_id, binding dpop or mtls, device",
		Formula:  "fixed: one token was proven with two different keys",
		Innocent: "none known",
	},
	UseAfterSignOut: {
		ID: "credential.use_after_sign_out", Group: Credential, Technique: "T1550.001", Hard: true, Needs: "session, a session event with reason logout, decision or status",
		Formula:  "fixed: a session is used with success more than 30 s after it was signed out, and no sign-in came in between",
		Innocent: "the second window of a session goes on at a gateway that has not heard of the sign-out in the first yet: the session has ended anyway. What was sent before, refused, or signed in again does not count",
	},
	SprayedPrefix: {
		ID: "credential.spraying", Group: Credential, Technique: "T1110.003", Facet: true, Needs: "address or device or client_id, auth_outcome, account",
		Formula:  "sequential test over a /24 or /48, a device or a client: ln(0.97/q) for each account that failed, ln(0.03/(1-q)) for each that succeeded, q = share that fails in the rest of the tenant, at least 0.2; less 6 nats, 8 for a client; accounts at home there are no step; supports a throttle at most where honest people are behind it",
		Innocent: "a company whose directory is down, in its first days; a password-reset day at a new office",
	},
	TargetedAccount: {
		ID: "credential.targeted_account", Group: Credential, Technique: "T1110.001", Facet: true, Needs: "account, auth_outcome, asn or address",
		Formula:  "1.2 for each network beyond the third from which one account failed; a network from which it succeeded is none, half-life 6 h",
		Innocent: "a phone, a laptop and a tablet with the old password; whoever wants the owner kept from signing in brings it about from a dozen networks, which is why a verdict about an account meets the attempts to sign in and no session that is open",
	},
	MFAFatigue: {
		ID: "credential.mfa_fatigue", Group: Credential, Technique: "T1621", Needs: "auth_outcome mfa_failure; account or subject",
		Formula:  "0.75 for each refused second factor beyond the second, half-life 1 h; when one is accepted after three, twice that and 3 more",
		Innocent: "a code that had just changed, twice",
	},
	RefreshAnomaly: {
		ID: "credential.refresh_anomaly", Group: Credential, Technique: "T1550.001", Needs: "session, token_id; asn or address, user_agent",
		Formula:  "fixed likelihood ratios for a rotated token that comes from elsewhere 2 min after its successor did, for one that is refused because its session was signed out and comes from a network that is neither its own nor the subject's, and for two reported refreshes within an hour from two places: 6 and 8 by another client family, 2 by the same; half from a VPN, relay, Tor or proxy; what is not known is not another",
		Innocent: "a phone that changes its network between two refreshes; a laptop whose second window asks on in a café after the first has signed out",
	},
	ResponseSize: {
		ID: "volume.response_size", Group: Volume, Technique: "T1213", Needs: "template, status, bytes_out, fifty answers of the template in the tenant's history",
		Formula:  "ln(κ·p^(κ-1)) less twice the look, p = two-sided tail of the size under the tenant's log histogram of the template",
		Innocent: "the first list that is really long; a release that answers more",
	},
	UnusualHour: {
		ID: "time.unusual_hour", Group: Time, Technique: "T1078", Needs: "subject with ten taught sessions and forty active hours",
		Formula:  "c·(ln((1/168)/p(hour)) - 0.7), p = hours of the week smoothed over an hour either way and over the days at 0.3, backed off to the tenant, one in ten hours following no habit",
		Innocent: "on call at three in the morning; another time zone",
	},
	Breadth: {
		ID: "walk.breadth", Group: Walk, Technique: "API1:2023", Needs: "resource and template, else path; sensitivity sharpens it",
		Formula:  "as volume.request_rate over distinct resources in the current hour, low ones counting 0.5, high ones 2, critical ones 4, less what walk.sequential_ids says",
		Innocent: "who opens ticket after ticket for a living, in his first days",
	},
	WAFScore: {
		ID: "payload.waf", Group: Payload, Technique: "T1190", Needs: "waf_score of at least 5",
		Formula:  "sum over requests of min(0.5·(score-3), -ln p + r·0.138·(score-5)), a quarter for the same again, half-life 15 min, p = share of the clean sessions with the template that were flagged, r = min(1, ln p/ln 0.01), of a score of at most 200",
		Innocent: "an editor that sends HTML",
	},
	SequenceGap: {
		ID: "loss.sequence_gap", Group: Loss, Technique: "T1562.008", Needs: "subject, gateway, lane, seq",
		Formula:  "0.4·ln(1+n), n = records of the gateway that are missing in this partition, half-life 10 min",
		Innocent: "a gateway whose disk was full; it concerns every session of the gateway and stays weak",
	},
	GatewaySilence: {
		ID: "loss.gateway_silence", Group: Loss, Technique: "T1562.008", Needs: "subject, gateway that ticks",
		Formula:  "0.3·ln(silence/30 s) for five minutes after a gateway that ticks was silent for a minute",
		Innocent: "a cut network",
	},
	Beaconing: {
		ID: "machine.beaconing", Group: Machine, Technique: "T1071.001", Needs: "a human subject; thirty requests of the session",
		Formula:  "ln(κ·p^(κ-1)) less look, p = lower tail of the coefficient of variation of the gaps between requests under the tenant's sessions",
		Innocent: "a page that refreshes itself, in its first days",
	},
	ServiceMoved: {
		ID: "machine.service_moved", Group: Machine, Technique: "T1552.001", Needs: "subject_kind service or agent; asn or address, user_agent",
		Formula:  "6 for a network and 3 for a client family that the service never had, at most -ln of how usual news are for it, times c = n/(n+n0); half where others of the tenant have it",
		Innocent: "a move to another cloud with another base image, unannounced",
	},
	ParameterShape: {
		ID: "payload.parameter_shape", Group: Payload, Technique: "T1190", Needs: "attribute query, template; fifty values of the parameter in the tenant's history",
		Formula:  "ln(κ·p^(κ-1)) less twice the look, p = upper tail of the value's length; and min(2, ln(0.05·(n+1))) for each kind of character that none of n values had",
		Innocent: "a name with an apostrophe, the first one",
	},
	Takeover: {
		ID: "sequence.takeover", Group: Sequence, Technique: "T1550.001", Needs: "subject, template or route; some hundreds of events of the subject, some thousands of the tenant and a hundred days of its sessions",
		Formula:  "ln(κ·p^(κ-1)), κ = 0.3, p = upper tail, by the shared epoch's fit for the kind of subject, of a session-day's highest CUSUM of ln(p(step|tenant)/p(step|subject)) about the subject's own mean and in spreads of his blocks of a hundred steps; first-order Markov, hierarchical Dirichlet back-off subject → tenant; and the same with the session's latest 64 steps in place of the tenant's people, who need not do what a thief does: the mean of both e-values",
		Innocent: "a new job within the company, a week of other work",
	},
	ProvenKey: {
		ID: "binding.proven_key", Group: Binding, Technique: "T1550.001", Needs: "token_id, binding dpop or mtls, device that is a habit of the subject",
		Formula:  "fixed: -3 once in ten minutes, and no more than the session is suspected of in the network, client, sequence and time groups: a proof says who acts, not what he does",
		Innocent: "reassures: a stolen device proves its key, too",
	},
	NewPrefix: {
		ID: "net.new_prefix", Group: Network, Technique: "T1078", Needs: "subject, address, asn",
		Formula:  "as geo.new_country over /24 or /48; silent where the country or the ASN is new, because the chain is conditional, and without ASN",
		Innocent: "a new lease; who is given one every day is used to it",
	},
	Anonymiser: {
		ID: "net.anonymiser", Group: Network, Technique: "T1090.003", Needs: "network_tags; a human subject",
		Formula:  "fixed likelihood ratios ln(p(tag|attack)/p(tag|people)): tor 3, proxy 2, hosting 1.5; silent where the network is a habit of the subject",
		Innocent: "a careful person's first day with Tor; a company's cloud desktop",
	},
	NewJA4: {
		ID: "client.new_ja4", Group: Client, Technique: "T1078", Needs: "subject, ja4, user_agent",
		Formula:  "as geo.new_country over (family, first two parts of JA4); silent where the family is new, less by how many others show it these days",
		Innocent: "a browser that was updated; a virus scanner that opens TLS",
	},
	JA4Mismatch: {
		ID: "client.ja4_mismatch", Group: Client, Technique: "T1036", Needs: "ja4, user_agent of a browser, twenty taught sessions of that browser in the tenant",
		Formula:  "ln(0.05·(n+1)/(r+1)) for a JA4 that fewer than five of the tenant's n sessions of the claimed browser had, r of them such a rare one, and 2.5 more where it is that of another program; less by how many others show it these days",
		Innocent: "a release on its first day; a company's TLS inspection",
	},
	LostProof: {
		ID: "binding.lost_proof", Group: Binding, Technique: "T1550.001", Hard: true, Needs: "token_id, binding; reason of a refusal",
		Formula:  "fixed: a token that was proven with a key before is shown without it, or a gateway refused it because whoever showed it had not got the key that it is bound to, forged its proof or used one again from another address",
		Innocent: "a client that sends a request again from another network, with the proof that it has made for the first",
	},
	Anomaly: {
		ID: "model.anomaly", Group: Model, Technique: "T1078", Needs: "subject; duration_us, bytes_in, bytes_out, auth_time, resource sharpen it; some hundred clean requests of the route class",
		Formula:  "sequential test, 0.25·ln(κ·p^(κ-1)) a request that is looked at, κ = 0.3, floor 0, half-life of the session: p = conformal p-value of the score of package forest over thirteen numbers of the request, its session and the subject's habit, against requests of the same tenant, route class and kind of subject that proved clean; less what signals of volume and walk have counted; one request in eight is looked at, and each that took longer, brought or got more than 99 of 100",
		Innocent: "a rare but rightful use: a day of another kind of work",
	},
	Botnet: {
		ID: "credential.botnet", Group: Credential, Technique: "T1110.004", Facet: true, Needs: "auth_outcome, account, address; ja4, asn or route",
		Formula:  "over a JA4, everywhere or in one ASN, the sequential test of credential.spraying, silent where honest people show the JA4 everywhere; over a route ln(0.9/r) for each failure on an account that never succeeded in the tenant, or never in that network, and ln(0.1/(1-r)) for each other sign-in, r = the route's own share of such failures over weeks, from twenty addresses on; less 6 nats, and 24 for a route",
		Innocent: "a new program of many users whose first version sends wrong passwords; a sign-up page that answers as a failed sign-in does",
	},
	ProbingNeighbours: {
		ID: "scan.neighbours", Group: Walk, Technique: "T1595.003", Facet: true, Needs: "address, status, path",
		Formula:  "the sequential test of scan.not_found_share over a /24 or /48, from three addresses on, less 6 nats",
		Innocent: "the machines of a search engine on a site that moved",
	},
	SharedDevice: {
		ID: "device.many_subjects", Group: Binding, Technique: "T1550.001", Facet: true, Needs: "device, subject, session with another device before",
		Formula:  "4 for each subject beyond the first whose session was shown by another device before and then by this one, half-life 24 h",
		Innocent: "one machine that is restored from the images of several people",
	},
	SuspendedDevice: {
		ID: "device.suspended_sessions", Group: Binding, Technique: "T1550.001", Facet: true, Needs: "device, session",
		Formula:  "6.5 for each session beyond the first that the first stage suspended when this device showed it, half-life 24 h, and for each beyond the first of those that one subject has there at once while he goes on elsewhere; of a device that honest people share only the latter",
		Innocent: "three sessions of one traveller on one day, each of which was asked to confirm who he is",
	},
	SuspiciousNetwork: {
		ID: "net.suspicious_network", Group: Network, Technique: "T1583.003", Needs: "subject with a history, asn; earlier doubts or failed sign-ins of others in the ASN",
		Formula:  "c·ln(q/max(0.002, p(x|tenant))), which makes of what net.new_network takes for p(x|attack) the share q that the tenant's attackers have shown, half-life 7 d: (d+10·0.002)/(D+10), d = other subjects with a history whose session was suspended in the ASN without this signal and who did not answer within ten minutes, two at least, D = those in all ASNs; or, if more, the same of accounts that failed beyond those that passed, five at least; silent where the network is a habit of the subject and where three others with a history are at home in the ASN, half from a VPN or relay",
		Innocent: "the third traveller in a hotel network in which two others did not answer",
	},
	Overlapping: {
		ID: "net.overlapping_sessions", Group: Network, Technique: "T1078", Needs: "a human subject with two sessions, asn or address; country, else latitude and longitude of both places",
		Formula:  "fixed likelihood ratios for a session in a network that is no habit of the subject, within five minutes of another of his sessions that is far away: 5 across a border and 2 more for each time that they take turns, up to 9, within a country 3 and 1 more up to 6, half-life 10 min, less what geo.impossible_travel has said; half where this one comes from a VPN, relay or carrier, the other from a VPN or relay, or the other's network is no habit either; silent where the other is on a carrier's network, for a phone abroad comes out at home, for a device that the subject is known for, and where he has confirmed that he is there",
		Innocent: "a page at home that refreshes itself while its owner has just arrived elsewhere; a cloud desktop abroad, on its first day",
	},
	ClientSpread: {
		ID: "client.many_networks", Group: Credential, Technique: "T1552.001", Facet: true, Needs: "client_id, subject_kind service or agent; asn or address",
		Formula:  "2 for each network beyond the first in which a client's services begin and never did before, times c = n/(n+20), n = subjects and accounts at home in the client, half-life 1 h; as shipped it takes six to eleven such networks to slow the client down, and nothing blocks it: honest services stand behind the same client, and each that moved has machine.service_moved against it",
		Innocent: "a fleet that moves to another cloud, which nothing here tells from a key in many hands",
	},
}

// Describe returns the catalogue row of s.
func (s Signal) Describe() *Description { return &catalogue[s] }

// Lookup returns the signal with an id.
func Lookup(id string) (Signal, bool) {
	for s := range Signal(Count) {
		if s.Describe().ID == id {
			return s, true
		}
	}
	return 0, false
}
