package scenario

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// agents are the user agents that have a name.
//
//nolint:gochecknoglobals // A constant: Go has no constant maps.
var agents = map[string]string{
	"chrome":  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
	"chrome2": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/121.0.0.0 Safari/537.36",
	"firefox": "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0",
	"iphone":  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Mobile/15E148 Safari/604.1",
	"android": "Mozilla/5.0 (Linux; Android 13; Pixel 7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
	"bot":     "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
	"python":  "python-requests/2.31.0",
	"curl":    "curl/8.5.0",
}

// Agent is the user agent that a story calls by a name; a name that nobody
// gave is a user agent itself.
func Agent(name string) string {
	if text, ok := agents[name]; ok {
		return text
	}
	return name
}

// index finds the counts of loops in a text.
var index = regexp.MustCompile(`\{(i|j)([+*]\d{1,9})?\}`)

// number replaces {i} by the innermost loop's count from 1 and {j} by the one
// around it; {i+100} and {i*7} compute.
func number(text string, loops []int) (string, error) {
	var err error
	text = index.ReplaceAllStringFunc(text, func(m string) string {
		parts := index.FindStringSubmatch(m)
		depth := len(loops) - 1
		if parts[1] == "j" {
			depth--
		}
		if depth < 0 {
			err = fmt.Errorf("%s outside of a loop", m)
			return m
		}
		n := loops[depth]
		if parts[2] != "" {
			k, _ := strconv.Atoi(parts[2][1:]) // Digits, few enough.
			if parts[2][0] == '+' {
				n += k
			} else {
				n *= k
			}
		}
		return strconv.Itoa(n)
	})
	return text, err
}

// setField sets one field of an event; in= moves now.
func setField(e *event.RequestEvent, f string, places map[string][]string, now *time.Time) error {
	key, value, found := strings.Cut(f, "=")
	switch {
	case strings.HasPrefix(f, "/"):
		e.Path = f
		return nil
	case !found && strings.ToUpper(f) == f:
		e.Method = f
		return nil
	case !found:
		return fmt.Errorf("what is %q?", f)
	}
	text := texts(e)[key]
	if text != nil {
		*text = value
		return nil
	}
	name, isAttribute := strings.CutPrefix(key, "attr.")
	if isAttribute {
		setAttribute(e, name, value)
		return nil
	}
	switch key {
	case "query":
		setAttribute(e, event.AttributeQuery, value)
	case "at":
		return setPlace(e, value, places, now)
	case "ua":
		e.UserAgent = Agent(value)
	case "tag":
		e.NetworkTags = append(e.NetworkTags, value)
	case "in", "signed-in": // signed-in: how long ago.
		d, err := duration(value)
		if err != nil {
			return err
		}
		if key == "in" {
			*now = now.Add(d)
		} else {
			e.AuthTime = timestamppb.New(now.Add(-d))
		}
	default:
		return setNumber(e, key, value)
	}
	return nil
}

func setAttribute(e *event.RequestEvent, name, value string) {
	if e.Attributes == nil {
		e.Attributes = make(map[string]string)
	}
	e.Attributes[name] = value
}

func setPlace(e *event.RequestEvent, name string, places map[string][]string, now *time.Time) error {
	fields, ok := places[name]
	if !ok {
		return fmt.Errorf("no place is called %s", name)
	}
	for _, f := range fields {
		err := setField(e, f, nil, now)
		if err != nil {
			return err
		}
	}
	return nil
}

// texts are the fields of an event that hold text, by what stories call them.
func texts(e *event.RequestEvent) map[string]*string {
	return map[string]*string{
		"kind": &e.Kind, "phase": &e.Phase, "request": &e.RequestId, "stream": &e.Stream, "subject": &e.Subject, "session": &e.Session,
		"token": &e.TokenId, "device": &e.Device, "binding": &e.Binding, "kindof": &e.SubjectKind, "address": &e.Address, "country": &e.Country,
		"template": &e.Template, "resource": &e.Resource, "sensitivity": &e.Sensitivity, "outcome": &e.AuthOutcome, "account": &e.Account,
		"reason": &e.Reason, "decision": &e.Decision, "ja4": &e.Ja4, "gateway": &e.Gateway, "tenant": &e.Tenant,
		"client": &e.ClientId, "route": &e.Route, "host": &e.Host, "path": &e.Path, "issuer": &e.Issuer,
	}
}

func setNumber(e *event.RequestEvent, key, value string) error {
	n, err := strconv.ParseFloat(value, 64)
	switch key {
	case "asn":
		e.Asn = uint32(n)
	case "lat":
		e.Latitude = &n
	case "lon":
		e.Longitude = &n
	case "radius":
		e.AccuracyRadiusKm = n
	case "status":
		e.Status = uint32(n)
	case "out":
		e.BytesOut = uint64(n)
	case "received": // bytes_in; in= is taken.
		e.BytesIn = uint64(n)
	case "waf":
		e.WafScore = n
	case "epoch":
		e.Epoch = uint64(n)
	case "seq":
		e.Seq = uint64(n)
	default:
		return fmt.Errorf("no field is called %s", key)
	}
	if err != nil {
		return fmt.Errorf("%s: %q is no number", key, value)
	}
	return nil
}
