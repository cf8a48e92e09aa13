package assessment_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/assessment"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

func example() *assessment.AssessmentBatch {
	noon := timestamppb.New(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))
	return &assessment.AssessmentBatch{
		Topic: "vigil.requests", TopicId: "vXDdLZ9kS0qMZ8VX7W0mNA", Partition: 2, FirstOffset: 70, LastOffset: 79,
		Assessments: []*assessment.Assessment{{
			EventId: "e-1", EventTime: noon, StreamTime: noon, Offset: 77, Tenant: "default", Subject: "s", Session: "ss",
			Address: "203.0.113.7", Score: 4.5, SessionScore: 12.5, Action: verdict.ActionRevoke, Shadow: true,
			Evidence: []*verdict.Evidence{{
				Signal: "geo.impossible_travel", Group: "network", Nats: 4.5, RawNats: 9, Text: "Berlin to Lima in 3 minutes",
			}},
			Model: "sha256:00", SharedEpoch: 5, VerdictId: "v-1", Phase: "learning",
			Target: &verdict.Target{Kind: verdict.TargetSession, Id: "ss"},
		}},
	}
}

func TestDecodeRefuses(t *testing.T) {
	encode := func(change func(*assessment.AssessmentBatch)) []byte {
		b := example()
		change(b)
		record, err := b.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		return record
	}
	tests := map[string]struct {
		record []byte
		want   error
	}{
		"a good batch":                {encode(func(*assessment.AssessmentBatch) {}), nil},
		"a range without assessments": {encode(func(b *assessment.AssessmentBatch) { b.Assessments = nil }), nil},
		"nothing":                     {nil, assessment.ErrMalformed},
		"text":                        {[]byte("hello"), assessment.ErrMalformed},
		"no topic":                    {encode(func(b *assessment.AssessmentBatch) { b.Topic = "" }), assessment.ErrMalformed},
		"a range that ends too early": {encode(func(b *assessment.AssessmentBatch) { b.LastOffset = 69 }), assessment.ErrMalformed},
		"a range that begins below 0": {encode(func(b *assessment.AssessmentBatch) { b.FirstOffset = -1 }), assessment.ErrMalformed},
		"an offset outside the range": {encode(func(b *assessment.AssessmentBatch) { b.Assessments[0].Offset = 80 }), assessment.ErrMalformed},
		"more than a record may have": {make([]byte, assessment.RecordBytesMax+1), assessment.ErrTooLarge},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := assessment.Decode(tt.record)
			if !errors.Is(err, tt.want) {
				t.Errorf("Decode() = %v, want %v", err, tt.want)
			}
		})
	}
}

// goldens is the folder with records of version 1; see package verdict's test.
const goldens = "../../testdata/assessments/v1"

// What was written before a field was there stays as it is; the latest has every field.
func TestGoldenBatchDecodesForEver(t *testing.T) {
	var got *assessment.AssessmentBatch
	for _, name := range []string{"batch", "batch-topic-id"} {
		got = golden(t, name)
	}
	for _, m := range []proto.Message{got, got.Assessments[0]} {
		fields := m.ProtoReflect().Descriptor().Fields()
		for i := range fields.Len() {
			if !m.ProtoReflect().Has(fields.Get(i)) {
				t.Errorf("the golden %s has no %s", m.ProtoReflect().Descriptor().Name(), fields.Get(i).Name())
			}
		}
	}
}

// golden decodes a golden batch, which is written where it is missing and may be.
func golden(t *testing.T, name string) *assessment.AssessmentBatch {
	t.Helper()
	record, text := filepath.Join(goldens, name+".pb"), filepath.Join(goldens, name+".json")
	_, err := os.Stat(record)
	if err != nil && os.Getenv("UPDATE_GOLDEN") != "" {
		write(t, record, text)
	}
	b, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(b)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := assessment.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	j, err := os.ReadFile(text)
	if err != nil {
		t.Fatal(err)
	}
	want := new(assessment.AssessmentBatch)
	err = protojson.Unmarshal(j, want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("%s (-json +record):\n%s", name, diff)
	}
	return got
}

func write(t *testing.T, record, text string) {
	t.Helper()
	b, err := example().MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	j, err := protojson.MarshalOptions{UseProtoNames: true, Multiline: true}.Marshal(example())
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		os.WriteFile(record, []byte(base64.StdEncoding.EncodeToString(b)+"\n"), 0o600),
		os.WriteFile(text, append(j, '\n'), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
}

func FuzzDecode(f *testing.F) {
	record, err := example().MarshalVT()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(record)
	f.Add(record[:len(record)/2])
	f.Add(append(slices.Clone(record), 0x0a, 1, 0xff))          // A topic that is not UTF-8.
	f.Add(append(slices.Clone(record), 0xfa, 0x07, 1, 'x'))     // A field of a later version.
	f.Add(append(slices.Clone(record), 0xfb, 0x07, 0xf4, 0x07)) // A group that ends as another.
	f.Fuzz(func(t *testing.T, record []byte) {
		b, err := assessment.Decode(record)
		if err != nil {
			return
		}
		strict := new(assessment.AssessmentBatch)
		if proto.Unmarshal(record, strict) == nil {
			if diff := cmp.Diff(strict, b, protocmp.Transform()); diff != "" {
				t.Fatalf("protobuf's own decoder reads something else (-protobuf +Decode):\n%s", diff)
			}
		}
		again, err := b.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		if len(again) > assessment.RecordBytesMax {
			return // Default values that were written out may not fit twice.
		}
		b2, err := assessment.Decode(again)
		if err != nil {
			t.Fatalf("own record does not decode: %v", err)
		}
		if diff := cmp.Diff(b, b2, protocmp.Transform(), protocmp.IgnoreUnknown()); diff != "" {
			t.Fatalf("round trip (-want +got):\n%s", diff)
		}
	})
}
