package seal_test

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/seal"
)

// sizes are records per batch: alone, in a quiet hour, in a full one.
var sizes = []int{1, 10, 500}

// ordinary are n records of a size that is usual.
func ordinary(b *testing.B, n int) []seal.Record {
	b.Helper()
	value, err := event.Append(nil, &event.RequestEvent{
		Kind: event.KindRequest, Phase: event.PhaseComplete, Id: "019a5f3e-7b1c-7f00-8000-0123456789ab", RequestId: "019a5f3e-7b1c-7f00-8000-0123456789ab",
		Time: timestamppb.New(noon), Gateway: "gw-1", Epoch: 7, Lane: 3, Seq: 12345, Tenant: "default",
		Subject: "b8a1c4d7e2f3a4b5c6d7e8f90a1b2c3d", Issuer: "https://id.example/realms/main", Session: "019a5f3e-aaaa-7f00-8000-0123456789ab",
		ClientId: "web", Address: "198.51.100.23", Asn: 64500, Country: "CH", Ja4: "t13d1516h2_8daaf6152771_02713d6af862",
		UserAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
		Method:    "GET", Host: "app.example", Path: "/accounts/4711/statements", Route: "accounts", Status: 200, Decision: event.DecisionPermit, BytesOut: 5120, DurationUs: 8000,
	})
	if err != nil {
		b.Fatal(err)
	}
	headers := map[string][]byte{
		"ce_id": []byte("019a5f3e-7b1c-7f00-8000-0123456789ab"), "ce_source": []byte(seal.SourcePrefix + "gw-1"), "ce_type": []byte("io.vigil.request.v1"),
		"ce_time": []byte("2026-01-31T12:00:00.123456789Z"), "content-type": []byte("application/protobuf"),
		"traceparent": []byte("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
	}
	out := make([]seal.Record, n)
	for i := range out {
		out[i] = seal.Record{Key: make([]byte, 42), Value: value, Header: func(name string) ([]byte, bool) {
			v, ok := headers[name]
			return v, ok
		}}
	}
	return out
}

func perEvent(b *testing.B, n int) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/event")
}

// What a seal costs the gateway, per event.
func BenchmarkSeal(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint("records=", n), func(b *testing.B) {
			p, records := newProducer(b, "gw-1", "gw-1-new", 7), ordinary(b, n)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				p.chain.Advance(p.signer.Seal(&p.chain, p.at, records))
			}
			perEvent(b, n)
		})
	}
}

// What the batches of a produce request cost, one of ten records in each partition, to
// the gateway and to its reader, signed together and each alone.
func BenchmarkRound(b *testing.B) {
	const records = 10
	for _, partitions := range []int{1, 4, 16} {
		for name, together := range map[string]bool{"together": true, "alone": false} {
			b.Run(fmt.Sprintf("partitions=%d/%s", partitions, name), func(b *testing.B) {
				g, all, set := newGateway(b, partitions), ordinary(b, records), keys(b)
				bare, roots := all[0].Header, seal.NewRoots()
				var readers []*seal.Collector[seal.Record]
				for i := range g {
					readers = append(readers, seal.NewCollector(set, roots, int32(i), func(r seal.Record) seal.Record { return r }))
				}
				batches := make([]*seal.Batch, partitions)
				for range b.N {
					for i, p := range g {
						batches[i] = p.signer.Draft(&p.chain, p.at, all)
						p.chain.Advance(batches[i])
						if !together {
							p.signer.Sign(batches[i : i+1])
						}
					}
					if together {
						g[0].signer.Sign(batches)
					}
					for i, c := range readers {
						first := all[0]
						first.Header = func(name string) ([]byte, bool) {
							if name == seal.Header {
								return batches[i].Header, true
							}
							return bare(name)
						}
						for _, r := range append([]seal.Record{first}, all[1:]...) {
							c.Add(r, func(head *seal.Head, _ []seal.Record) {
								if head.Cause != "" {
									b.Fatal(head.Cause)
								}
							})
						}
					}
				}
				perEvent(b, partitions*records)
			})
		}
	}
}

// What it costs a reader, per event.
func BenchmarkVerify(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint("records=", n), func(b *testing.B) {
			p, records := newProducer(b, "gw-1", "gw-1-new", 7), ordinary(b, n)
			header, bare := p.signer.Seal(&p.chain, p.at, records).Header, records[0].Header
			records[0].Header = func(name string) ([]byte, bool) {
				if name == seal.Header {
					return header, true
				}
				return bare(name)
			}
			var book seal.Book
			c := seal.NewCollector(keys(b), seal.NewRoots(), 3, func(r seal.Record) seal.Record { return r })
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				for _, r := range records {
					c.Add(r, func(head *seal.Head, _ []seal.Record) {
						if j := book.Judge(head); j.Cause != "" {
							b.Fatal(j.Cause)
						}
					})
				}
			}
			perEvent(b, n)
		})
	}
}

// What the decoding of the same event costs, to compare.
func BenchmarkDecode(b *testing.B) {
	value := ordinary(b, 1)[0].Value
	var ev event.RequestEvent
	b.ReportAllocs()
	for range b.N {
		err := event.Decode(value, &ev)
		if err != nil {
			b.Fatal(err)
		}
	}
	perEvent(b, 1)
	b.ReportMetric(float64(len(value)), "B/event")
}
