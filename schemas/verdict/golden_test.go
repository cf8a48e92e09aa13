package verdict_test

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// goldens is the folder with records of version 1: NAME.jws or NAME.pb
// (base64) as they were in a topic or file, NAME.json what they say. The keys
// are those of these tests. A file that is here is never changed; UPDATE_GOLDEN
// writes those that are missing.
const goldens = "../../testdata/verdicts/v1"

func goldenVerdict() *verdict.Verdict {
	return &verdict.Verdict{
		Id: "v-1", Time: timestamppb.New(noon), Epoch: 3, Seq: 4, Authority: verdict.AuthorityOperator, Tenant: "default",
		Target: &verdict.Target{Kind: verdict.TargetSession, Id: "s-1"}, Action: verdict.ActionRevoke,
		Until: timestamppb.New(noon.Add(time.Hour)), NotBefore: timestamppb.New(noon), Score: 12.5,
		Evidence: []*verdict.Evidence{{
			Signal: "geo.impossible_travel", Group: "network", Nats: 4.5, RawNats: 9, Text: "Berlin to Lima in 3 minutes",
			Hard: true, Technique: "T1078",
		}},
		Model: "sha256:00", Origin: "operator", PublicText: "Please sign in again.", OperatorText: "seen by hand",
		Cause: &verdict.Cause{
			EventId: "e-1", Topic: "vigil.requests", Partition: 2, Offset: 77, EventTime: timestamppb.New(noon),
			Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		},
		Clears:      []*verdict.Clear{{Authority: verdict.AuthoritySubject, Epoch: 3, Seq: 2}},
		SupportCode: "VG-ABCD-EFGH", Subject: "7S2c2p2ElWBFwhWrRzlREQ",
	}
}

func goldenHeartbeat() *verdict.Heartbeat {
	return &verdict.Heartbeat{
		Time: timestamppb.New(noon), Epoch: 3, Seq: 9, Authority: verdict.AuthoritySubject, Partition: 2,
		ScoredThrough: []*verdict.LanePosition{{Gateway: "gw-1", Epoch: 7, Lane: 3, Seq: 41}},
	}
}

func goldenEnforcement() *verdict.Enforcement {
	return &verdict.Enforcement{
		Id: "f-1", Time: timestamppb.New(noon), Gateway: "gw-1", Tenant: "default", VerdictId: "v-1",
		Target: &verdict.Target{Kind: verdict.TargetSession, Id: "s-1"}, Action: verdict.ActionRevoke, Stream: "websocket",
		Session: "s-1", Subject: "7S2c2p2ElWBFwhWrRzlREQ", RequestId: "r-1", Route: "feed", EventToCutUs: 12_345, ApplyUs: 67,
		BytesOut: 89, SupportCode: "VG-ABCD-EFGH",
	}
}

// stored returns a golden file, which it writes first where it is missing and
// that is asked for.
func stored(t *testing.T, name string, record func() ([]byte, error)) []byte {
	t.Helper()
	path := filepath.Join(goldens, name)
	_, err := os.Stat(path)
	if err != nil && os.Getenv("UPDATE_GOLDEN") != "" {
		b, err := record()
		if err != nil {
			t.Fatal(err)
		}
		err = os.WriteFile(path, append(b, '\n'), 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(b)
}

// says compares a message with the JSON beside its record.
func says(t *testing.T, name string, got, example proto.Message) {
	t.Helper()
	text := stored(t, name, func() ([]byte, error) {
		return protojson.MarshalOptions{UseProtoNames: true, Multiline: true}.Marshal(example)
	})
	want := got.ProtoReflect().New().Interface()
	err := protojson.Unmarshal(text, want)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("%s (-json +record):\n%s", name, diff)
	}
}

func TestGoldenRecordsOpenForEver(t *testing.T) {
	file := stored(t, "keyset.jws", func() ([]byte, error) { return verdict.SignKeySet(key(root), keys()) })
	set, err := verdict.OpenKeySet(public(root), file)
	if err != nil {
		t.Fatalf("keyset.jws: %v", err)
	}
	t.Run("verdict", func(t *testing.T) {
		example := goldenVerdict()
		record := stored(t, "verdict.jws", func() ([]byte, error) {
			return verdict.NewSigner("operator-1", key(operator)).Verdict(example)
		})
		m, err := set.Open(record)
		if err != nil || m.Verdict == nil {
			t.Fatalf("Open() = %v, %v", m, err)
		}
		says(t, "verdict.json", m.Verdict, example)
	})
	t.Run("verdict of a topic with an id", func(t *testing.T) {
		example := goldenVerdict()
		example.Cause.TopicId = "0af7651916cd43dd8448eb211c80319c"
		record := stored(t, "verdict-topic-id.jws", func() ([]byte, error) {
			return verdict.NewSigner("operator-1", key(operator)).Verdict(example)
		})
		m, err := set.Open(record)
		if err != nil || m.Verdict == nil {
			t.Fatalf("Open() = %v, %v", m, err)
		}
		says(t, "verdict-topic-id.json", m.Verdict, example)
		whole(t, m.Verdict)
	})
	t.Run("heartbeat", func(t *testing.T) {
		example := goldenHeartbeat()
		record := stored(t, "heartbeat.jws", func() ([]byte, error) {
			return verdict.NewSigner("analyzer-1", key(analyzer)).Heartbeat(example)
		})
		m, err := set.Open(record)
		if err != nil || m.Heartbeat == nil {
			t.Fatalf("Open() = %v, %v", m, err)
		}
		says(t, "heartbeat.json", m.Heartbeat, example)
		whole(t, m.Heartbeat)
	})
	t.Run("enforcement", func(t *testing.T) {
		example := goldenEnforcement()
		text := stored(t, "enforcement.pb", func() ([]byte, error) {
			b, err := example.MarshalVT()
			return []byte(base64.StdEncoding.EncodeToString(b)), err
		})
		record, err := base64.StdEncoding.DecodeString(string(text))
		if err != nil {
			t.Fatal(err)
		}
		got, err := verdict.DecodeEnforcement(record)
		if err != nil {
			t.Fatal(err)
		}
		says(t, "enforcement.json", got, example)
		whole(t, got)
	})
}

// whole fails where a field of a golden message is not set: it would not be
// known to decode.
func whole(t *testing.T, m proto.Message) {
	t.Helper()
	fields := m.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if !m.ProtoReflect().Has(f) {
			t.Errorf("the golden %s has no %s", m.ProtoReflect().Descriptor().Name(), f.Name())
		}
		switch {
		case f.Kind() != protoreflect.MessageKind || f.Message().FullName() == "google.protobuf.Timestamp":
		case f.IsList():
			for j := range m.ProtoReflect().Get(f).List().Len() {
				whole(t, m.ProtoReflect().Get(f).List().Get(j).Message().Interface())
			}
		default:
			whole(t, m.ProtoReflect().Get(f).Message().Interface())
		}
	}
}
