package epoch

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/vigil-gateway/vigil/scorer/profile"
	"github.com/vigil-gateway/vigil/scorer/sequence"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Epoch is what the partitions of a tenant share from one control record to the
// next.
type Epoch struct {
	Tenant string
	// Number is 1 for a tenant's first epoch and grows by 1.
	Number uint64
	// Built is the latest stream time of the summaries, in nanoseconds since 1970.
	Built int64
	Prior *sequence.Prior
	// Curves are what clean sessions of each kind of subject reach.
	Curves [sequence.KindCount]sequence.Curve
	// Adaptive are those of the adaptive test of the order.
	Adaptive [sequence.KindCount]sequence.Curve
	// Steps are the events of Prior by hash.
	Steps sequence.Marginal
	// Concentrations are how many observations of a subject's habit the peers' is
	// worth, by habit; 0 where that is not known.
	Concentrations [Habits]float64
	// Groups are those of peer groups.
	Groups GroupConcentrations
	// Origin is the number of the epoch whose content this is, its own where it was
	// built of summaries: what was random in that one is the same here.
	Origin uint64
	// Detectors are those of package anomaly, by name.
	Detectors []Detector

	layout byte // Of its bytes.
	digest string
}

// Build merges the latest summary of each partition into the epoch after
// previous, nil for none, and after those that are in force anywhere. Of two summaries of one partition the later
// counts. It returns nil where there is no summary.
//
// A kind of subject whose tail holds too few sessions for a fit keeps its curve, and
// a detector that has too few rows keeps those.
func Build(previous *Epoch, summaries ...*Summary) *Epoch {
	return BuildAfter(previous, 0, summaries...)
}

// BuildAfter is Build where epochs up to a number were built since previous, none of
// which is in force: its number is above theirs, and it keeps nothing of them.
func BuildAfter(previous *Epoch, number uint64, summaries ...*Summary) *Epoch {
	list := latest(summaries)
	if len(list) == 0 {
		return nil
	}
	e := &Epoch{Tenant: list[0].Tenant, Number: number + 1, layout: version}
	if previous != nil {
		e.Number = max(e.Number, previous.Number+1)
		e.Curves, e.Adaptive, e.Concentrations = previous.Curves, previous.Adaptive, previous.Concentrations
		e.Groups = previous.Groups
	}
	whole, likelihoods, groups := sequence.NewShared(), [Habits]profile.Likelihood{}, new(GroupLikelihoods)
	for _, s := range list {
		for i := range likelihoods {
			likelihoods[i].Merge(&s.Likelihoods[i])
		}
		groups.merge(&s.Groups)
		whole.Merge(s.Sequence)
		e.Number = max(e.Number, s.Epoch+1)
		e.Built = max(e.Built, s.At)
	}
	e.Prior, e.Steps = whole.Prior, whole.Steps
	for i := range whole.Tails {
		curve, ok := whole.Tails[i].Fit()
		if ok {
			e.Curves[i] = curve
		}
		curve, ok = whole.Adaptive[i].Fit()
		if ok {
			e.Adaptive[i] = curve
		}
	}
	for i := range likelihoods {
		a, ok := likelihoods[i].Best()
		if ok {
			e.Concentrations[i] = a
		}
	}
	e.Groups.fit(groups)
	e.Origin = e.Number
	e.join(previous, list)
	e.finish()
	return e
}

// Again is an epoch of another number with the same content: numbers only grow, so
// whoever goes back to an earlier epoch puts its content in force as a later one.
func (e *Epoch) Again(number uint64) *Epoch {
	again := *e
	again.Number, again.layout = number, version
	again.Detectors = slices.Clone(e.Detectors) // What is derived is written there, and e may be in force.
	again.finish()
	return &again
}

// latest is one summary of each partition, by partition.
func latest(summaries []*Summary) []*Summary {
	list := slices.Clone(summaries)
	slices.SortStableFunc(list, func(a, b *Summary) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(b.At, a.At))
	})
	return slices.CompactFunc(list, func(a, b *Summary) bool { return a.Partition == b.Partition })
}

// Digest is the SHA-256 of the epoch's bytes, in hexadecimal.
func (e *Epoch) Digest() string { return e.digest }

// Encode returns the sealed bytes of an epoch.
func (e *Epoch) Encode() []byte {
	k := snapshot.Writer()
	e.code(k)
	return seal(magicEpoch, e.layout, k.Bytes())
}

// Decode reads what Encode wrote. The error wraps [ErrFormat], [ErrVersion] or
// [ErrChecksum].
func Decode(b []byte) (*Epoch, error) {
	k, layout, err := open(magicEpoch, b)
	if err != nil {
		return nil, fmt.Errorf("read epoch: %w", err)
	}
	e := &Epoch{Prior: sequence.NewPrior(), layout: layout}
	e.code(k)
	err = k.Err()
	if err != nil || e.Number == 0 || len(e.Tenant) > TenantBytesMax {
		return nil, fmt.Errorf("read epoch: %w", ErrFormat)
	}
	e.finish()
	return e, nil
}

// finish makes what is derived from the content.
func (e *Epoch) finish() {
	e.refer()
	sum := sha256.Sum256(e.Encode())
	e.digest = hex.EncodeToString(sum[:])
}

// code writes or reads the epoch. Where it writes it changes nothing: partitions
// that share an epoch write it into their snapshots at the same time.
func (e *Epoch) code(k *snapshot.Codec) {
	k.Str(&e.Tenant)
	k.U64(&e.Number)
	k.I64(&e.Built)
	e.Prior.Code(k)
	for i := range e.Curves {
		e.Curves[i].Code(k)
	}
	e.Steps.Code(k)
	for i := range e.Concentrations {
		k.F64(&e.Concentrations[i])
		if k.Reading() {
			e.Concentrations[i] = min(1e6, max(0, e.Concentrations[i]))
		}
	}
	if e.layout == versionBare {
		e.Origin = e.Number
		return
	}
	k.U64(&e.Origin)
	codeDetectors(k, &e.Detectors)
	e.Groups.code(k)
	if e.layout == versionGroups {
		return
	}
	for i := range e.Adaptive {
		e.Adaptive[i].Code(k)
	}
}
