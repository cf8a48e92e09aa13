package epochs

import (
	"bytes"
	"strconv"

	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/scorer/epoch"
)

// Kinds of record in the control topic that are this package's.
const (
	kindSummary    = "summary"
	kindEpoch      = "epoch"
	kindActivation = "activation"
)

// attributeEnvelope is the attribute of a control event with the signature.
const attributeEnvelope = "epoch.envelope"

func summaryKey(s source) []byte {
	return topic.ControlKey(s.tenant, kindSummary, strconv.Itoa(int(s.partition)))
}

func epochKey(ref epoch.Reference) []byte {
	return topic.ControlKey(ref.Tenant, kindEpoch, strconv.FormatUint(ref.Number, 10)+"-"+ref.Digest)
}

func activationKey(tenant string) []byte { return topic.ControlKey(tenant, kindActivation, kindEpoch) }

// kindOf is the tenant and the kind of a record, false for a key that is not of
// this topic's form.
func kindOf(key []byte) (tenant, kind string, ok bool) {
	parts := bytes.Split(key, []byte{0})
	if len(parts) != 3 {
		return "", "", false
	}
	return string(parts[0]), string(parts[1]), true
}

// payloadOf is what an analyzer signs of an epoch.
func payloadOf(ref epoch.Reference) []byte { return epochKey(ref) }
