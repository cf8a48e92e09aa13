package fetch_test

import (
	"context"
	"errors"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/vigil-gateway/vigil/schemas/fetch"
)

const name = "t"

// rig is a broker with one partition.
type rig struct {
	t         *testing.T
	cluster   *kfake.Cluster
	transport *kafka.Transport
	client    *kafka.Client
	reader    *fetch.Reader
}

func newRig(t *testing.T, opts ...kfake.Opt) *rig {
	t.Helper()
	c, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1), kfake.SeedTopics(1, name))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	tr := &kafka.Transport{ClientID: "test"}
	t.Cleanup(tr.CloseIdleConnections)
	addr := kafka.TCP(c.ListenAddrs()...)
	return &rig{t: t, cluster: c, transport: tr, client: &kafka.Client{Addr: addr, Transport: tr}, reader: fetch.New(tr, addr)}
}

func (r *rig) write(values ...string) {
	r.t.Helper()
	records := make([]kafka.Record, len(values))
	for i, v := range values {
		records[i] = kafka.Record{Value: kafka.NewBytes([]byte(v)), Headers: []kafka.Header{{Key: "h", Value: []byte(v)}}}
	}
	resp, err := r.client.Produce(r.t.Context(), &kafka.ProduceRequest{Topic: name, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...)})
	if err == nil {
		err = resp.Error
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) read(ctx context.Context, offset int64, wait time.Duration) (fetch.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return r.reader.Read(ctx, fetch.Request{Topic: name, Offset: offset, BytesMax: 1 << 20, Wait: wait})
}

func values(a fetch.Answer) string {
	all := ""
	for _, r := range a.Records {
		h, _ := r.Header("h")
		all += string(r.Value) + string(h) + " "
	}
	return all
}

// Every layout of the answer that a broker may choose is read alike.
func TestEveryVersionOfTheProtocol(t *testing.T) {
	for version, of := range map[string]*kversion.Versions{
		"v4": kversion.V0_11_0(), "v6": kversion.V1_0_0(), "v8": kversion.V2_0_0(), "v10": kversion.V2_1_0(), "v11": kversion.V2_3_0(), "the newest": nil,
	} {
		t.Run(version, func(t *testing.T) {
			var opts []kfake.Opt
			if of != nil {
				opts = append(opts, kfake.MaxVersions(of))
			}
			r := newRig(t, opts...)
			r.write("a", "b")
			r.write("c")
			got, err := r.read(t.Context(), 0, time.Second)
			if err != nil || got.Broken != nil {
				t.Fatal(err, got.Broken)
			}
			if values(got) != "aa bb cc " || got.Next != 3 || got.End != 3 {
				t.Errorf("read %q, next %d of %d", values(got), got.Next, got.End)
			}
		})
	}
}

func TestReadInTheMiddleOfABatch(t *testing.T) {
	r := newRig(t)
	r.write("a", "b", "c")
	got, err := r.read(t.Context(), 2, time.Second)
	if err != nil || len(got.Records) == 0 || got.Records[len(got.Records)-1].Offset != 2 || got.Next != 3 {
		t.Errorf("%q up to %d, %v", values(got), got.Next, err)
	}
}

// A broker that has nothing holds the request open until there is a record.
func TestReadWaits(t *testing.T) {
	r := newRig(t)
	got, err := r.read(t.Context(), 0, 10*time.Millisecond)
	if err != nil || len(got.Records) > 0 || got.Next != 0 || got.End != 0 {
		t.Errorf("an empty partition: %q up to %d of %d, %v", values(got), got.Next, got.End, err)
	}
	type outcome struct {
		fetch.Answer
		error
	}
	done := make(chan outcome, 1)
	go func() {
		a, err := r.read(t.Context(), 0, 9*time.Second)
		done <- outcome{a, err}
	}()
	r.write("a")
	o := <-done
	if o.error != nil || values(o.Answer) != "aa " {
		t.Errorf("waited for %q, %v", values(o.Answer), o.error)
	}
}

func TestReadFails(t *testing.T) {
	r := newRig(t)
	_, err := r.read(t.Context(), 7, time.Second)
	if !errors.Is(err, kafka.OffsetOutOfRange) {
		t.Errorf("beyond the end: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = r.read(ctx, 0, time.Second)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("after the caller has given up: %v", err)
	}
	other := &kafka.Transport{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network") }}
	t.Cleanup(other.CloseIdleConnections)
	_, err = fetch.New(other, kafka.TCP("127.0.0.1:1")).Read(t.Context(), fetch.Request{Topic: name, BytesMax: 1 << 20, Wait: time.Millisecond})
	if err == nil {
		t.Error("no broker: no error")
	}
}

// Whoever may write to a topic cannot keep others from being read, with a batch that
// unpacks to more than is read or one that is more.
func TestABatchThatIsTooLargeIsPassedOver(t *testing.T) {
	tests := map[string]struct {
		packing kafka.Compression
		bytes   int
		broken  bool
	}{
		"a bomb":                     {kafka.Zstd, 40 << 20, true},
		"one that is just not":       {kafka.Zstd, 30 << 20, false},
		"one that is large as it is": {0, 40 << 20, true},
		"one that is not too large":  {0, 30 << 20, false},
	}
	for which, tt := range tests {
		t.Run(which, func(t *testing.T) {
			r := newRig(t, kfake.BrokerConfigs(map[string]string{"message.max.bytes": strconv.Itoa(64 << 20)}))
			r.write("before")
			resp, err := r.client.Produce(t.Context(), &kafka.ProduceRequest{
				Topic: name, RequiredAcks: kafka.RequireAll, Compression: tt.packing,
				Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes(make([]byte, tt.bytes))}),
			})
			if err == nil {
				err = resp.Error
			}
			if err != nil {
				t.Fatal(err)
			}
			r.write("behind")
			all, large, broken := "", 0, error(nil)
			for next, reads := int64(0), 0; next < 3; reads++ {
				got, err := r.read(t.Context(), next, time.Second)
				if err != nil || got.Next <= next && reads > 9 {
					t.Fatalf("at %d: up to %d, %v", next, got.Next, err)
				}
				next, broken = got.Next, errors.Join(broken, got.Broken)
				for _, rec := range got.Records {
					if len(rec.Value) > 99 {
						large++
						continue
					}
					all += string(rec.Value) + " "
				}
			}
			if all != "before behind " || (broken != nil) != tt.broken || (large == 1) == tt.broken {
				t.Errorf("read %q and %d large ones, broken: %v", all, large, broken)
			}
		})
	}
}
