package login

import "time"

// Limits of signing in. A browser may be anybody's, and a provider may be under
// attack.
const (
	// ProvidersMax bounds the configured providers.
	ProvidersMax = 32
	// KeysMax bounds the keys of a ring: the one that seals and those of the
	// rotations before.
	KeysMax = 16
	// SessionBytesMax bounds a sealed session. Browsers take 4 KiB for each cookie;
	// four of them and an ordinary header stay below what servers accept.
	SessionBytesMax = chunkBytes * chunksMax
	// chunkBytes is the part of a session that one cookie carries: with its name
	// and attributes below 4,096 bytes.
	chunkBytes = 3600
	chunksMax  = 4
	// idTokenBytesMax bounds the ID token that a session keeps for the logout at its
	// provider; a larger one is left out, and the provider may ask the person.
	idTokenBytesMax = 4 << 10
	// flowsMax bounds the sign-ins that one browser may have under way: tabs that
	// were restored together each begin one.
	flowsMax = 8
	// flowFor is how long a person may take at the provider.
	flowFor = 15 * time.Minute
	// flowBytesMax bounds the sealed record of a sign-in under way.
	flowBytesMax = 3800
	// ceremonyFor is how long a person may take to confirm with a key.
	ceremonyFor = 5 * time.Minute
	// codeTriesMax is how many codes one session may try within codeTriesFor: with
	// three codes that count at a time a guess succeeds once in 66,000 such spans.
	codeTriesMax = 5
	codeTriesFor = 10 * time.Minute
	// mailboxBytesMax bounds an email address (RFC 5321, section 4.5.3.1.3).
	mailboxBytesMax = 254
	// linkingExceptMax bounds the addresses that a tenant does not link.
	linkingExceptMax = 10_000
	// returnBytesMax bounds the place that a person comes back to.
	returnBytesMax = 1 << 10
	// formBytesMax bounds a form that is sent to us.
	formBytesMax = 32 << 10
	// answerBytesMax bounds every answer of a provider.
	answerBytesMax = 256 << 10
	// callTimeout bounds one call to a provider, and so how long a callback takes.
	callTimeout = 10 * time.Second
	// peerTimeout bounds one call to another gateway, which may ask a provider first.
	peerTimeout = callTimeout + 2*time.Second
	// discoveryEvery is how often a provider's description is read again;
	// discoveryPause is the least time between two tries while it cannot be.
	discoveryEvery = time.Hour
	discoveryPause = 5 * time.Second
	// onceMax bounds what is remembered so that it counts only once: states of
	// callbacks, ids of logout tokens, confirmations. The oldest go first.
	onceMax = 65_536
	// logoutAgeMax is how old a logout token may be; clocks may differ by leeway.
	logoutAgeMax = 5 * time.Minute
	leeway       = time.Minute
	// endingsMax bounds the endings that are kept over a restart: some 20 MiB.
	endingsMax = 100_000
	// endingsPersonMax and endingsProviderMax bound those of one person, and of one
	// provider that names sessions and no person.
	endingsPersonMax   = 200
	endingsProviderMax = endingsMax / 4
	// endingsPause is the least time between two tries to make room among them.
	endingsPause = time.Minute
	// openedMax bounds the cookies that are remembered as opened, about 3 KiB each.
	openedMax = 16_384
	// supersededGrace is how long requests that were on their way when a session's
	// cookie was replaced may still come with the old one.
	supersededGrace = time.Minute
	// pagesMax bounds the requests for our own pages that call a provider at a time.
	pagesMax = 128
	// renewalsMax bounds the calls to providers that renew sessions at a time.
	renewalsMax = 64
	// errandsMax bounds the calls to one peer, or to one provider, that wait for a worker,
	// and errandWorkersMax those under way. Each has three tries within errandFor; while
	// the gateway ends each has one of errandLast.
	errandsMax       = 1024
	errandWorkersMax = 4
	errandFor        = 30 * time.Second
	errandLast       = 2 * time.Second
	// lookMax bounds the sessions of open streams that are looked at under one lock.
	lookMax = 256
	// lapsedMax bounds the sessions that are forgotten as over in one look at them: what
	// four workers give back in a second at a provider that takes 60 ms for each.
	lapsedMax = 64
	// renewLeast is the least time between two renewals of a session, however short its
	// tokens live; secondsMax bounds the life that a provider may claim for them.
	renewLeast = 3 * time.Second
	secondsMax = 30 * 24 * 3600
	// renewPause and renewPauseMax bound the pause between two tries to renew
	// one session while its provider is away.
	renewPause    = 2 * time.Second
	renewPauseMax = time.Minute
	// keepEvery is how often the sessions of open streams are looked at.
	keepEvery = time.Second
	// ringPoll is how often the key ring's file is looked at.
	ringPoll = 5 * time.Second
	// deviceFor is how long a device stays known, the most that browsers allow.
	deviceFor = 400 * 24 * time.Hour
	// touchEvery is the least age of a cookie before its idle time is written anew.
	touchEvery = 30 * time.Second
	// claimBytesMax bounds each name that is taken from a provider's answer, listMax
	// the entries of a list.
	claimBytesMax = 1 << 10
	listMax       = 64
)

// errandPauses are the pauses between the tries of an errand: a lost packet, and a
// restart.
func errandPauses() []time.Duration { return []time.Duration{time.Second, 5 * time.Second} }
