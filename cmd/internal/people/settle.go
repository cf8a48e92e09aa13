package people

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/devstack"
	"github.com/vigil-gateway/vigil/deploy/devstack/idp"
	"github.com/vigil-gateway/vigil/gateway/origin"
	"github.com/vigil-gateway/vigil/gateway/route"
)

// Learned says what a history was.
type Learned struct {
	Events int
	Took   time.Duration
}

// Settle makes an installation one in which p lives: names and passwords at the
// sample service, the address plan at the gateway, PROXY headers of this
// machine believed, and thirty days of history in the analyzer's warm start.
// What o configures already has the last word. Learned hears of a history that
// was made; nil is not interested.
func (p *Population) Settle(o *devstack.Options, learned func(Learned)) {
	users := make(map[string]string, len(p.People)+len(o.Users))
	maps.Copy(users, o.Users)
	for _, u := range p.People {
		users[u.Name] = u.Password
	}
	o.Users, o.DownloadRate, o.Sample = users, DownloadRate, true
	configured := o.Configure
	o.Configure = func(c *devstack.Config) error {
		p.World.place(c)
		if configured == nil {
			return nil
		}
		return configured(c)
	}
	o.Prepare = func(ctx context.Context, at devstack.Prepared) (string, error) { return p.warmStart(ctx, at, learned) }
}

// place tells a gateway where addresses are, and that PROXY headers of this
// machine are true. A connection without one is of this machine itself.
func (w *World) place(c *devstack.Config) {
	c.Gateway.Listen.ProxyProtocol.Trusted = []string{"127.0.0.1"}
	c.Gateway.Listen.ProxyProtocol.Require = false
	for _, n := range w.Networks {
		c.Gateway.Origin.Networks = append(c.Gateway.Origin.Networks, origin.Static{
			Prefix: n.Prefix.String(), Country: n.Country, ASN: n.ASN, Org: n.Org,
			Latitude: &n.Latitude, Longitude: &n.Longitude, AccuracyKM: n.AccuracyKM, Tags: n.Tags,
		})
	}
}

// warmStart scores the history offline, as "vigil score --state" does. The one
// that was made at the first start stays.
func (p *Population) warmStart(ctx context.Context, at devstack.Prepared, learned func(Learned)) (string, error) {
	file := filepath.Join(at.Places.State, "history.state")
	_, err := os.Stat(file)
	if err == nil {
		return file, nil
	}
	began := time.Now()
	routes, err := route.NewTable(route.Config{Routes: at.Config.Gateway.Routes})
	if err != nil {
		return "", err
	}
	n := &Narrator{Names: at.Names, Routes: routes, Issuer: at.Issuer, Tenant: devstack.Tenant, Host: at.Host, Tick: at.Config.Gateway.Proxy.TickEvery}
	events, err := n.History(p)
	if err != nil {
		return "", err
	}
	err = learn(ctx, at.Config.Analyzer.Model.File, events, file)
	if err != nil {
		return "", err
	}
	if learned != nil {
		learned(Learned{Events: len(events), Took: time.Since(began)})
	}
	return file, nil
}

// Claims are those of the token that the sample provider gives for a visit.
func (v *Visit) Claims(now time.Time) idp.Claims {
	return idp.Claims{
		Subject: v.Person.Name, SessionID: v.SessionID, TokenID: v.TokenID(), ClientID: v.Client,
		Scope: "app", ACR: acrPassword, AMR: []string{"pwd"}, AuthTime: now,
	}
}

// TokenID is the jti of a visit's token.
func (v *Visit) TokenID() string { return v.SessionID + "-token" }

// censusFile is where an installation keeps who lives in it.
const censusFile = "people.json"

// ErrNobody means that nobody lives in an installation.
var ErrNobody = errors.New("nobody lives here")

// Census says who lives in an installation: everything else follows from it.
type Census struct {
	// Seed and Count make the people, Made their working hours and the end of
	// their history.
	Seed  uint64    `json:"seed"`
	Count int       `json:"count"`
	Made  time.Time `json:"made"`
	// Issuer is the provider that their history knows them by.
	Issuer string `json:"issuer"`
}

// Population is everybody, as they were made.
func (c Census) Population() *Population { return NewPopulation(c.Seed, c.Count, c.Made) }

// ReadCensus returns who lives in an installation. The error wraps [ErrNobody]
// where nobody does.
func ReadCensus(dir string) (Census, error) {
	var c Census
	b, err := os.ReadFile(filepath.Join(dir, censusFile)) //nolint:gosec // The operator names the directory.
	if errors.Is(err, fs.ErrNotExist) {
		return c, ErrNobody
	}
	if err != nil {
		return c, fmt.Errorf("read census: %w", err)
	}
	err = json.Unmarshal(b, &c)
	if err != nil {
		return c, fmt.Errorf("read census: %w", err)
	}
	if c.Count < 1 || c.Count > CountMax {
		return c, fmt.Errorf("read census: count must be between 1 and %d, is %d", CountMax, c.Count)
	}
	return c, nil
}

// CountMax bounds the people of an installation.
const CountMax = 500

// Write puts c in an installation's directory.
func (c Census) Write(dir string) error {
	b, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode census: %w", err)
	}
	err = os.WriteFile(filepath.Join(dir, censusFile), append(b, '\n'), 0o600)
	if err != nil {
		return fmt.Errorf("write census: %w", err)
	}
	return nil
}
