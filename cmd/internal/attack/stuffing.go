package attack

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/people"
)

// stuffingMost is how many passwords one server tries at most.
const stuffingMost = 200

// stuffing is one of many rented servers with a leaked list.
func (c *Campaign) stuffing(ctx context.Context, r *round) error {
	from := c.server(r.rand)
	r.From = fmt.Sprintf("%s, %s", from.Address, from.Network.City)
	r.targets = []string{from.Address.String()}
	x := newIntruder(r, people.NewClient(c.options.Gateway, from, "python-requests/2.32.3", "", &c.ledger))
	defer x.client.Close()
	everybody := c.options.Population.People
	err := x.pressFor(ctx, stuffingMost, func() people.Step {
		name := fmt.Sprintf("user%05d", r.rand.IntN(100000))
		if r.rand.Float64() < 0.1 { // Nine in ten of a bought list do not exist here.
			name = everybody[r.rand.IntN(len(everybody))].Name
		}
		form := people.SignIn(name, fmt.Sprintf("winter%d", r.rand.IntN(1e6)))
		return people.Step{Method: http.MethodPost, Path: "/login", Form: form, Anonymous: true, Status: http.StatusUnauthorized}
	}, func() time.Duration { return time.Duration(50+r.rand.IntN(100)) * time.Millisecond })
	r.Figure = float64(r.Served)
	return err
}
