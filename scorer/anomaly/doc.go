// Package anomaly is signal model.anomaly: one detector for each tenant, route class
// and kind of subject, over thirteen numbers of a request.
//
//	Context --row--> frozen twin --p--> test of the session --> Finding
//	           \--> quarantine --clean--> live twin --learned--> epoch.Learner --> the next epoch's frozen twin
//
// # Contract
//
// A request is scored by the frozen twin, which is built of the sample in the epoch
// in force and learns nothing: half of the rows teach it, each of the others is
// scored before it teaches, too, and those scores say what is normal. Where the epoch
// has no such detector, as before a tenant's first one, the live twin scores.
//
// A request is learned by the live twin, and only after the quarantine of the risk
// model, if its session is still known, had no verdict and is under no suspicion,
// and if that detector's own gate lets it. What the live twin has learned is sampled
// for the next epoch. The score is ranked against the scores of clean
// requests, which gives a conformal p-value, and that an e-value κ·p^(κ-1) with
// κ = 0.3 (p is 0.001 at the least). A session's test adds a quarter of its
// logarithm for each request that is looked at, never falls below 0 and fades by
// the session's half-life (Page, Biometrika 1954). Whenever the test has risen the
// signal says what it stands at, less the greater of what signals that judge one
// of the numbers alone have counted already and of what the test usually comes to
// in clean sessions of the same subject: a robot that is unlike all others of its
// kind is so every day. Everything is a pure function of the records,
// their order and the seeds, which are hashed from tenant, signal, class and, for a
// frozen twin, the number of the epoch that was built of these rows.
//
// The route class is that of the model file, else the route's sensitivity. Who
// shows no credential is not looked at: his address has signals of its own.
//
// # Concurrency
//
// A Set belongs to one engine and one goroutine.
//
// # Non-obvious
//
// One request in [Every] is looked at, drawn by a hash of the session's
// pseudonym and the number of the request, which no client knows, and besides
// each one that took longer, brought or got more than all but one in a hundred of
// its kind: a detector costs more than all other signals together. Only those
// that were drawn teach, because the others are no fair sample. The assessment
// of a request that was not looked at says nothing about it, as that of one that
// was and is ordinary. What has proved clean is learned at requests that are not
// looked at, so that no request pays for both.
//
// The numbers are of three kinds, and none is the business of one signal alone:
// the request (how long the answer took, what was sent and what came back, the
// time since the one before), its session (age, age of the sign-in, errors,
// different things opened for each request), and both against the subject's own
// habit (bytes and requests of the minute, bytes and things of the hour, and how
// usual the page is for him). Signals of their own judge some of these where they
// are extreme. What the detector adds is what they are together: a large answer
// is ordinary, and so is who never asks for one, but not both at once.
//
// A quarter, because the requests of a session are no independent samples: a
// person with a habit of his own is strange in all of them. On the generated lives
// of honest people a test of whole logarithms of all requests passed 88 nats in
// one session of a hundred; a quarter, of those that are looked at, 2.7.
//
// A frozen twin is shown the numbers of a row rounded as its sample keeps them
// (package reservoir), or a value that never changes would lie beside its own past. A
// live twin is not: it follows columns that rise slowly, and steps would mislead it.
//
// A frozen twin is no part of the state: it is built again, in a few milliseconds,
// by the first request of its kind after an epoch came in force or a restart. That
// request of the day pays for it.
//
// A detector is bounded: a quarter of a megabyte, as much again for its frozen twin
// and 53 KB for the sample, see the tests of them. Beyond the
// risk model's limits.detectors_max one that was idle for a day gives way, and
// where there is none the newcomer is not looked at, and counted.
package anomaly
