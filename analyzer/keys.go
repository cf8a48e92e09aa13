package analyzer

import (
	"context"
	"errors"
	"fmt"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/schemas/keyfile"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// openKeys reads the key set and the private keys. Where the key set's file is older
// than what was in force here, that goes on being in force.
func (a *Analyzer) openKeys() error {
	c := a.config
	set, err := keyfile.KeySetOver(c.Keys.RootPublicFile, c.Keys.KeySetFile, c.State.Dir)
	switch {
	case errors.Is(err, verdict.ErrRollback):
		a.logger.Error("key set is refused, the one that was in force stays", "error", err)
	case err != nil:
		return err
	}
	a.keys = verdict.NewRing(set, a.now)
	a.signing, err = announce.OpenSigning(c.Announce, a.keys, a.now)
	return err
}

// reloadKeys puts the key set and the private keys of c in force.
func (a *Analyzer) reloadKeys(ctx context.Context, c Config) error {
	set, err := keyfile.KeySetOver(c.Keys.RootPublicFile, c.Keys.KeySetFile, a.config.State.Dir)
	if err != nil {
		return err
	}
	err = a.signing.Reload(c.Announce, set)
	if err != nil {
		return err
	}
	changed, err := a.keys.Swap(set)
	if err != nil {
		return fmt.Errorf("keys.key_set_file: %w", err)
	}
	if changed {
		a.logger.InfoContext(ctx, "key set in force", "version", set.List().Version, "signs", a.signing.Kid())
	}
	return nil
}

// listed opens what stands in topics, by whatever key is listed now: history does not
// change because a key has ended.
type listed struct{ ring *verdict.Ring }

func (l listed) Open(record []byte) (verdict.Message, error) { return l.ring.Listed().Open(record) } //nolint:wrapcheck // Says it all.

// Gateway is [verdict.KeySet.Gateway] of the set in force.
func (l listed) Gateway(kid string) (verdict.Key, bool) { return l.ring.Listed().Gateway(kid) }

// Seals is [verdict.KeySet.Seals] of the set in force.
func (l listed) Seals(gateway string) bool { return l.ring.Listed().Seals(gateway) }

// Sealing reports whether a key is listed for any gateway.
func (l listed) Sealing() bool { return l.ring.Listed().Sealing() }
