// Package anomaly is signal model.anomaly: one forest.Detector for each tenant,
// route class and kind of subject, over ten numbers of a request.
//
//	Context --row--> forest.Score --p--> Finding
//	           \--> quarantine --clean--> forest.Next, normal scores
//
// # Contract
//
// A request is scored by what the detector has learned from earlier ones and
// is itself learned only after the quarantine of the risk model, if its session
// is still known, had no verdict and is under no suspicion, and if the
// detector's own gate lets it. The score is ranked against the scores of clean
// requests (conformal p-value) and becomes ln(κ·p^(κ-1)) less the risk model's
// look, κ = 0.3 because p is 0.001 at the least. Everything is a pure function of the records, their order and the
// seed, which is hashed from tenant, signal, class and epoch.
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
// was and is ordinary.
//
// The numbers are those that no other signal judges: how long the answer took,
// what was sent and what came back, the pace, age and errors of the session, how
// many different things it opened for its requests, how old the sign-in is and
// how random the id. That they belong together is what the detector adds: a
// large answer is ordinary, and so is a fast one, but not both at once.
//
// A detector is bounded: see the memory test for its size. Beyond the model's
// limits.detectors_max the least recently used one goes.
package anomaly
