package life

import (
	"fmt"
	"math"
	"time"
)

// program is a browser or an app as a user agent names it.
type program int

const (
	chromeWindows program = iota
	chromeMac
	edgeWindows
	firefoxWindows
	firefoxLinux
	safariMac
	safariPhone
	chromePhone
	samsungPhone
	appApple
	appAndroid
	commandLine
	programs
)

// train is the release plan of a program: a version every so many days, which
// reaches a device after its own delay, on average lag days.
type train struct {
	first     int
	every     float64
	lag       float64
	offset    float64 // Days before the start that the first version came out.
	userAgent string
}

// trains are the plans of four weeks (Chrome, Edge, Firefox), of the operating
// systems (Safari) and of the vendor's own app, two weeks. Browsers freeze
// minor versions and most of the system in the user agent.
func trains() [programs]train {
	return [programs]train{
		chromeWindows:  {141, 28, 3, 17, "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36"},
		chromeMac:      {141, 28, 4, 17, "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36"},
		edgeWindows:    {141, 28, 3, 12, "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%[1]d.0.0.0 Safari/537.36 Edg/%[1]d.0.0.0"},
		firefoxWindows: {143, 28, 3, 20, "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:%[1]d.0) Gecko/20100101 Firefox/%[1]d.0"},
		firefoxLinux:   {143, 28, 6, 20, "Mozilla/5.0 (X11; Linux x86_64; rv:%[1]d.0) Gecko/20100101 Firefox/%[1]d.0"},
		safariMac:      {18, 45, 9, 35, "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/%d.0 Safari/605.1.15"},
		safariPhone:    {18, 45, 9, 33, "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/%d.0 Mobile/15E148 Safari/604.1"},
		chromePhone:    {141, 28, 5, 15, "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Mobile Safari/537.36"},
		samsungPhone:   {28, 60, 12, 40, "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/%d.0 Chrome/130.0.0.0 Mobile Safari/537.36"},
		appApple:       {512, 14, 4, 5, "Desk/%d CFNetwork/3826.500.131 Darwin/24.5.0"},
		appAndroid:     {512, 14, 6, 5, "Desk/%d (Android 15) okhttp/4.12.0"},
		commandLine:    {31, 120, 20, 40, "deskctl/0.%d (linux/amd64)"},
	}
}

// fleet knows every version of every program and keeps its user agent.
type fleet struct {
	seed    uint64
	start   int64
	trains  [programs]train
	agents  [programs]map[int]string
	ja4s    [programs]map[int]string
	clients [programs]string
}

func newFleet(seed uint64, start int64) *fleet {
	f := &fleet{seed: seed, start: start, trains: trains()}
	for p := range f.agents {
		f.agents[p], f.ja4s[p] = make(map[int]string), make(map[int]string)
		f.clients[p] = "web"
		if program(p) == appApple || program(p) == appAndroid {
			f.clients[p] = "mobile-app"
		}
	}
	f.clients[commandLine] = "deskctl"
	return f
}

// device is one browser on one machine, or an app on a phone.
type device struct {
	program program
	seed    uint64
	// cookie is the device id, "" where the tenant sets none; bound devices
	// prove a key (DPoP).
	cookie string
	bound  bool
	// held keeps devices on old versions: some machines never restart.
	held bool

	login login
}

// userAgent and ja4 are what a device says at a time.
func (f *fleet) userAgent(dev *device, now int64) (agent, ja4 string) {
	t := &f.trains[dev.program]
	days := float64(now-f.start) / float64(24*time.Hour)
	v := int(math.Floor((days + t.offset) / t.every))
	for v > 0 {
		lag := t.lag * -math.Log(1-share(mix(dev.seed, uint64(v), forRelease)))
		if dev.held {
			lag *= 5
		}
		if days+t.offset-float64(v)*t.every >= min(lag, 2*t.every) {
			break
		}
		v--
	}
	v += t.first
	agent, ok := f.agents[dev.program][v]
	if !ok {
		agent = fmt.Sprintf(t.userAgent, v)
		f.agents[dev.program][v] = agent
		// The TLS stack changes in every fourth version or so.
		h := mix(uint64(dev.program), uint64(v/4))
		f.ja4s[dev.program][v] = fmt.Sprintf("t13d15%02dh2_%012x_%012x", 12+h%6, h>>16, mix(h)>>16)
	}
	return agent, f.ja4s[dev.program][v]
}
