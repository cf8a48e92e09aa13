package revoke

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Fuse is how many sessions the analyzer's verdicts may end at this gateway, per
// tenant. It is looser than the analyzer's own guard and holds where that one does not:
// against whoever has stolen the analyzer's key. No verdict is exempt, because here
// nobody can tell a fact from a claim.
type Fuse struct {
	// Share of the tenant's sessions that this gateway has seen lately, above 0 and
	// at most 1; 1 never holds anything.
	Share float64 `mapstructure:"share"`
	// Least is how many may always be ended, at least 1.
	Least int `mapstructure:"least"`
	// Window is how long an end counts.
	Window time.Duration `mapstructure:"window"`
}

func (c Fuse) validate() error {
	var errs []error
	if !(c.Share > 0 && c.Share <= 1) {
		errs = append(errs, fmt.Errorf("fuse.share: must be above 0 and at most 1, is %g", c.Share))
	}
	if c.Least < 1 {
		errs = append(errs, fmt.Errorf("fuse.least: must be at least 1, is %d", c.Least))
	}
	if c.Window < time.Second || c.Window > 24*time.Hour {
		errs = append(errs, fmt.Errorf("fuse.window: must be between 1s and 24h, is %v", c.Window))
	}
	return errors.Join(errs...)
}

// FuseFileName is the name, in Config.Dir, of the file that says which tenants'
// fuses have blown, so that a restart does not mend them.
const FuseFileName = "fuse.json"

// errHeld means that a verdict waits until a person has released the fuse.
var errHeld = errors.New("held: the analyzer's verdicts would end too many sessions")

// fuse counts what the analyzer's verdicts end here.
type fuse struct {
	cfg      Fuse
	path     string
	sessions func(tenant string, target *verdict.Target) int

	mu    sync.Mutex
	burns map[string]*burn // By tenant.
}

// burn is what was ended of a tenant.
type burn struct {
	ends    []end
	counted time.Time // When active was.
	active  int       // The most sessions seen within the window.
	blown   time.Time // Zero where it has not.
}

type end struct {
	at       time.Time
	sessions int
}

func newFuse(c Fuse, dir string, sessions func(string, *verdict.Target) int) *fuse {
	return &fuse{cfg: c, path: filepath.Join(dir, FuseFileName), sessions: sessions, burns: make(map[string]*burn)}
}

// ends reports whether a verdict is one that the fuse counts.
func ends(v *verdict.Verdict) bool {
	automatic := v.Authority == verdict.AuthoritySubject || v.Authority == verdict.AuthorityFacet
	return automatic && verdict.Strength(v.Action) >= verdict.Strength(verdict.ActionRevoke)
}

// allow reports whether a verdict may take effect, and whether it is the one at which
// the fuse has blown. Those that end nobody who is known here pass.
func (s *fuse) allow(v *verdict.Verdict, now time.Time) (ok, blew bool) {
	if !ends(v) || !v.Live(now) || s.cfg.Share == 1 {
		return true, false
	}
	reach := s.sessions(v.Tenant, v.Target)
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.burn(v.Tenant)
	if !b.blown.IsZero() {
		return false, false
	}
	if reach == 0 {
		return true, false
	}
	for len(b.ends) > 0 && now.Sub(b.ends[0].at) >= s.cfg.Window {
		b.ends = b.ends[1:]
	}
	total := reach
	for _, e := range b.ends {
		total += e.sessions
	}
	if total > max(s.cfg.Least, int(s.cfg.Share*float64(s.active(b, v.Tenant, now)))) {
		b.blown = now
		return false, true
	}
	if last := len(b.ends) - 1; last >= 0 && now.Sub(b.ends[last].at) < s.cfg.Window/endsPerWindow {
		b.ends[last].sessions += reach // So that the list stays short.
	} else {
		b.ends = append(b.ends, end{now, reach})
	}
	return true, false
}

// active counts a tenant's sessions at most once a second: the most within the
// window, because those that were ended are gone soon.
func (s *fuse) active(b *burn, tenant string, now time.Time) int {
	if now.Sub(b.counted) >= time.Second || now.Before(b.counted) {
		if len(b.ends) == 0 {
			b.active = 0
		}
		b.active, b.counted = max(b.active, s.sessions(tenant, nil)), now
	}
	return b.active
}

func (s *fuse) burn(tenant string) *burn {
	b := s.burns[tenant]
	if b == nil {
		if len(s.burns) >= fuseTenantsMax {
			tenant = "" // The fuse that late-comers share.
			b = s.burns[tenant]
		}
		if b == nil {
			b = new(burn)
			s.burns[tenant] = b
		}
	}
	return b
}

// blown returns when each fuse has blown.
func (s *fuse) blown() map[string]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]time.Time)
	for tenant, b := range s.burns {
		if !b.blown.IsZero() {
			out[tenant] = b.blown
		}
	}
	return out
}

// mend puts a new fuse in, and reports whether the old one had blown.
func (s *fuse) mend(tenant string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.burns[tenant]
	if b == nil || b.blown.IsZero() {
		return false
	}
	delete(s.burns, tenant)
	return true
}

// load reads which fuses had blown when the last run ended.
func (s *fuse) load() error {
	b, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	blown := make(map[string]time.Time)
	if err == nil {
		err = json.Unmarshal(b, &blown)
	}
	if err != nil {
		return fmt.Errorf("read which fuses have blown: %s: %w", s.path, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for tenant, at := range blown {
		s.burn(tenant).blown = at
	}
	return nil
}

// save writes which fuses have blown.
func (s *fuse) save() error {
	b, err := json.Marshal(s.blown())
	if err == nil {
		err = os.WriteFile(s.path+".new", b, 0o600)
	}
	if err == nil {
		err = os.Rename(s.path+".new", s.path)
	}
	if err != nil {
		return fmt.Errorf("write which fuses have blown: %w", err)
	}
	return nil
}
