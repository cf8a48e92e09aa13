package topics_test

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/cmd/internal/topics"
	"github.com/vigil-gateway/vigil/schemas/access"
)

// shippedACLs is what an operator begins with.
const shippedACLs = "../../../deploy/kafka/acls.sh"

func TestShippedACLsAreTheGrants(t *testing.T) {
	got, err := topics.Script(topics.Principals{
		access.RoleGateway: {"User:gateway-1", "User:gateway-2"}, access.RoleAnalyzer: {"User:analyzer-1"},
		access.RoleOperator: {"User:operator"}, access.RoleReader: {"User:reader"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("UPDATE_GOLDEN") != "" {
		err = os.WriteFile(shippedACLs, []byte(got), 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(shippedACLs)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("deploy/kafka/acls.sh (-file +grants):\n%s", diff)
	}
}

func TestPrincipalsCannotLeaveTheirQuotes(t *testing.T) {
	for name, good := range map[string]bool{
		"User:gateway-1": true, "User:CN=gateway-1,O=Example": true,
		"gateway-1": false, "User:": false, "User:*": false, "User:a'; rm -rf / #": false, "User:a\nb": false,
	} {
		_, err := topics.Script(topics.Principals{access.RoleGateway: {name}})
		if (err == nil) != good {
			t.Errorf("Script with %q: %v, want good %v", name, err, good)
		}
	}
}
