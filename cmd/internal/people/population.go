package people

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Person is one ordinary user: where, with what and how he works.
type Person struct {
	Name     string
	Password string
	City     string
	Country  string
	Role     Role
	Accounts []string // The ids he works with, the frequent ones first.

	number  int // In the population.
	home    Spot
	office  *Spot // Nil for who works at home.
	carrier Network
	desktop device
	phone   *device

	opens     int           // Hour of the day (UTC) when his day starts.
	hours     int           // How long it lasts.
	diligence float64       // Probability of a day with any visit.
	think     time.Duration // Median pause between two pages.
	trip      *trip
}

// Role decides which pages a person likes.
type Role string

// Roles.
const (
	RoleClerk   Role = "clerk"   // Looks at accounts.
	RoleDesk    Role = "desk"    // Keeps the live view (WebSocket) open.
	RoleSupport Role = "support" // Keeps the feed (server-sent events) open.
	RoleAnalyst Role = "analyst" // Downloads reports, some of them long.
)

// Spot is an address with the network that it is in.
type Spot struct {
	Network Network
	Address netip.Addr
}

// device is a browser or an app. Its version moves on during the history.
type device struct {
	client   string // The OAuth client.
	agent    func(version int) string
	version  int           // At the start of the history.
	updateIn time.Duration // From the start of the history to the next version.
}

// trip is a stay abroad, as counted from the start of the history.
type trip struct {
	from, to time.Duration
	place    Spot
}

// Population is everybody who uses an installation.
type Population struct {
	World  *World
	People []*Person
	seed   uint64
	now    time.Time
}

// HistoryDays is how long the history is.
const HistoryDays = 30

// Random returns the stream of numbers for one purpose, so that no purpose
// shifts another's.
func Random(seed uint64, purpose string, n int) *rand.Rand {
	h := uint64(14695981039346656037) // FNV-1a.
	for _, c := range []byte(purpose + "/" + strconv.Itoa(n)) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return rand.New(rand.NewPCG(seed, h)) //nolint:gosec // Invented people want numbers that repeat, not secrets.
}

// NewPopulation makes n people whose working day includes now.
func NewPopulation(seed uint64, n int, now time.Time) *Population {
	p := &Population{World: newWorld(), seed: seed, now: now.UTC()}
	r := Random(seed, "offices", 0)
	var offices []Spot
	for i, org := range []string{"Alder & Birch", "Northlight", "Quarry Works"} {
		c := cities()[(r.IntN(5)+i*2)%len(cities())]
		network, address := p.World.office(c, org)
		offices = append(offices, Spot{network, address})
	}
	names := personNames()
	r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for i := range n {
		name := names[i%len(names)]
		if i >= len(names) {
			name += strconv.Itoa(i/len(names) + 1)
		}
		p.People = append(p.People, p.person(i, name, offices))
	}
	return p
}

// person makes one; everything follows from the seed and i.
func (p *Population) person(i int, name string, offices []Spot) *Person {
	r := Random(p.seed, "person", i)
	c := cities()[r.IntN(len(cities()))]
	u := &Person{
		number: i, Name: name, Password: fmt.Sprintf("%s-%06d", name, r.IntN(1e6)),
		Role:      []Role{RoleClerk, RoleClerk, RoleClerk, RoleDesk, RoleDesk, RoleSupport, RoleAnalyst}[r.IntN(7)],
		hours:     8 + r.IntN(4),
		diligence: 0.75 + 0.24*r.Float64(),
		think:     time.Duration(2000+r.IntN(3000)) * time.Millisecond,
	}
	if i < 3 {
		u.Role = RoleDesk // Also the smallest company has somebody whose token is worth stealing.
	}
	// The current hour lies well inside the working day: nobody is at work
	// outside his hours just because somebody started an installation.
	u.opens = (p.now.Hour() + 24 - 2 - r.IntN(u.hours-4)) % 24
	if r.Float64() < 0.45 {
		at := offices[r.IntN(len(offices))]
		u.office = &at
		c = cityNamed(at.Network.City)
	}
	u.City, u.Country = c.name, c.country
	provider := p.World.homes[c.name][r.IntN(2)]
	u.home = Spot{provider, provider.Address(r)}
	u.carrier = p.World.mobile[c.country]
	u.desktop = randomDevice(r, desktops())
	if r.Float64() < 0.6 {
		phone := randomDevice(r, phones())
		u.phone = &phone
	}
	for len(u.Accounts) < 8+r.IntN(18) {
		id := strconv.Itoa(1000 + r.IntN(9000))
		if !slices.Contains(u.Accounts, id) {
			u.Accounts = append(u.Accounts, id)
		}
	}
	if r.Float64() < 0.15 {
		u.trip = p.trip(r, c)
	}
	return u
}

// trip is three to five days abroad that ended at least a week ago.
func (p *Population) trip(r *rand.Rand, home city) *trip {
	abroad := home
	for abroad.country == home.country {
		abroad = cities()[r.IntN(len(cities()))]
	}
	from := time.Duration(5+r.IntN(12)) * 24 * time.Hour
	provider := p.World.homes[abroad.name][r.IntN(2)]
	return &trip{from: from, to: from + time.Duration(3+r.IntN(3))*24*time.Hour, place: Spot{provider, provider.Address(r)}}
}

func cityNamed(name string) city {
	all := cities()
	return all[slices.IndexFunc(all, func(c city) bool { return c.name == name })]
}

func randomDevice(r *rand.Rand, from []device) device {
	d := from[r.IntN(len(from))]
	d.updateIn = time.Duration(8+r.IntN(12)) * 24 * time.Hour
	return d
}

// userAgent is what the device says at a time after the start of the history.
func (d device) userAgent(since time.Duration) string {
	if since >= d.updateIn {
		return d.agent(d.version + 1)
	}
	return d.agent(d.version)
}

// RandomAgent is the user agent of a browser of some age.
func RandomAgent(r *rand.Rand) string {
	return randomDevice(r, desktops()).agent(120 + r.IntN(8))
}

// OtherAgent is one of another browser than the one whose agent is given.
func OtherAgent(r *rand.Rand, than string) string {
	for {
		agent := RandomAgent(r)
		if browser(agent) != browser(than) {
			return agent
		}
	}
}

// browser is what a user agent says that it is; each says of itself that it is
// the others too.
func browser(agent string) string {
	for _, name := range []string{"Edg/", "Firefox/", "Chrome/"} {
		if strings.Contains(agent, name) {
			return name
		}
	}
	return "Safari/"
}

func desktops() []device {
	return []device{
		{client: "web", version: 141, agent: func(v int) string {
			return fmt.Sprintf("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36", v)
		}},
		{client: "web", version: 141, agent: func(v int) string {
			return fmt.Sprintf("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36", v)
		}},
		{client: "web", version: 143, agent: func(v int) string {
			return fmt.Sprintf("Mozilla/5.0 (X11; Linux x86_64; rv:%d.0) Gecko/20100101 Firefox/%d.0", v, v)
		}},
		{client: "web", version: 141, agent: func(v int) string {
			return fmt.Sprintf("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36 Edg/%d.0.0.0", v, v)
		}},
		{client: "web", version: 18, agent: func(v int) string {
			return fmt.Sprintf("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/%d.0 Safari/605.1.15", v)
		}},
	}
}

func phones() []device {
	return []device{
		{client: "phone", version: 18, agent: func(v int) string {
			return fmt.Sprintf("Mozilla/5.0 (iPhone; CPU iPhone OS %d_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/%d.0 Mobile/15E148 Safari/604.1", v, v)
		}},
		{client: "phone", version: 141, agent: func(v int) string {
			return fmt.Sprintf("Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Mobile Safari/537.36", v)
		}},
	}
}

func personNames() []string {
	return []string{
		"abel", "ben", "chiara", "dario", "elif", "farid", "greta", "hanna", "igor", "julia",
		"kofi", "lena", "malik", "noor", "oscar", "petra", "quentin", "rosa", "sami", "tomas",
		"uma", "viktor", "wanda", "xenia", "yusuf", "zoe", "aino", "bruno", "carmen", "dmitri",
		"eva", "felix", "gloria", "hiro", "ines", "jonas", "kira", "luca", "mira", "nils",
		"olga", "pablo", "renata", "stefan", "tara", "urs", "vera", "wim", "yara", "zeno",
	}
}
