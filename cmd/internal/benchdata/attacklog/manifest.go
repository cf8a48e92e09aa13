package attacklog

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Case is one log of the set, and what its own project expects of it.
type Case struct {
	Test      string   `json:"test"`
	Log       string   `json:"log"`
	LogType   string   `json:"log_type"`
	Scenarios []string `json:"scenarios"`
	// Sources are who is to be caught: addresses, where the log has them.
	Sources []string `json:"sources"`
}

// readManifest reads the list of cases of the set in dir. The error wraps
// [fs.ErrNotExist] where there is none.
func readManifest(dir string) ([]Case, error) {
	name := filepath.Join(dir, "manifest.json")
	b, err := os.ReadFile(name) //nolint:gosec // The operator names the folder.
	if err != nil {
		return nil, fmt.Errorf("read attack logs: %w", err)
	}
	var cases []Case
	err = json.Unmarshal(b, &cases)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return cases, nil
}

// bucket is the number of events at which the set's own project acts: the
// capacity of the smallest bucket of the case and one. Most of its buckets hold
// five; those that trigger at once hold none.
func (c *Case) bucket() int {
	least := 0
	for i, s := range c.Scenarios {
		n := capacity(s)
		if i == 0 || n < least {
			least = n
		}
	}
	return least + 1
}

// capacities are those that are not five, by a piece of the scenario's name, as
// the hub has them.
//
//nolint:gochecknoglobals // A constant: Go has no constant tables.
var capacities = []struct {
	piece string
	holds int
}{
	{"slow-bf_user-enum", 10},
	{"keycloak", 10},
	{"cas-slow", 10},
	{"dovecot", 3},
	{"sftpgo", 3},
	{"openvpn", 3},
	{"joplin", 3},
	{"gotify", 3},
	{"email-user-bf", 3},
	{"wireguard", 3},
	{"zoneminder-bf", 4},
	{"http-sap-interface", 1},
	{"CVE-2022-41697", 5},
	{"http-crawl", 40},
	{"http-dos", 30},
	{"http-probing", 10},
	{"zoneminder_cve", 10},
	{"http-admin-interface-probing", 4},
	{"http-path-traversal", 3},
	{"http-sensitive-files", 2},
	{"http-bad-user-agent", 1},
	{"-bf", 5},
	{"_bf", 5},
	{"user_enum", 5},
	{"user-enum", 5},
	{"db-enum", 5},
	{"postfix-spam", 5},
}

func capacity(scenario string) int {
	for _, c := range capacities {
		if strings.Contains(scenario, c.piece) {
			return c.holds
		}
	}
	return 0
}

// outside are the log types and scenarios of what no gateway sees: other
// machines' kernels and processes, mail and name service, ports beside its own,
// lists and verdicts that others have made, and traps: that anybody tries to
// sign in where nobody may is news to the trap's owner alone.
//
//nolint:gochecknoglobals // A constant: Go has no constant lists.
var outside = []string{
	"CVE-2021-4034", "CVE-2023-4911", "amavis-blocked", "auditd-", "aws-cloudtrail", "bind9-", "CVE-2023-23397", "endlessh",
	"exim-spam", "freeswitch-acl", "iptables-", "k8s-audit", "mailcow-f2b", "mailscanner", "palo-alto", "postfix-relay", "sshesame",
	"impossible-travel", "cpanel-bf-attempt", "mailu-admin", "ssh-generic-test", "auditd",
}

// notices are the scenarios that ban nobody (remediation: false in the hub).
//
//nolint:gochecknoglobals // A constant: Go has no constant lists.
var notices = []string{"http-technology-probing"}

// notice reports whether a case is about such scenarios alone.
func (c *Case) notice() bool {
	return !slices.ContainsFunc(c.Scenarios, func(s string) bool {
		return !slices.ContainsFunc(notices, func(n string) bool { return strings.Contains(s, n) })
	})
}

// mapped reports whether a case is about what a gateway sees.
func (c *Case) mapped() bool {
	return slices.ContainsFunc(c.Scenarios, func(s string) bool {
		return !slices.ContainsFunc(outside, func(o string) bool { return strings.Contains(s, o) })
	}) && len(c.Sources) > 0
}
