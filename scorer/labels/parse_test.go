package labels_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/scorer/labels"
)

const good = `{"id":"v1","model":"m","subject":"alice","label":"confirmed","by":"ana","at":"2026-03-02T08:00:00Z","evidence":[{"signal":"scan.paths","group":"payload","nats":9,"text":"a probe"}]}`

func TestParseSaysWhatIsWrongAndWhere(t *testing.T) {
	put := func(old, now string) string { return strings.Replace(good, old, now, 1) }
	tests := map[string]struct{ text, want string }{
		"a good line":                            {good, ""},
		"an empty file":                          {"", ""},
		"empty lines count, and say nothing":     {"\n" + good + "\n\n{\n", "l:4: unexpected EOF"},
		"what a verdict has beside":              {put(`"id"`, `"time":"2026-03-02T08:00:00Z","epoch":1,"seq":2,"authority":"subject","target_kind":"session","target_id":"s","action":"revoke","until":"x","score":1,"origin":"model","cause_event_id":"e","public_text":"","operator_text":"","support_code":"VG-AAAA-AAAA","id"`), ""},
		"a member that nobody knows":             {put(`"by"`, `"who"`), `l:1: unknown field "who"`},
		"two on a line":                          {good + good, "l:1: one JSON object a line is read"},
		"no id":                                  {put(`"id":"v1",`, ""), "l:1: id: is missing"},
		"no model":                               {put(`"model":"m",`, ""), "l:1: model: is missing"},
		"nobody is meant":                        {put(`"subject":"alice",`, ""), "l:1: subject or target_id: is missing"},
		"a label that there is not":              {put("confirmed", "maybe"), `l:1: label: must be false_alarm or confirmed, is "maybe"`},
		"nobody says so":                         {put(`"by":"ana",`, ""), "l:1: by: is missing"},
		"no time":                                {put(`"at":"2026-03-02T08:00:00Z",`, ""), "l:1: at: is missing"},
		"a time that is none":                    {put("2026-03-02T08:00:00Z", "monday"), "l:1: "},
		"no evidence":                            {put(`[{"signal":"scan.paths","group":"payload","nats":9,"text":"a probe"}]`, "[]"), "l:1: evidence: is missing"},
		"a group that there is not":              {put("payload", "payloads"), `l:1: evidence[0].group: "payloads" is unknown`},
		"more nats than there can be":            {put(`"nats":9`, `"nats":1e300`), "l:1: evidence[0].nats: must be within 1000 of 0"},
		"a number that is too large for a float": {put(`"nats":9`, `"nats":1e999`), "l:1: "},
		"too much evidence":                      {put(`{"signal"`, strings.Repeat(`{"group":"walk"},`, 300)+`{"signal"`), "l:1: evidence: has 301 pieces"},
		"every fault at once":                    {"1\n2\n" + good + "\n3", "l:4: "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			all, err := labels.Parse("l", []byte(tt.text))
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("Parse: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("Parse error = %v, want %q", err, tt.want)
			case err != nil && all != nil:
				t.Error("labels beside an error")
			}
		})
	}
}

func TestFaultsAreToldAtOnceAndNotWithoutEnd(t *testing.T) {
	_, err := labels.Parse("l", []byte(strings.Repeat("x\n", 1000)))
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) || len(joined.Unwrap()) != labels.FaultsMax {
		t.Errorf("Parse error = %v, want %d faults", err, labels.FaultsMax)
	}
}
