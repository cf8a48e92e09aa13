package announce

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// fuse bounds the automatic revokes and blocks per tenant: whoever can make
// the analyzer see ghosts shall not log a whole company out.
type fuse struct {
	perMinute int

	mu      sync.Mutex
	tenants map[string]*rate.Limiter
}

func newFuse(perMinute int) *fuse {
	return &fuse{perMinute: perMinute, tenants: make(map[string]*rate.Limiter)}
}

// allow reports whether one more may go out now.
func (f *fuse) allow(tenant string, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, ok := f.tenants[tenant]
	if !ok {
		if len(f.tenants) >= tenantsMax {
			tenant = "" // The fuse that late-comers share.
			l = f.tenants[tenant]
		}
		if l == nil {
			l = rate.NewLimiter(rate.Every(time.Minute/time.Duration(f.perMinute)), f.perMinute)
			f.tenants[tenant] = l
		}
	}
	return l.AllowN(now, 1)
}
