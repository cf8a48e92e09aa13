// Package brokertest gives tests Apache Kafka, each a broker of its own.
//
//	test --Apache--> broker.Apache, started
//
// # Contract
//
// The broker and its directory end with the test. A missing engine fails the test; "make
// engines" fetches it.
//
// # Concurrency
//
// Apache is safe for concurrent use.
package brokertest

import (
	"context"
	"testing"

	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
)

// Apache starts Apache Kafka in a directory of the test's own, which ends with the test,
// with properties such as num.io.threads=2. ctx bounds the start.
func Apache(ctx context.Context, tb testing.TB, properties ...string) *broker.Apache {
	tb.Helper()
	a, err := broker.NewApache(ctx, broker.ApacheOptions{Dir: tb.TempDir(), Properties: properties})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(a.Kill)
	err = a.Start(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}
