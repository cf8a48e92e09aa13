package keys

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// ErrRootOffline means that the root's private key is not there, without which no
// key can be added to the set.
var ErrRootOffline = errors.New("the root's private key is not here")

// gatewayID is an id that can stand in the name of a file and in a key's id.
var gatewayID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$`)

// GatewayKey names the file of the key by which a gateway seals what it writes.
func GatewayKey(dir, id string) string { return filepath.Join(dir, "keys", "gateway-"+id+".pem") }

// AddGateway makes a gateway's key in dir where there is none, and lists it in the
// key set. It reports whether the set is another one now. The error wraps
// [ErrRootOffline] where that would take the root's key.
func AddGateway(dir, id string, now time.Time) (added bool, err error) {
	if !gatewayID.MatchString(id) {
		return false, fmt.Errorf("gateway %q: an id that names a key has 1 to 48 letters, digits, dots, dashes and underscores", id)
	}
	p := In(dir)
	set, err := p.open()
	if err != nil {
		return false, err
	}
	key, err := ensureKey(GatewayKey(dir, id))
	if err != nil {
		return false, err
	}
	public := key.Public().(ed25519.PublicKey) //nolint:forcetypeassert // Of an Ed25519 key.
	if _, listed := set.GatewayKid(id, public); listed {
		return false, nil
	}
	_, err = os.Stat(p.RootKey)
	if errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("%s: %w", p.RootKey, ErrRootOffline)
	}
	set, root, err := p.rootFor(p.RootKey)
	if err != nil {
		return false, err
	}
	kid := "gateway-" + id
	for n := 2; ; n++ {
		if _, taken := set.Gateway(kid); !taken {
			break
		}
		kid = fmt.Sprintf("gateway-%s-%d", id, n)
	}
	k := verdict.Key{ID: kid, Class: verdict.ClassGateway, Public: public, Gateway: id}
	if set.Seals(id) {
		k.From = now // From when it has spoken, the keys before it are retired.
	}
	list := set.List()
	list.Version, list.Made, list.NextRoot, list.Keys = list.Version+1, now, nil, append(list.Keys, k)
	return true, p.publish(list, root, nil)
}
