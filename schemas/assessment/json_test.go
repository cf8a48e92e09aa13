package assessment_test

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/assessment"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// viaEncodingJSON is what AppendJSON promises to write.
func viaEncodingJSON(t *testing.T, a *assessment.Assessment) string {
	t.Helper()
	type plain assessment.Assessment
	at := func(ts *timestamppb.Timestamp) *time.Time {
		if ts == nil {
			return nil
		}
		v := ts.AsTime()
		return &v
	}
	b, err := json.Marshal(struct {
		EventTime  *time.Time `json:"event_time,omitempty"`
		StreamTime *time.Time `json:"stream_time,omitempty"`
		Score      float64    `json:"score"`
		*plain
	}{at(a.EventTime), at(a.StreamTime), a.Score, (*plain)(a)})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// full has every field there is, by reflection, so that a new one cannot be
// forgotten.
func full() *assessment.Assessment {
	a := new(assessment.Assessment)
	fill(a.ProtoReflect(), 1)
	return a
}

func fill(m protoreflect.Message, seed int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case f.IsList():
			for j := range 2 {
				fill(m.Mutable(f).List().AppendMutable().Message(), j)
			}
		case f.Message() != nil:
			fill(m.Mutable(f).Message(), seed)
		default:
			m.Set(f, value(f.Kind(), seed+i))
		}
	}
}

func value(kind protoreflect.Kind, n int) protoreflect.Value {
	switch kind { //nolint:exhaustive // The others are in no assessment, and the default says so once one is.
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(strings.Repeat("ab", n+1))
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(n))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(int64(n))
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(uint64(n))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(float64(n) / 7)
	default:
		panic("no value of kind " + kind.String())
	}
}

func TestAppendJSONWritesWhatEncodingJSONWrites(t *testing.T) {
	tests := map[string]func(*assessment.Assessment){
		"every field":            func(*assessment.Assessment) {},
		"nothing":                func(a *assessment.Assessment) { a.Reset() },
		"a score of nothing":     func(a *assessment.Assessment) { a.Score, a.SessionScore = 0, 0 },
		"a target without an id": func(a *assessment.Assessment) { a.Target = &verdict.Target{Kind: "session"} },
		"a target of nothing":    func(a *assessment.Assessment) { a.Target = new(verdict.Target) },
		"evidence of nothing":    func(a *assessment.Assessment) { a.Evidence = []*verdict.Evidence{{}, {}} },
		"evidence of nats alone": func(a *assessment.Assessment) {
			a.Evidence = []*verdict.Evidence{{Nats: -1}, {RawNats: 2}, {Hard: true}}
		},
		"a tiny and a huge number":     func(a *assessment.Assessment) { a.Score, a.SessionScore = 1e-9, 1e300 },
		"numbers at the borders":       func(a *assessment.Assessment) { a.Score, a.SessionScore = 1e-6, 1e21 },
		"a negative zero":              func(a *assessment.Assessment) { a.Score = math.Copysign(0, -1) },
		"a negative number":            func(a *assessment.Assessment) { a.Score = -0.1 },
		"marks that pages give sense":  func(a *assessment.Assessment) { a.Subject = `<a href="x">&\` },
		"characters that are none":     func(a *assessment.Assessment) { a.Subject = "a\x00\n\t\u2028\xff\x7f" },
		"characters outside ASCII":     func(a *assessment.Assessment) { a.Subject = "Zoë 日本 😀" },
		"a time of whole seconds":      func(a *assessment.Assessment) { a.EventTime = &timestamppb.Timestamp{Seconds: 1} },
		"a time before 1970":           func(a *assessment.Assessment) { a.EventTime = &timestamppb.Timestamp{Seconds: -1, Nanos: 5} },
		"an offset below the smallest": func(a *assessment.Assessment) { a.Offset = math.MinInt64 },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			a := full()
			change(a)
			want := viaEncodingJSON(t, a)
			if got := string(assessment.AppendJSON([]byte("before"), a)); got != "before"+want {
				t.Errorf("AppendJSON() = %s\nwant before%s", got, want)
			}
		})
	}
}

func TestAppendJSONOfWhatIsNoNumber(t *testing.T) {
	got := string(assessment.AppendJSON(nil, &assessment.Assessment{Score: math.NaN(), SessionScore: math.Inf(1)}))
	if want := `{"score":null,"session_score":null}`; got != want {
		t.Errorf("AppendJSON() = %s, want %s", got, want)
	}
}

// TestBatchIsTheRecord compares batches with the encoding of the whole message.
func TestBatchIsTheRecord(t *testing.T) {
	var b assessment.Batch
	var list []*assessment.Assessment
	for offset := range int64(5) {
		a := full()
		a.Offset = 10 + 2*offset
		list = append(list, proto.CloneOf(a))
		err := b.Add(a)
		if err != nil {
			t.Fatal(err)
		}
		a.Reset() // Nothing of it is kept.
	}
	each := list[0].SizeVT() + 8
	tests := map[string]struct {
		bytesMax int
		sizes    []int
	}{
		"all fit":                       {10 * each, []int{5}},
		"two at a time":                 {2 * each, []int{2, 2, 1}},
		"one is more than there may be": {1, []int{1, 1, 1, 1, 1}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			next, n, rest := int64(7), 0, list
			err := b.Records("vigil.requests", "id", 3, 7, 30, tt.bytesMax, func(first, last int64, record []byte) {
				if n >= len(tt.sizes) {
					t.Fatalf("more than %d records", len(tt.sizes))
				}
				part := rest[:tt.sizes[n]]
				rest = rest[tt.sizes[n]:]
				want, err := (&assessment.AssessmentBatch{Topic: "vigil.requests", TopicId: "id", Partition: 3, FirstOffset: first, LastOffset: last, Assessments: part}).MarshalVT()
				if err != nil || !bytes.Equal(record, want) {
					t.Errorf("record %d differs from the encoded message, %v", n, err)
				}
				if first != next {
					t.Errorf("record %d begins at %d, want %d", n, first, next)
				}
				_, err = assessment.Decode(record)
				if err != nil {
					t.Error(err)
				}
				next = last + 1
				n++
			})
			if err != nil || n != len(tt.sizes) || next != 31 {
				t.Errorf("%d records up to %d, %v; want %d up to 31", n, next, err, len(tt.sizes))
			}
		})
	}
	b.Reset()
	err := b.Records("t", "", 0, 0, 9, 1, func(int64, int64, []byte) { t.Error("a record of nothing") })
	if err != nil || b.Len() != 0 {
		t.Errorf("%d left, %v", b.Len(), err)
	}
}

// TestOneOffsetIsOneRecord puts several assessments of each offset into a batch, as
// the facet stage does.
func TestOneOffsetIsOneRecord(t *testing.T) {
	var b assessment.Batch
	for offset, n := range []int{1, 3, 2} {
		for range n {
			a := full()
			a.Offset = int64(offset)
			err := b.Add(a)
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	each := full().SizeVT() + 8
	tests := map[string]struct {
		bytesMax int
		want     []int
	}{
		"an offset that does not fit begins the next": {3 * each, []int{1, 3, 2}},
		"what fits is one record":                     {5 * each, []int{4, 2}},
		"an offset is never cut":                      {each, []int{1, 3, 2}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []int
			err := b.Records("vigil.facets", "", 0, 0, 2, tt.bytesMax, func(_, _ int64, record []byte) {
				list, err := assessment.Decode(record)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, len(list.Assessments))
			})
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("records of %v assessments, %v; want %v", got, err, tt.want)
			}
		})
	}
}
