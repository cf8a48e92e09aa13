package topics

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/vigil-gateway/vigil/schemas/access"
)

// scriptHead begins a script of grants.
const scriptHead = `#!/bin/sh
# What each part of Vigil may do in Kafka, and nothing else: "vigil topics acl"
# prints this for your names. It only adds; what it adds again stays as it is.
#   BOOTSTRAP=kafka:9092 COMMAND_CONFIG=client.properties sh acls.sh
set -eu
: "${BOOTSTRAP:?say a broker, host:port}" "${COMMAND_CONFIG:?say a file with the properties of an administrator}"
grant() { "${KAFKA_ACLS:-kafka-acls.sh}" --bootstrap-server "$BOOTSTRAP" --command-config "$COMMAND_CONFIG" --add --force "$@"; }
`

// Principals are those of each role, such as User:gateway-1.
type Principals map[access.Role][]string

// Script is a shell script that grants each role what it needs with Kafka's own
// kafka-acls.sh. The error names a principal that cannot be one.
func Script(p Principals) (string, error) {
	var b strings.Builder
	b.WriteString(scriptHead)
	for _, role := range access.Roles() {
		if len(p[role]) == 0 {
			continue
		}
		var who []string
		for _, name := range p[role] {
			if !regexp.MustCompile(`^User:[A-Za-z0-9._=,@/ -]+$`).MatchString(name) {
				return "", fmt.Errorf("principal %q: must be User: and a name of letters, digits and ._=,@/-", name)
			}
			who = append(who, "--allow-principal '"+name+"'")
		}
		fmt.Fprintf(&b, "\n# %s\n", role)
		for _, g := range access.Grants(role) {
			b.WriteString("grant " + strings.Join(who, " "))
			for _, o := range g.Operations {
				b.WriteString(" --operation " + o)
			}
			b.WriteString(" " + resource(g) + "\n")
		}
	}
	return b.String(), nil
}

// resource is what a grant is about, as options of kafka-acls.sh.
func resource(g access.Grant) string {
	if g.Resource == access.Cluster {
		return "--cluster"
	}
	var words []string
	for _, name := range g.Names {
		words = append(words, "--"+g.Resource+" "+name)
	}
	if g.Prefixed {
		words = append(words, "--resource-pattern-type prefixed")
	}
	return strings.Join(words, " ")
}
