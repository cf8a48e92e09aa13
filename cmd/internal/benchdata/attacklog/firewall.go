package attacklog

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// Lines of web application firewalls: the total of a request by the OWASP core
// rule set, and requests that openappsec names an incident.
var (
	crsTotal = regexp.MustCompile(`(?:\[client [^\]]*\] )?\[client \\?"?(?P<ip>[0-9A-Fa-f.:]+?)\\?"?\] (?:ModSecurity|Coraza): .*Inbound Anomaly Score Exceeded \(Total (?:Inbound )?Score: (?P<score>\d+)`)
	crsURI   = regexp.MustCompile(`\[uri \\?"([^"\\]*)\\?"\]`)
)

// severities are the scores that the core rule set gives the severities.
//
//nolint:gochecknoglobals // A constant: Go has no constant maps.
var severities = map[string]float64{"critical": 5, "high": 4, "medium": 3, "low": 2}

// totalPoint is the part of openappsec's total that stands for a point of the
// core rule set: its thousand is taken for what four critical rules give.
const totalPoint = 50

// readFirewall reads a line of a firewall into e: a request with the score
// that the firewall gave it. It reports whether the line is one.
func readFirewall(line string, e *event.RequestEvent) bool {
	if m := crsTotal.FindStringSubmatch(line); m != nil {
		address, ok := addressOf(m[1])
		if !ok {
			return false
		}
		e.WafScore, _ = strconv.ParseFloat(m[2], 64)
		if uri := crsURI.FindStringSubmatch(line); uri != nil {
			e.Path, _, _ = strings.Cut(uri[1], "?")
		}
		flagged(e, address)
		return true
	}
	var incident struct {
		Severity string `json:"eventSeverity"`
		Data     struct {
			Source   string  `json:"sourceIP"`
			Method   string  `json:"httpMethod"`
			Path     string  `json:"httpUriPath"`
			Incident string  `json:"waapIncidentType"`
			Total    float64 `json:"waapFinalScore"` // In [0, 1000].
		} `json:"eventData"`
	}
	err := json.Unmarshal([]byte(line), &incident)
	if err != nil || incident.Data.Incident == "" {
		return false
	}
	address, ok := addressOf(incident.Data.Source)
	if !ok {
		return false
	}
	e.WafScore, e.Method, e.Path = severities[strings.ToLower(incident.Severity)], incident.Data.Method, incident.Data.Path
	if incident.Data.Total > 0 {
		e.WafScore = incident.Data.Total / totalPoint
	}
	e.WafRules = []string{incident.Data.Incident}
	flagged(e, address)
	return true
}

func flagged(e *event.RequestEvent, address string) {
	e.Kind, e.Phase, e.Address = event.KindRequest, event.PhaseComplete, address
	e.Status, e.Template = 403, e.GetPath()
}
