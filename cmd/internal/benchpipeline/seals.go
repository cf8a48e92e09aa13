package benchpipeline

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"time"

	"github.com/vigil-gateway/vigil/schemas/seal"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// The gateway that has written the load, and the keys of all.
const (
	gateway     = "gw-1"
	gatewayKey  = "gw-1-key"
	analyzerKey = "a"
)

// key is the key of a name: of a measurement, which keeps nothing secret.
func key(name string) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte(fmt.Sprintf("%-32s", name)))
}

func public(name string) ed25519.PublicKey {
	return ed25519.PublicKey(key(name)[ed25519.SeedSize:])
}

// newKeys lists the analyzer's key and the gateway's.
func newKeys() (*verdict.KeySet, error) {
	file, err := verdict.SignKeySet(key("root"), []verdict.Key{
		{ID: analyzerKey, Class: verdict.ClassAnalyzer, Public: public(analyzerKey)},
		{ID: gatewayKey, Class: verdict.ClassGateway, Public: public(gatewayKey), Gateway: gateway},
	})
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	keys, err := verdict.OpenKeySet(public("root"), file)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return keys, nil
}

// view is what of a record is sealed.
func (l *load) view(r *record) seal.Record {
	return seal.Record{Key: l.of(r.key), Value: l.of(r.value), Header: func(name string) ([]byte, bool) { return l.header(r, name) }}
}

// seal seals the records as the gateway does: those of one produce request.
func (l *load) seal() error {
	signer, err := seal.NewSigner(gateway, gatewayKey, key(gatewayKey))
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	chain := seal.Chain{Epoch: 1}
	for chunk := range slices.Chunk(l.records, produceRecords) {
		views := make([]seal.Record, len(chunk))
		for i := range chunk {
			views[i] = l.view(&chunk[i])
		}
		b := signer.Seal(&chain, time.Unix(1, 0), views)
		chain.Advance(b)
		l.head(&chunk[0], seal.Header, b.Header)
	}
	return nil
}

// verify checks every seal and judges its place in the chain.
func (l *load) verify() error {
	var book seal.Book
	var refused error
	whole := 0
	c := seal.NewCollector(l.keys, seal.NewRoots(), 0, l.view)
	for i := range l.records {
		c.Add(&l.records[i], func(head *seal.Head, records []*record) {
			whole += len(records)
			if j := book.Judge(head); j.Cause != "" {
				refused = fmt.Errorf("verify: batch up to record %d is refused: %s", i, j.Cause)
			}
		})
	}
	if refused == nil && whole != len(l.records) {
		refused = fmt.Errorf("verify: %d of %d records are in whole batches", whole, len(l.records))
	}
	return refused
}
