// Package recovery measures how long nobody is judged after an analyzer was killed.
//
//	parent: broker, ClickHouse, a state of N entities
//	  ├─ child: analyzer --kill -9--> child: analyzer on the same disk --kill -9--> child on another disk
//	  └─ child: analyzer, child: its standby on another disk --ClickHouse goes, kill -9--> the standby alone
//
// # Contract
//
// It holds tests alone. The child is this package's own test binary, which runs an
// analyzer of the given configuration instead of tests; a real SIGKILL ends it. The
// gap is the time from the kill to the first assessment in the slowest partition,
// of an event that was there when the analyzer was killed. It is printed with -v;
// sizes are flags:
//
//	go test ./cmd/internal/recovery -run 'TestGap|TestStandby' -v -args -entities 1000000 -partitions 8
//
// # Concurrency
//
// One child runs at a time, or an analyzer and its standby.
//
// # Non-obvious
//
// An analyzer that comes back to its own disk says goodbye for the member that it
// was. One on another machine cannot: its gap contains the session timeout of the
// group. So does that of a standby, which has no more to do than one on the same disk.
package recovery
