// Package ingest feeds the records of one topic to a stage of the scorer and
// carries what follows from them to where it belongs.
//
//	[vigil.requests] --fetch--> verify --> decode --> scorer.Engine --> proposals   --> announce --> [vigil.verdicts]
//	                                         |                     \--> assessments ----------------> [vigil.assessments]
//	                                         |                     \--> cuts --> [vigil.facets]
//	                                         \--poison--> [vigil.dead]
//	[vigil.facets] ----fetch--> decode --> facet.Engine --> proposals, assessments, as above
//	state/ <--snapshot, offset-- Engine <--restore-- memory, state/, archive, warm start, replay
//	group <--who holds what, assign.Divide--> partitions
//
// # Contract
//
// One worker owns one partition: its engine, its place in vigil.verdicts, its
// state file. Records are scored in order. Verdicts are acknowledged first, for
// their latency, then cuts and assessments, and only then is the offset committed:
// a crash repeats and never skips, and the facet stage drops what it has taken.
// Records below the committed offset are scored again only to rebuild state; what
// they brought about stands already. A record that cannot be decoded, or at which
// scoring itself breaks, goes to vigil.dead and the partition goes on.
//
// Records of vigil.requests are scored once their batch is whole and its seal is
// verified (package seal). One that is not believed goes to vigil.dead with the
// cause, is counted by gateway and cause and told once a minute, and reaches no
// engine. Names of gateways that no key is listed for are not told apart. How far
// each gateway's chain is stands in the state file. Where a worker goes on from none,
// the first batch of each chain joins whatever came before.
//
// An epoch of a gateway ends when the gateway says so, when a later epoch of it
// ticks, or by timeout. That is counted and told, and changes no score.
//
// # Concurrency
//
// [Ingest.Run] is called once. Per owned partition there is one worker, which
// alone touches the engine, with a fetcher before it and one write of cuts and
// assessments behind it, with which goes whatever came up during the one before. All end with the generation of the consumer group.
//
// A partition that cannot be begun is tried again within its generation: the end of one
// takes every partition from its worker, and who would bring that about ten times a second
// would stop all for one whose verdicts have no leader. Reads that a quota of the brokers
// holds back are waited out; heartbeats, commits and verdicts go through connections of
// their own.
//
// # Non-obvious
//
// kafka-go's group Reader serves stale records after a rebalance; that is why
// this package works on ConsumerGroup and Generation. Its Next errs in normal
// life and is called again until the group is closed.
//
// A snapshot is written only when every assessment before it is acknowledged. It
// would otherwise step over what a crash took from the writer's hands. It is taken
// before that, for scoring does not wait: a verdict would wait with it.
//
// And it is written only when the group has taken the commit of its offset. A
// process that was paused and has lost its partitions cannot commit, so no state of
// its own is ever found. Its engines in memory are believed only up to what is
// committed, or where no other epoch came between: what they saw beyond that had its
// effects under an epoch that was over.
//
// A process that was killed has said no goodbye, and its group would wait out the
// session. Its next life finds in the state's folder as which member it worked, and
// says goodbye for it.
//
// Where a topic has got a multiple of its partitions, a new one begins with what is
// its own of the state of the partition that its keys were in before. What that one
// learns after the new one has begun stays there.
//
// What is written to the disk at the end of a generation is waited for as long as the
// rebalance has left, RebalanceTimeout less Drain, and then given up: the state before it
// counts, and a longer replay leads to the same. One save of a partition runs at a time,
// so that one that was given up and ends after all meets no other. A disk that hangs while
// the engine takes an entity from its cold store holds that partition up; the process
// still ends (package analyzer).
//
// A standby is a member of the group that gets no partition while enough others work.
// Until then its disk is kept up to date by package standby, and what it takes over it
// restores from there as from state of its own.
//
// The two stages are two of these, with groups of their own: a partition of
// vigil.facets is worked where it is assigned, whoever has the requests.
//
// A topic that was deleted and made anew has the name and the offsets of the one
// before it, and another id. Cuts and state files carry that id: without it the
// facet stage would hold all that comes for taken, and a partition would pass
// over the beginning of the new topic.
//
// An engine survives its generation: state is a function of the records, so a
// partition that comes back goes on from the engine that was parked. Members of the
// group say what they hold, so that it does come back.
//
// One key that is very active and permitted, as of a service, delays the others of its
// partition in two ways, of which one is bounded. A verdict that is found waits for the
// rest of its chunk, chunkRecords at most, whosever those records are; and a record costs
// no more for having many of its key before it. In front of a record are all that came
// before it in the partition: at a load of ρ of what one core scores half of ρ/(1-ρ)
// records on average where they come by chance (Pollaczek and Khinchine), four and a half
// at nine tenths; and all that lags where the partition brings more than one core scores.
// Then it lags whatever the number of partitions or analyzers is, as a key has one
// partition; the other partitions do not.
//
// Others are not scored before it all the same. What an engine knows is not only of keys:
// the stream's clock, what a tenant's subjects have in common, the detectors, the lanes
// and where batches hang together follow from the order of the records, and an order that
// depended on what had been read by when would give other scores in a replay. One that
// depends on the offsets alone, such as the key that fills a window last, waits for the
// window to be full: it would gain what a chunk takes and cost everybody that wait. And the
// key is not spread over partitions: its session would be judged in each of them by a part
// of what it did. What bounds it is a limit on how often such a client may ask, in front of
// the gateway, which has none for who is permitted; the lag of one partition alone tells.
package ingest
