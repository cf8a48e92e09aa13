package evidence

// What formulas rest on. Estimates of our own are said to be.
const (
	novelty  = "Freeman et al., NDSS 2016 (ratio of attack to habit, back-off over a chain); MacKay and Peto 1995 (hierarchical Dirichlet); Bühlmann 1967 (n/(n+n0))"
	tails    = "Vovk and Wang, Annals of Statistics 2021 (κ·p^(κ-1)); Pickands 1975 (Pareto tail); Li et al., TKDE 2022 (one tail a feature)"
	walks    = "Wald 1945 and Jung et al., IEEE S&P 2004 (sequential test of hits and misses by distinct target)"
	estimate = "an estimate of our own, no paper"
)

// sources say where the formula of each signal comes from.
//
//nolint:gochecknoglobals // A constant: Go has no constant tables.
var sources = [Count]string{
	NewCountry:        novelty,
	NewNetwork:        novelty,
	NewPrefix:         novelty,
	NewFamily:         novelty,
	NewDevice:         novelty,
	NeverSeenRoute:    novelty,
	NewJA4:            novelty + "; JA4 is FoxIO's, 2023",
	ImpossibleTravel:  "Sinnott 1984 (haversine); 900 km/h is an airliner's cruise, and the logarithm an estimate of our own",
	ConcurrentPlaces:  estimate + ": ratios by distance, program and alternation; RFC 9700 section 4.10 names the threat",
	RequestRate:       tails,
	BytesOut:          tails + "; the lines of bytes are estimates of our own",
	ResponseSize:      tails + ", on both sides",
	Breadth:           tails,
	SequentialIDs:     "geometric tail of the subject's own longest walks; the four free ids and the shares for gaps and refusals are estimates of our own",
	NotFoundShare:     walks,
	ProbingNeighbours: walks,
	FailuresByAddress: walks + "; the extra nats for quick failures are estimates of our own",
	SprayedPrefix:     walks + ", against the tenant's own share of failures",
	Botnet:            walks + ", against the route's own share of failures",
	LoginRate:         estimate + ": Page 1954 (cumulative sum) over refused sign-ins",
	ScannerPaths:      estimate + ": nats by kind of probe, from a list of probes",
	TargetedAccount:   estimate + ": nats for each network",
	MFAFatigue:        estimate + ": nats for each refused factor",
	TwoKeys:           "RFC 9449 and RFC 8705: a bound token has one key; a fact, no estimate",
	LostProof:         "RFC 9449 and RFC 8705: a bound token is worth nothing without its proof; a fact, no estimate",
	ProvenKey:         estimate + " of what RFC 9449 and RFC 8705 prove",
	UseAfterSignOut:   "OpenID Connect Back-Channel Logout 1.0: what is signed out is used no more; a fact, no estimate",
	RefreshAnomaly:    "RFC 9700 section 4.14 (a rotated token that comes again); the ratios are estimates of our own",
	UnusualHour:       "Freeman et al., NDSS 2016 (ratio of attack to habit), attacks spread evenly over the week; the smoothing is an estimate of our own",
	Anonymiser:        estimate + ": ratios by kind of network",
	WAFScore:          "OWASP Core Rule Set (anomaly score, 5 for a critical rule); the share of clean sessions is measured, the factors are estimates of our own",
	ParameterShape:    "Kruegel and Vigna, CCS 2003 (length and characters of a parameter); " + tails,
	JA4Mismatch:       "Laplace's rule of succession on how rare the handshake is for the browser; the 0.05 is an estimate of our own",
	SequenceGap:       estimate + ": weak, because a gap concerns everybody of a gateway",
	GatewaySilence:    estimate + ": weak, because silence concerns everybody of a gateway",
	Beaconing:         "coefficient of variation of gaps; " + tails,
	ServiceMoved:      novelty + "; the 6 and 3 nats are estimates of our own",
	ClientSpread:      novelty + "; 2 nats for each network are an estimate of our own",
	Takeover:          "Schonlau et al. 2001 and MacKay and Peto 1995 (Markov order with back-off); Page 1954 (CUSUM); Hosking and Wallis 1987 (tail); Vovk and Wang 2021 and Ramdas et al. 2023 (mean of e-values, plug-in alternative)",
	Anomaly:           "Vovk, Gammerman and Shafer 2005 (conformal p-value); Vovk and Wang 2021 (κ·p^(κ-1)); Wald 1945; the score is package forest's",
	SharedDevice:      estimate + ": nats for each subject",
	SuspiciousNetwork: novelty + ", with p(x|attack) learned from whom the tenant has suspended, shrunk to that of net.new_network; the weight of 10 is an estimate of our own",
	Overlapping:       estimate + ": ratios by distance and by turns taken",
	SuspendedDevice:   estimate + ": nats for each session",
}

// Source says where the formula of s comes from.
func (s Signal) Source() string { return sources[s] }
